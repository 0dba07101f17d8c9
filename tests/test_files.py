"""Paths, and files that appear whole or not at all."""

import errno
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from flowsheets import files, paths
from flowsheets.errors import Problem
from flowsheets.paths import PageId
from station import TOP

PAGE = PageId("1990/January 1990/1990-01jan0106.pdf", 5)


def test_a_page_has_one_place_for_each_file() -> None:
    root = Path("data")
    assert str(paths.png(root, PAGE)) == ("data/pages/1990/January 1990/1990-01jan0106/page-05.png")
    assert str(paths.result(root, PAGE)) == (
        "data/results/1990/January 1990/1990-01jan0106/page-05.json"
    )
    assert paths.png(root, PageId("a.PDF", 123)).name == "page-123.png"


def test_real_time_answers_sort_by_time_and_keep_to_their_page(tmp_path: Path) -> None:
    late = paths.real_time_response(tmp_path, PAGE, "2026-11-24T10:00:00.000001+00:00")
    early = paths.real_time_response(tmp_path, PAGE, "2026-11-24T09:59:59.999999+00:00")
    other = paths.real_time_response(tmp_path, PageId(PAGE.pdf_path, 50), "2026-11-24T09:00:00")
    for path in (late, early, other):
        files.write_whole(path, b"{}")
    assert paths.real_time_responses(tmp_path, PAGE) == [early, late]


def test_a_file_that_breaks_off_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file"
    files.write_whole(path, b"old")
    with pytest.raises(ZeroDivisionError), files.appearing(path) as file:
        file.write(b"ne")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a file where a folder should be")
    with pytest.raises(Problem, match="cannot be written"):
        files.write_whole(tmp_path / "a" / "file", b"")


WRITE = """
import sys
from pathlib import Path
from flowsheets import files
for _ in range(100):
    files.write_whole(Path(sys.argv[1]), sys.argv[2].encode() * 20000)
"""


def test_two_commands_that_write_one_file_do_not_mix_their_contents(tmp_path: Path) -> None:
    path = tmp_path / "file"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, str(path), letter],
            env={"PYTHONPATH": str(TOP / "scripts")},
            stderr=subprocess.PIPE,
        )
        for letter in "abc"
    ]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            seen.add(path.read_bytes())
    assert [writer.communicate()[1] for writer in writers] == [b""] * 3
    assert seen <= {letter * 20000 for letter in (b"a", b"b", b"c")}
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_process_left_unfinished_is_deleted_and_a_living_ones_is_not(
    tmp_path: Path,
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f"other.{dead.pid}-1.part").write_bytes(b"half")
    living = tmp_path / f"other.{os.getpid()}-1.part"
    living.write_bytes(b"half")
    files.write_whole(tmp_path / "file", b"new")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file", living]
    assert (tmp_path / "file").read_bytes() == b"new"


def test_room_that_is_reserved_is_taken_before_the_block_begins(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with files.appearing(path, reserve=5000) as file:
        (part,) = tmp_path.glob("file.*.part")
        assert part.stat().st_size == 5000
        file.write(b"short")
    assert path.read_bytes() == b"short"


def test_no_file_of_many_has_its_name_before_all_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {tmp_path / f"{n % 3}" / f"{n}.json": b"%d" % n for n in range(450)}
    sync, named = files._sync_files, []

    def watched(descriptors: list[int]) -> None:
        named.append((len(descriptors), len(list(tmp_path.rglob("*.json")))))
        sync(descriptors)

    monkeypatch.setattr(files, "_sync_files", watched)
    files.write_all(wanted.items())
    assert named == [(200, 0), (200, 200), (50, 400)]
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == wanted


def test_where_many_cannot_be_made_durable_none_of_them_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "_syncfs", lambda: full)
    with pytest.raises(Problem, match="No space left"):
        files.write_all([(tmp_path / "a" / "1", b"1"), (tmp_path / "a" / "2", b"2")])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_without_syncfs_each_file_is_made_durable_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, synced = os.fsync, list[int]()

    def watched(descriptor: int) -> None:
        synced.append(descriptor)
        fsync(descriptor)

    monkeypatch.setattr(files, "_syncfs", lambda: None)
    monkeypatch.setattr(os, "fsync", watched)
    files.write_all([(tmp_path / "1", b"1"), (tmp_path / "2", b"2")])
    assert len(synced) == 3  # and the folder
    assert (tmp_path / "2").read_bytes() == b"2"


def test_a_system_of_which_syncfs_may_hide_errors_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for release, system in (("5.7.19", "Linux"), ("4.19", "Linux"), ("24.1", "Darwin"), ("", "")):
        files._syncfs.cache_clear()
        monkeypatch.setattr(platform, "release", lambda release=release: release)
        monkeypatch.setattr(platform, "system", lambda system=system: system)
        assert files._syncfs() is None
    files._syncfs.cache_clear()


WRITE_MANY = """
import sys
from pathlib import Path
from flowsheets import files
paths = [Path(sys.argv[1]) / str(n) for n in range(50)]
for turn in range(20):
    paths.reverse()
    files.write_all((path, sys.argv[2].encode() * 1000) for path in paths)
"""


def test_two_commands_that_write_the_same_many_files_both_come_to_an_end(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE_MANY, str(tmp_path), letter],
            env={"PYTHONPATH": str(TOP / "scripts")},
        )
        for letter in "ab"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert {path.read_bytes() for path in tmp_path.iterdir()} <= {b"a" * 1000, b"b" * 1000}
    assert len(list(tmp_path.iterdir())) == 50
