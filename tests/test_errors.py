"""One clear line for what the disk or the database says; a traceback for a real bug."""

import sqlite3
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from flowsheets.errors import Command
from station import TOP, UNPRIVILEGED, Station


def ended(error: BaseException) -> Result:
    """How a command ends in which this is raised."""

    @click.command(cls=Command)
    def main() -> None:
        raise error

    return CliRunner().invoke(main, prog_name="render.py")


def no_such(folder: Path) -> OSError:
    try:
        (folder / "file").read_bytes()
    except OSError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            PermissionError(13, "Permission denied", "pages/a"),
            "pages/a: Permission denied. Look at",
        ),
        (OSError(28, "No space left on device"), "render.py: No space left on device. Make room"),
        (sqlite3.OperationalError("database is locked"), "jobs.db: is in use by another program"),
        (sqlite3.DatabaseError("malformed"), "jobs.db: malformed. Put a copy of it back"),
    ],
)
def test_what_disk_and_database_say_is_one_line(error: Exception, said: str) -> None:
    end = ended(error)
    assert end.exit_code == 1
    assert end.output.startswith(f"Error: {said}")
    assert len(end.output.splitlines()) == 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert f"Error: {tmp_path}/file: No such file or directory. " in ended(no_such(tmp_path)).output


@pytest.mark.parametrize(
    "bug",
    [
        ValueError("a bug"),
        OSError("a library's own"),
        sqlite3.ProgrammingError("wrong number of bindings"),
        sqlite3.IntegrityError("UNIQUE constraint failed"),
    ],
)
def test_a_bug_keeps_its_traceback(bug: Exception) -> None:
    assert ended(bug).exception is bug


def test_a_folder_of_batches_that_cannot_be_read_is_one_clear_line(station: Station) -> None:
    station.rendered(1)
    batches = station.data / "batches"
    batches.mkdir(mode=0)
    try:
        for script in ("overview.py", "status.py", "fetch.py", "build_requests.py", "cost.py"):
            done = subprocess.run(
                [*UNPRIVILEGED, TOP / ".venv/bin/python", TOP / "scripts" / script],
                env=station.environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 1
            assert done.stderr.startswith(f"Error: {batches}: Permission denied. Look at the file")
            assert len(done.stderr.splitlines()) == 1
    finally:
        batches.chmod(0o755)


def test_a_shell_with_pythonsafepath_runs_the_commands_all_the_same(station: Station) -> None:
    station.real = True
    station.scan(1)
    assert "1 new" in station.good("discover", PYTHONSAFEPATH="1")
