"""The README, the Makefile and the pins say the same."""

import re
import subprocess
from importlib.metadata import distributions

from station import TOP

README = (TOP / "README.md").read_text()
MAKEFILE = (TOP / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z-]*):.*## ", MAKEFILE, re.MULTILINE))
PINS = (
    TOP / "requirements.txt",
    TOP / "scripts/emulator/requirements.txt",
    TOP / "scripts/browser/requirements.txt",
    TOP / "tests/browser/requirements.txt",
)


def test_every_command_in_the_readme_is_in_the_makefile_and_the_other_way_round() -> None:
    named = set(re.findall(r"\bmake (?:-s )?([a-z][a-z-]*)\b", README))
    assert named - {"sure"} <= TARGETS
    assert named >= TARGETS - {"help"}


def test_make_alone_prints_a_line_a_command() -> None:
    lines = subprocess.check_output(["make", "--no-print-directory"], cwd=TOP, text=True)
    assert {line.split()[1] for line in lines.splitlines()} == TARGETS


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
