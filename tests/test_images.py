"""Whether a page still shows what was sent."""

import hashlib
import json
import os
from typing import Any

import pytest

from flowsheets.batch import images
from flowsheets.batch.folder import load_batch
from flowsheets.page import response
from flowsheets.page.schema import PageReading
from pages import answer
from station import Station


def stamps(station: Station) -> list[dict[str, int]]:
    """The lines of the first folder's images.jsonl."""
    lines = (station.folders()[0] / "images.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_an_image_that_was_changed_with_its_size_and_time_kept_is_seen(
    online: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "SETTLED_NS", 0)
    online.rendered(2)
    batch_id = online.submitted()
    assert [len(line) for line in stamps(online)] == [3, 3]
    one, other = online.png(1), online.png(2).read_bytes()
    before = one.stat()
    one.write_bytes(other[: before.st_size].ljust(before.st_size, b"\0"))
    os.utime(one, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (one.stat().st_size, one.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert "1 completed, 1 failed" in online.fetched(batch_id)
    assert online.rows()[0]["last_error"].startswith("image_changed: ")


def test_an_image_that_was_written_just_before_the_build_is_digested_again(
    online: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "SETTLED_NS", 3600 * 10**9)
    online.rendered(1)
    batch_id = online.submitted()
    assert stamps(online) == [{}]
    assert "1 completed" in online.fetched(batch_id)


def test_an_image_that_did_not_change_is_not_digested_again(
    online: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "SETTLED_NS", 0)
    online.rendered(1)
    online.submitted()
    batch = load_batch(online.folders()[0])
    page = response.read(answer())
    assert isinstance(page, PageReading)

    def refuse(*_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(hashlib, "sha256", refuse)
    assert images.checked(page, batch, online.data, batch.lines[0]) is page
    os.utime(online.png(1))
    with pytest.raises(AssertionError):
        images.checked(page, batch, online.data, batch.lines[0])


@pytest.mark.parametrize("damage", ["", "{ no json\n", "[1]\n", '{"bytes": 1}\n'])
def test_without_the_times_of_the_build_the_images_decide(
    online: Station, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr(images, "SETTLED_NS", 0)
    online.rendered(2)
    batch_id = online.submitted()
    (online.folders()[0] / "images.jsonl").write_text(damage)
    online.png(1).write_bytes(online.png(2).read_bytes())
    assert "1 completed, 1 failed" in online.fetched(batch_id)
