"""The README files, the Makefile, the tables and the pins agree."""

import re
import shutil
import subprocess
from importlib.metadata import distributions
from pathlib import Path

from sqlite_utils import Database

from flowsheets.index import reviews
from station import TOP, Station

README = (TOP / "README.md").read_text()
MAKEFILE = (TOP / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z-]*):.*## ", MAKEFILE, re.MULTILINE))
# Where the rest of the README is.
MORE = (
    "batches/README.md",
    "results/README.md",
    "scripts/browser/README.md",
    "scripts/emulator/README.md",
    "scripts/flowsheets/gemini/README.md",
    "tests/README.md",
)
# Commands of developers, which the README only names.
BY_HAND = {
    "help",
    "setup",
    "test",
    "test-browser",
    "pictures",
    "record",
    "samples",
    "bench",
    "mutants",
    "lint",
    "explore",
    "load",
}
PINS = (
    TOP / "requirements.txt",
    TOP / "scripts/emulator/requirements.txt",
    TOP / "scripts/browser/requirements.txt",
    TOP / "scripts/flowsheets/gemini/requirements-vertex.txt",
    TOP / "tests/bucket/requirements.txt",
    TOP / "tests/browser/requirements.txt",
    TOP / "tests/mutants/requirements.txt",
)


def test_every_command_in_the_readme_is_in_the_makefile_and_the_other_way_round() -> None:
    named = commands(README)
    assert named <= TARGETS
    assert named >= TARGETS - {"help"}
    for path in MORE:
        assert commands((TOP / path).read_text()) <= TARGETS


def test_make_alone_prints_a_line_a_command() -> None:
    lines = subprocess.check_output(["make", "--no-print-directory"], cwd=TOP, text=True)
    assert {line.split()[1] for line in lines.splitlines()} == TARGETS


def test_the_readme_says_of_each_command_what_help_says() -> None:
    help_says = subprocess.check_output(["make", "-s", "help"], cwd=TOP, text=True)
    rows = re.findall(r"^\| `(make [a-z-]+[^`]*)` \| (.*) \|$", README, re.MULTILINE)
    listed = [line for line in help_says.splitlines() if line.split()[1] not in BY_HAND]
    ours = rows
    said = [f"{command} {text}".replace("\\|", "|") for command, text in ours]
    assert said == [" ".join(line.split()) for line in listed]


def test_what_the_readme_points_to_is_there() -> None:
    for text in (README, *((TOP / path).read_text() for path in MORE)):
        for path in re.findall(r"`([a-z_/]+/README\.md)`", text):
            assert (TOP / path).is_file() or (TOP / "tests" / path).is_file()
    for path in (Path("README.md"), *map(Path, MORE)):
        for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", (TOP / path).read_text()):
            assert (TOP / path.parent / picture).is_file()


def test_every_column_of_jobs_db_and_every_table_of_the_index_is_described(
    jobs_db: Database,
) -> None:
    described = (TOP / "batches/README.md").read_text()
    for table in jobs_db.tables:
        for column in table.columns_dict:
            assert f"`{column}`" in described, (table.name, column)
    described = (TOP / "results/README.md").read_text()
    for reason in reviews.REASONS:
        assert f"`{reason}`" in described


def test_a_readme_among_batches_and_results_is_neither(station: Station) -> None:
    station.rendered(1)
    for folder in ("batches", "results"):
        (station.data / folder).mkdir(exist_ok=True)
        shutil.copy(TOP / folder / "README.md", station.data / folder)
    assert "no open batches" in station.good("batch-status")
    assert station.good("batch-fetch") == ""
    assert "indexed 1 pages: 0 read" in station.good("index")


def test_the_readme_names_every_setting() -> None:
    for name in re.findall(r"^#? ?([A-Z_]+)=", (TOP / ".env.example").read_text(), re.MULTILINE):
        assert f"`{name}`" in README


def test_every_installed_package_is_pinned() -> None:
    pinned: dict[str, set[str]] = {}
    for path in PINS:
        for name, version in re.findall(r"^([A-Za-z0-9_.-]+)==([\w.]+)", path.read_text(), re.M):
            pinned.setdefault(_plain(name), set()).add(version)
    installed = {_plain(d.name): d.version for d in distributions()}
    for own in ("pip", "setuptools", "wheel"):  # what python -m venv puts there
        installed.pop(own, None)
    assert {n: v for n, v in installed.items() if v not in pinned.get(n, ())} == {}


def test_what_git_tracks_at_the_top_is_what_the_project_is() -> None:
    tracked = subprocess.check_output(["git", "ls-files"], cwd=TOP, text=True).splitlines()
    visible = {path.split("/")[0] for path in tracked if not path.startswith(".")}
    assert visible <= {
        "Makefile",
        "scripts",
        "batches",
        "results",
        "tests",
        "requirements.txt",
        "README.md",
    }


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def commands(text: str) -> set[str]:
    """The targets that the code of a text names."""
    return set(re.findall(r"(?:`|^|\$ |&& |=\w+ )make (?:-s )?([a-z][a-z-]*)", text, re.MULTILINE))
