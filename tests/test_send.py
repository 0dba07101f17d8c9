"""Sending a folder, step by step, against an API that answers as each test says: paid once."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from flowsheets import clock, settings
from flowsheets.batch import submit
from flowsheets.batch.folder import load_batch
from flowsheets.batch.submit import Later, QueueFull
from flowsheets.errors import Problem
from flowsheets.gemini import developer
from flowsheets.gemini.client import ApiProblem
from flowsheets.jobs import pauses, states
from flowsheets.settings import Settings
from folders import MODEL, PAGES, built, events, row, statuses


class Api:
    """Counts what it is asked; what it answers may be an error."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.listed: list[dict[str, Any]] = []
        self.on_upload: Exception | None = None
        self.on_create: list[Exception | None] = []

    def upload(self, requests: Path, name: str, sent: object) -> str:
        self.asked.append("upload")
        if self.on_upload:
            raise self.on_upload
        return f"files/{self.asked.count('upload')}"

    def create(self, model: str, file: str, name: str) -> dict[str, Any]:
        self.asked.append(f"create {file}")
        problem = self.on_create.pop(0) if self.on_create else None
        if problem:
            raise problem
        return {"name": "batches/a", "metadata": {"displayName": name}}

    def find(self, name: str) -> dict[str, Any] | None:
        self.asked.append("find")
        return self.listed.pop(0) if self.listed else None

    def tidy_up(self, name: str | None, display_name: str) -> None:
        if name:
            self.asked.append(f"delete {name}")

    def delete_cache(self, name: str) -> None:
        self.asked.append(f"delete {name}")

    def delete_caches(self, name: str) -> None:
        self.asked.append(f"delete caches {name}")

    def renew_cache(self, name: str, seconds: int) -> None:
        self.asked.append(f"renew {name}")

    @property
    def creates(self) -> int:
        return sum(asked.startswith("create") for asked in self.asked)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    api = Api()
    for name in [name for name in vars(Api) if not name.startswith("_") and name != "creates"]:
        monkeypatch.setattr(developer, name, getattr(api, name))
    monkeypatch.setattr(submit, "LOOKUP_SECONDS", 0)
    return api


def refused(code: int | None, **more: Any) -> ApiProblem:
    return ApiProblem(f"answered {code}", code=code, unclear=False, **more)


UNCLEAR = ApiProblem("the connection broke", code=None, unclear=True)


def test_a_batch_that_is_there_already_is_adopted_and_none_created(
    api: Api, config: Settings, jobs_db: Database, tmp_path: Path
) -> None:
    api.listed = [{"name": "batches/old"}]
    batch = built(tmp_path / "b", jobs_db)
    submit.send(batch, jobs_db, config)
    assert api.asked == ["find"]
    assert load_batch(batch.folder).state == "bound"
    assert [(states.row(jobs_db, page) or {})["batch_id"] for page in PAGES] == ["batches/old"] * 2
    assert [line["batch_id"] for line in load_batch(batch.folder).lines] == ["batches/old"] * 2
    assert json.loads((batch.folder / "batch.json").read_text()) == {"name": "batches/old"}


def test_a_folder_with_a_page_that_is_out_in_another_batch_is_not_sent(
    api: Api, config: Settings, jobs_db: Database, tmp_path: Path
) -> None:
    batch = built(tmp_path / "b", jobs_db)
    states.flip(jobs_db, PAGES[:1], "submitted", "submitted", batch_id="batches/other")
    with pytest.raises(submit.Later, match="are out in another batch, so it is not sent"):
        submit.send(batch, jobs_db, config)
    rows = [row(jobs_db, number) for number in (0, 1)]
    assert [(r["status"], r["batch_id"]) for r in rows] == [
        ("submitted", "batches/other"),
        ("rendered", None),
    ]


def test_intent_is_written_before_each_create_and_a_second_send_creates_nothing(
    api: Api, config: Settings, jobs_db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = built(tmp_path / "b", jobs_db)
    create, before = api.create, list[list[str]]()

    def watched(*args: str) -> dict[str, Any]:
        before.append(events(batch))
        return create(*args)

    monkeypatch.setattr(developer, "create", watched)
    submit.send(batch, jobs_db, config)
    assert before == [["built", "uploaded", "create_sent"]]
    intent: dict[str, Any] = batch.last("create_sent") or {}
    assert (intent["file"], intent["model"]) == ("files/1", MODEL)
    assert intent["key"]["digest"] == settings.key_fingerprint(intent["key"]["salt"])
    assert batch.last("uploaded")["bytes"] == 6  # type: ignore[index]
    submit.send(load_batch(batch.folder), jobs_db, config)
    assert api.creates == 1
    assert events(batch) == ["built", "uploaded", "create_sent", "created", "bound"]


def test_an_unclear_create_that_is_listed_soon_is_adopted(
    api: Api, config: Settings, jobs_db: Database, tmp_path: Path
) -> None:
    api.on_create = [UNCLEAR]
    batch = built(tmp_path / "b", jobs_db)
    api.listed = [None, None, None, {"name": "batches/made"}]  # type: ignore[list-item]
    submit.send(batch, jobs_db, config)
    assert api.asked == ["find", "upload", "create files/1", "find", "find", "find"]
    assert events(batch)[2:] == ["create_sent", "create_unclear", "looked_up", "created", "bound"]
    assert batch.batch_id == "batches/made"


def test_an_unclear_create_is_not_repeated_within_the_grace_and_is_after_it(
    api: Api, config: Settings, jobs_db: Database, tmp_path: Path
) -> None:
    api.on_create = [UNCLEAR]
    batch = built(tmp_path / "b", jobs_db)
    for _ in range(2):
        with pytest.raises(Later, match="whether the API made this batch is unclear"):
            submit.send(batch, jobs_db, config)
    assert api.creates == 1
    assert statuses(jobs_db) == ["submitted"] * 2
    assert 590 < submit.grace_left(batch, config) <= 600
    for event in batch.events:
        event["up"] = event.get("up", 0) - 601
        event["at"] = "2020-01-01T00:00:00+00:00"
    assert submit.grace_left(batch, config) == 0
    submit.send(batch, jobs_db, config)
    assert api.creates == 2
    assert submit.grace_left(batch, config) == 0


def test_of_a_create_before_a_restart_the_whole_grace_is_left_until_a_look_up(
    api: Api, config: Settings, tmp_path: Path
) -> None:
    if not clock.this_boot():
        pytest.skip("this system does not name its boots")
    batch = built(tmp_path / "b", None)
    batch.add("create_sent")
    batch.events[-1] |= {"boot": "another", "at": "2020-01-01T00:00:00+00:00"}
    assert submit.grace_left(batch, config) == 600
    batch.add("looked_up")
    batch.events[-1] |= {"boot": "a third", "at": "2020-01-01T00:00:00+00:00"}
    assert submit.grace_left(batch, config) == 600
    assert not submit.adopt(batch)
    assert not submit.adopt(batch)
    assert events(batch).count("looked_up") == 2
    batch.last("looked_up")["up"] -= 200  # type: ignore[index]
    assert 390 < submit.grace_left(batch, config) <= 400


@pytest.mark.parametrize("code", [400, 404])
def test_a_create_that_is_refused_for_good_gives_pages_and_room_back(
    api: Api, config: Settings, jobs_db: Database, tmp_path: Path, code: int
) -> None:
    kind = {"kind": "refused"} if code == 404 else {}
    api.on_create = [refused(code, **kind)]
    batch = built(tmp_path / "b", jobs_db, cached_content="cachedContents/a")
    with pytest.raises(Problem, match="The 2 pages are back in the queue"):
        submit.send(batch, jobs_db, config)
    assert statuses(jobs_db) == ["rendered"] * 2
    assert api.asked[-2:] == ["delete files/1", "delete cachedContents/a"]
    assert events(batch)[-2:] == ["create_failed", "refused"]
    assert not load_batch(batch.folder).open
    remembered = {pause[:2] for pause in pauses.all_of(jobs_db).values()}
    assert remembered == {(0, f"answered {code}")}


def test_a_cache_whose_create_was_unclear_is_looked_for_and_deleted(
    api: Api, config: Settings, jobs_db: Database, tmp_path: Path
) -> None:
    batch = built(tmp_path / "b", jobs_db)
    batch.add("cache_asked")
    submit.clean_up(batch)
    assert api.asked == ["delete caches b"]


def test_a_comparison_that_is_refused_moves_no_page(
    api: Api, config: Settings, tmp_path: Path
) -> None:
    api.on_create = [refused(400)]
    batch = built(tmp_path / "b", None)
    with pytest.raises(Problem, match="The 0 pages are back in the queue"):
        submit.send(batch, None, config)
    assert events(batch)[-1] == "refused"
    assert api.asked == ["find", "upload", "create files/1", "delete files/1"]


def test_a_comparison_is_bound_without_rows_and_was_held_to_its_limit_before(
    api: Api, config: Settings, tmp_path: Path
) -> None:
    batch = built(tmp_path / "b", None)
    submit.send(batch, None, replace(config, max_usd=Decimal("0.01")))
    assert load_batch(batch.folder).state == "bound"


def test_a_refused_key_keeps_the_upload_and_the_claims(
    api: Api, config: Settings, jobs_db: Database, tmp_path: Path
) -> None:
    batch = built(tmp_path / "b", jobs_db)
    for code in (400, 401, 403):
        api.on_create = [refused(code, kind="key")]
        with pytest.raises(ApiProblem, match="Check GEMINI_API_KEY"):
            submit.send(batch, jobs_db, config)
        assert statuses(jobs_db) == ["submitted"] * 2
        assert load_batch(batch.folder).state == "uploaded"
    submit.send(batch, jobs_db, config)
    assert api.asked.count("upload") == 1


def test_a_full_queue_says_that_the_upload_is_kept_and_full_storage_does_not(
    api: Api, config: Settings, jobs_db: Database, tmp_path: Path
) -> None:
    batch = built(tmp_path / "b", jobs_db)
    api.on_create = [refused(429, kind="quota"), refused(429, kind="storage")]
    with pytest.raises(QueueFull, match="The upload is kept"):
        submit.send(batch, jobs_db, config)
    with pytest.raises(QueueFull, match="Delete files"):
        submit.send(batch, jobs_db, config)
    assert api.asked.count("upload") == 1
    assert statuses(jobs_db) == ["submitted"] * 2


def test_an_upload_that_is_gone_is_made_again_once(
    api: Api, config: Settings, jobs_db: Database, tmp_path: Path
) -> None:
    api.on_create = [refused(403), refused(403)]
    batch = built(tmp_path / "b", jobs_db)
    with pytest.raises(ApiProblem, match="answered 403"):
        submit.send(batch, jobs_db, config)
    assert api.asked[1:] == ["upload", "create files/1", "upload", "create files/2"]
    assert events(batch).count("upload_lost") == 1
    assert statuses(jobs_db) == ["submitted"] * 2


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (refused(400), "rendered"),
        (refused(400, kind="key"), "submitted"),
        (refused(404), "submitted"),
        (refused(429), "submitted"),
        (UNCLEAR, "submitted"),
    ],
)
def test_an_upload_that_is_refused_for_good_is_not_made_each_run(
    api: Api,
    config: Settings,
    jobs_db: Database,
    tmp_path: Path,
    problem: ApiProblem,
    status: str,
) -> None:
    api.on_upload = problem
    batch = built(tmp_path / "b", jobs_db)
    with pytest.raises(Problem):
        submit.send(batch, jobs_db, config)
    assert statuses(jobs_db) == [status] * 2
    assert load_batch(batch.folder).open == (status == "submitted")
    assert api.creates == 0


def test_without_its_requests_a_folder_is_not_sent(
    api: Api, config: Settings, jobs_db: Database, tmp_path: Path
) -> None:
    batch = built(tmp_path / "b", jobs_db)
    batch.requests.unlink()
    with pytest.raises(Problem, match=r"requests.jsonl: is missing. .*make batch-rescue ID=b"):
        submit.send(batch, jobs_db, config)
    assert api.asked == ["find"]


def test_pages_that_a_person_takes_back_wait_no_longer_for_it(
    api: Api, config: Settings, jobs_db: Database, tmp_path: Path
) -> None:
    pauses.add(jobs_db, PAGES[:1], 1, "down", clock.stamp())
    submit.give_back(built(tmp_path / "b", jobs_db), jobs_db, "given_back")
    assert pauses.all_of(jobs_db)[PAGES[0]].times == 1
    states.flip(jobs_db, PAGES, "rendered", "submitted")
    states.flip(jobs_db, PAGES[1:], "submitted", "submitted", batch_id="batches/other")
    # A second refusal of the same pages: a longer pause for those that are the folder's.
    assert submit.give_back(built(tmp_path / "c", None), jobs_db, "refused", reason="no") == 1
    assert {page: pause.times for page, pause in pauses.all_of(jobs_db).items()} == {PAGES[0]: 2}
    assert statuses(jobs_db) == ["rendered", "submitted"]
    assert json.loads((tmp_path / "c/journal.jsonl").read_text().splitlines()[-1])["pause"] == 2


def test_another_key_is_refused_only_while_a_create_of_its_own_is_unclear(
    api: Api, config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = built(tmp_path / "b", None)
    submit.refuse_another_key(batch)
    key: Callable[[], dict[str, str]] = lambda: {  # noqa: E731
        "salt": "s",
        "digest": settings.key_fingerprint("s"),
    }
    batch.add("create_sent")  # of an older version, which noted no key
    submit.refuse_another_key(batch)
    batch.add("create_sent", key=key())
    submit.refuse_another_key(batch)
    monkeypatch.setenv("GEMINI_API_KEY", "another-key")
    with pytest.raises(Problem, match="it was sent with another key"):
        submit.refuse_another_key(batch)
    with pytest.raises(Problem, match="it was sent with another key"):
        submit.send(batch, None, replace(config, submit_grace=0))
    assert api.creates == 0
    batch.add("create_failed")
    submit.refuse_another_key(batch)


def test_without_any_grace_an_unclear_create_still_ends_the_command(
    api: Api, config: Settings, jobs_db: Database, tmp_path: Path
) -> None:
    api.on_create = [UNCLEAR]
    batch = built(tmp_path / "b", jobs_db)
    with pytest.raises(Later, match="Run make batch-submit again"):
        submit.send(batch, jobs_db, replace(config, submit_grace=0))
    assert api.creates == 1
    assert statuses(jobs_db) == ["submitted"] * 2


def test_a_folder_that_would_pass_a_limit_on_dollars_waits(
    api: Api, config: Settings, jobs_db: Database, tmp_path: Path
) -> None:
    batch = built(tmp_path / "b", jobs_db)
    with pytest.raises(QueueFull, match="MAX_USD: 2 pages may cost up to"):
        submit.send(batch, jobs_db, replace(config, max_usd=Decimal("0.01")))
    assert api.asked == ["find"]
    submit.send(batch, jobs_db, replace(config, max_usd=Decimal(10)))
    assert api.creates == 1


def test_a_folder_whose_cache_is_gone_is_not_sent(
    api: Api,
    config: Settings,
    jobs_db: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(*_: object) -> None:
        raise refused(404)

    monkeypatch.setattr(developer, "renew_cache", gone)
    batch = built(tmp_path / "b", jobs_db, cached_content="cachedContents/a")
    batch.events[-1]["at"] = "2020-01-01T00:00:00+00:00"
    with pytest.raises(Later, match="its prompt cache is gone; its 2 pages are back in the queue"):
        submit.send(batch, jobs_db, config)
    assert api.creates == 0
    assert statuses(jobs_db) == ["rendered"] * 2
    assert load_batch(batch.folder).last("given_back", "settled")["cache_died"]  # type: ignore[index]
