"""Calls of the emulator's Vertex door and its bucket, as bare HTTP and as the SDKs make them."""

import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import quote

import httpx2

from emulator import service_account
from emulator_client import MODEL, png
from emulator_process import PATIENCE, Emulator, wait_for

PROJECT = "example-project"
JOBS = f"/v1/projects/{PROJECT}/locations/global/batchPredictionJobs"
BUCKET = "flowsheets"  # the one that every emulator has
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
ENDED = ("SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")


@cache
def _key_file() -> Path:
    """One for all: a new RSA key takes a moment."""
    return service_account.write(Path(mkdtemp()) / "key.json", "")


def key_file(emulator: Emulator, path: Path) -> Path:
    """A service account's file whose tokens the emulator issues."""
    account = json.loads(_key_file().read_text()) | {"token_uri": f"{emulator.url}/token"}
    path.write_text(json.dumps(account))
    return path


def credentials(emulator: Emulator) -> Any:
    """Credentials that fetch their tokens at the emulator."""
    from google.oauth2.service_account import Credentials

    account = json.loads(_key_file().read_text()) | {"token_uri": f"{emulator.url}/token"}
    return Credentials.from_service_account_info(account, scopes=SCOPES)  # type: ignore[no-untyped-call]


def bearer(emulator: Emulator) -> str:
    """A token, as google-auth fetches it."""
    import requests
    from google.auth.transport.requests import Request

    fetched = credentials(emulator)
    with requests.Session() as session:
        session.trust_env = False
        fetched.refresh(Request(session))
    return str(fetched.token)


def client(emulator: Emulator, token: str | None = None) -> httpx2.Client:
    headers = {"authorization": f"Bearer {token or bearer(emulator)}"}
    return httpx2.Client(
        base_url=emulator.url, headers=headers, timeout=PATIENCE, trust_env=False, verify=False
    )


def put(api: httpx2.Client, name: str, data: bytes | str, **query: Any) -> httpx2.Response:
    """Uploads an object in one request."""
    params = {"uploadType": "media", "name": name, **query}
    return api.post(f"/upload/storage/v1/b/{BUCKET}/o", params=params, content=data)


def read(api: httpx2.Client, name: str, **headers: str) -> httpx2.Response:
    place = f"/download/storage/v1/b/{BUCKET}/o/{quote(name, safe='')}"
    return api.get(place, params={"alt": "media"}, headers=headers)


def names(api: httpx2.Client, prefix: str = "") -> list[str]:
    """Every object under the prefix."""
    found = api.get(f"/storage/v1/b/{BUCKET}/o", params={"prefix": prefix}).json()
    return [item["name"] for item in found.get("items", [])]


def put_image(api: httpx2.Client, seed: int) -> str:
    """An image that no other seed gives, in the bucket; returns its gs:// address."""
    name = f"pages/page-{seed}.png"
    put(api, name, png(seed)).raise_for_status()
    return f"gs://{BUCKET}/{name}"


def page_request(uri: str, **more: Any) -> dict[str, Any]:
    image = {"fileUri": uri, "mimeType": "image/png"}
    return {
        "contents": [{"role": "user", "parts": [{"fileData": image}, {"text": "Transcribe."}]}],
        "generationConfig": {"responseMimeType": "application/json", "maxOutputTokens": 32768},
    } | more


def page_lines(api: httpx2.Client, count: int) -> list[dict[str, Any]]:
    """Input lines with the keys "k-0", "k-1", ...; their images are put into the bucket."""
    return [
        {"key": f"k-{seed}", "request": page_request(put_image(api, seed))} for seed in range(count)
    ]


def body(folder: str, display_name: str = "a", **more: Any) -> dict[str, Any]:
    """What `batches.create` sends; input and output are under a folder of the bucket."""
    place = f"gs://{BUCKET}/{folder}"
    return {
        "model": f"publishers/google/models/{MODEL}",
        "displayName": display_name,
        "inputConfig": {
            "instancesFormat": "jsonl",
            "gcsSource": {"uris": [f"{place}/requests.jsonl"]},
        },
        "outputConfig": {
            "predictionsFormat": "jsonl",
            "gcsDestination": {"outputUriPrefix": f"{place}/out"},
        },
    } | more


def create(
    api: httpx2.Client, lines: list[Any], folder: str = "b", display_name: str = "a"
) -> httpx2.Response:
    """Uploads the lines (text as it is) and creates a job of them."""
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    put(api, f"{folder}/requests.jsonl", "".join(f"{text}\n" for text in texts))
    return api.post(JOBS, json=body(folder, display_name))


def create_job(api: httpx2.Client, lines: list[Any], folder: str = "b") -> str:
    return str(create(api, lines, folder).json()["name"])


def state(job: Any) -> str:
    return str(job["state"]).removeprefix("JOB_STATE_")


def until(api: httpx2.Client, name: str, *states: str) -> Any:
    """Polls until the job is in one of the states, ended ones unless given; returns the reply."""

    def reached() -> Any:
        job = api.get(f"/v1/{name}").json()
        return job if state(job) in (states or ENDED) else None

    return wait_for(reached)


def output(api: httpx2.Client, job: Any) -> list[dict[str, Any]]:
    """The lines of a job's final files, in their order."""
    return lines_of(
        read(api, name).content
        for name in files(api, job)
        if "/incremental_predictions/" not in name
    )


def files(api: httpx2.Client, job: Any) -> list[str]:
    """The names of a job's output files."""
    folder = job["outputInfo"]["gcsOutputDirectory"]
    return names(api, folder.removeprefix(f"gs://{BUCKET}/"))


def lines_of(contents: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for text in contents for line in text.split(b"\n") if line]


def run_job(api: httpx2.Client, lines: list[Any], folder: str = "b") -> list[dict[str, Any]]:
    """Runs the lines as a job, which must succeed, and returns its output lines."""
    job = until(api, create_job(api, lines, folder))
    assert state(job) == "SUCCEEDED", job
    return output(api, job)
