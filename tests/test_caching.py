"""The prompt cache of a batch: made where it pays, named by each request, no page's failure."""

import json
import shutil
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from emulator_process import Emulator, running_emulator, wait_for
from flowsheets import paths, settings
from flowsheets.batch import prompt_cache
from flowsheets.batch.folder import Batch
from flowsheets.gemini import developer
from flowsheets.gemini.client import ApiProblem
from flowsheets.jobs import database, states
from flowsheets.paths import PageId
from station import KEY, PDF, Station

PAGES = 320  # from some 280 on a cache is cheaper than what it saves
HOURS = timedelta(hours=1).total_seconds()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An API that takes a prompt as short as ours."""
    folder = tmp_path_factory.mktemp("api")
    with running_emulator(folder, "--key", KEY, "--cache-minimum", "500") as emulator:
        yield emulator


@pytest.fixture
def large(station: Station, api: Emulator) -> Iterator[Station]:
    """A station with enough pages for a cache."""
    station.base_url = api.url
    station.rendered(1)
    db = database.connect(station.data)
    more = [PageId(PDF, number) for number in range(2, PAGES + 1)]
    states.register(db, more)
    states.flip(db, more, "pending", "rendered")
    db.close()
    for page in more:
        shutil.copy(station.png(1), paths.png(station.data, page))
    yield station
    for name in api.faults():
        api.faults(**{name: None})


def caches(api: Emulator) -> list[dict[str, Any]]:
    """The caches that live at the API."""
    request = urllib.request.Request(
        f"{api.url}/v1beta/cachedContents", headers={"x-goog-api-key": KEY}
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        found: list[dict[str, Any]] = json.loads(reply.read()).get("cachedContents", [])
    return found


def forget(api: Emulator, name: str) -> None:
    request = urllib.request.Request(
        f"{api.url}/v1beta/{name}", method="DELETE", headers={"x-goog-api-key": KEY}
    )
    urllib.request.urlopen(request, timeout=10).read()


def named(station: Station, number: int = 0) -> set[str | None]:
    """The caches that the requests of a batch name."""
    lines = (station.folders()[number] / "requests.jsonl").read_text().splitlines()
    return {json.loads(line)["request"].get("cachedContent") for line in lines}


def test_every_request_names_the_cache_which_goes_when_the_batch_is_settled(
    large: Station, api: Emulator
) -> None:
    batch_id = large.good("batch-submit", f"LIMIT={PAGES}").split("submitted ")[1].split()[0]
    (kept,) = caches(api)
    assert named(large) == {kept["name"]}
    life = datetime.fromisoformat(kept["expireTime"][:19]) - datetime.fromisoformat(
        kept["createTime"][:19]
    )
    assert life > timedelta(hours=48)
    assert f"{PAGES} completed" in large.fetched(batch_id)
    assert caches(api) == []
    said = large.good("cost")
    ratio = float(said.split("pages, ")[1].split()[0])
    assert 0.5 < ratio < 0.56  # cached tokens are not halved again
    assert "1 prompt cache, about $0.00" in said


def test_a_batch_too_small_for_it_to_pay_has_no_cache(large: Station, api: Emulator) -> None:
    large.good("batch-submit", "LIMIT=20")
    assert named(large) == {None}
    assert caches(api) == []


def test_off_is_off(large: Station, api: Emulator) -> None:
    before = len(api.ledger()["requests"])
    large.good("batch-submit", f"LIMIT={PAGES}", GEMINI_CACHE="off")
    large.good("process", GEMINI_CACHE="off")
    assert named(large) == {None}
    asked = [r["path"] for r in api.ledger()["requests"][before:]]
    assert not any("cachedContents" in path for path in asked)
    assert "GEMINI_CACHE: 'on' is unknown. Give auto or off" in large.error(
        "batch-submit", GEMINI_CACHE="on"
    )


def test_the_storage_of_a_real_time_run_s_cache_is_in_the_books_also_after_a_kill(
    large: Station, api: Emulator
) -> None:
    large.good("process", "LIMIT=2")
    assert caches(api) == []
    assert large.good("cost").endswith("1 prompt cache, about $0.0000 for storage on top\n")
    large.make("process", "LIMIT=20", FATE="kill", STEP="80")
    (left,) = caches(api)
    db = database.connect(large.data)
    (row,) = db.table("caches").rows_where("ended_at IS NULL")
    assert (row["name"], row["tokens"]) == (left["name"], 1156)
    with db.atomic():  # two hours ago: it ended by itself an hour later
        db.execute("UPDATE caches SET made_at = ?, ends_at = ? WHERE ended_at IS NULL", _AN_HOUR)
    assert "2 prompt caches, about $0.0052 for storage" in large.good("cost")
    forget(api, left["name"])


_AN_HOUR = ["2026-01-01T12:00:00+00:00", "2026-01-01T13:00:00+00:00"]


def test_a_cache_that_died_fails_no_page_and_the_next_batch_goes_without(
    large: Station, api: Emulator
) -> None:
    api.faults(batch_stays_pending=True)
    large.good("batch-submit", f"LIMIT={PAGES}")
    (kept,) = caches(api)
    forget(api, kept["name"])
    api.faults(batch_stays_pending=None)
    api.restart()
    assert f"{PAGES} returned to the queue" in large.fetched(large.folders()[0].name)
    assert {(r["status"], r["attempts"]) for r in large.rows()} == {("rendered", 0)}
    large.good("batch-submit", f"LIMIT={PAGES}")
    assert named(large, 1) == {None}
    assert f"{PAGES} completed" in large.fetched(large.folders()[1].name)


def test_a_folder_that_waited_has_its_caches_life_made_longer(
    large: Station, api: Emulator
) -> None:
    api.faults(create_429=1)
    large.error("batch-submit", f"LIMIT={PAGES}")
    ended = caches(api)[0]["expireTime"]
    (folder,) = large.folders()
    age(folder, hours=5)
    large.good("batch-submit", f"LIMIT={PAGES}")
    assert caches(api)[0]["expireTime"] > ended
    large.fetched(folder.name)


def test_a_folder_that_waited_until_its_cache_died_gives_its_pages_back(
    large: Station, api: Emulator
) -> None:
    api.faults(create_429=1)
    large.error("batch-submit", f"LIMIT={PAGES}")
    (folder,) = large.folders()
    age(folder, hours=60)
    forget(api, caches(api)[0]["name"])
    said = large.error("batch-submit", f"LIMIT={PAGES}")
    assert f"its prompt cache is gone; its {PAGES} pages are back in the queue" in said
    large.good("batch-submit", f"LIMIT={PAGES}")
    assert named(large, 1) == {None}


def test_a_cache_whose_answer_was_lost_is_not_paid_for_by_the_hour(
    large: Station, api: Emulator
) -> None:
    # The second HTTP step of a build is the answer to the create of its cache.
    done = large.make("batch-submit", f"LIMIT={PAGES}", FATE="cut", STEP="2")
    assert "no prompt cache, going on without: the connection broke" in done.stderr
    assert len(caches(api)) == 1
    large.good("batch-submit", f"LIMIT={PAGES}")
    large.fetched(large.folders()[0].name)
    assert caches(api) == []


def test_a_cache_that_a_killed_build_left_behind_is_removed(large: Station, api: Emulator) -> None:
    name = "20260101-000000-000000-abcd"
    part = large.data / "batches" / f".{name}.part"
    Batch(part, []).add("cache_asked")
    body = {"model": "models/gemini-3.1-pro-preview", "displayName": name, "ttl": "180000s"}
    body |= {"systemInstruction": {"parts": [{"text": "Transcribe. " * 500}]}}  # type: ignore[dict-item]
    request = urllib.request.Request(
        f"{api.url}/v1beta/cachedContents", json.dumps(body).encode(), {"x-goog-api-key": KEY}
    )
    urllib.request.urlopen(request, timeout=10).read()
    assert len(caches(api)) == 1
    large.good("batch-fetch")
    assert not part.exists()
    assert caches(api) == []


def test_a_prompt_that_the_api_finds_too_short_goes_on_without(
    large: Station, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_emulator(tmp_path_factory.mktemp("strict"), "--key", KEY) as strict:
        large.base_url = strict.url
        done = large.make("batch-submit", f"LIMIT={PAGES}")
        assert done.returncode == 0
        assert done.stderr.startswith("no prompt cache, going on without: answered 400")
        assert len(done.stderr.splitlines()) == 1
        assert named(large) == {None}
        assert f"{PAGES} completed" in wait_for(lambda: large.make("batch-fetch").stdout, 60)


def age(folder: Any, hours: int) -> None:
    """As if the folder had been built so long ago."""
    path = folder / "journal.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        before = datetime.fromisoformat(event["at"]) - timedelta(hours=hours)
        event["at"] = before.isoformat(timespec="milliseconds")
    path.write_text("".join(json.dumps(event) + "\n" for event in events))


@pytest.mark.parametrize("code", [404, 429])
def test_a_cache_that_is_refused_for_another_reason_stops_nothing(
    code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise ApiProblem(f"answered {code}", "", code=code, unclear=False)

    monkeypatch.setattr(developer, "create_cache", refuse)
    assert prompt_cache.make(settings.load(), "a name", 60) is None
    assert f"no prompt cache, going on without: answered {code}" in capsys.readouterr().err
