"""A station whose door to the API is Vertex AI, at the emulator."""

from emulator_process import Emulator
from emulator_vertex import BUCKET, PROJECT, key_file
from flowsheets.jobs import buckets, database, states
from station import Station

PLACE = f"gs://{BUCKET}/pages"


def vertex_door(emulator: Emulator) -> dict[str, str]:
    """All that a person sets: credentials whose tokens the emulator issues, project, bucket.

    The same for every test of an emulator, so that its clients can stay (in_process.py).
    """
    return {
        "GEMINI_API_KEY": "",
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "GOOGLE_APPLICATION_CREDENTIALS": str(key_file(emulator, emulator.data / "account.json")),
        "GOOGLE_VERTEX_BASE_URL": emulator.url,
        "STORAGE_EMULATOR_HOST": emulator.url,
        "BATCH_BUCKET": PLACE,
    }


def proven(station: Station) -> None:
    """As after a first batch of one page: the next one may be of several."""
    db = database.connect(station.data)
    with database.transaction(db):
        buckets.prove(db, PLACE, "earlier", states.now())
    db.close()
