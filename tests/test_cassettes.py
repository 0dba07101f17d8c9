"""The cassettes themselves: one a test, none with a key or an address of a machine, all small."""

import ast
import re
from pathlib import Path

import pytest

from recording import CASSETTES, GOOGLE

LARGEST = 200_000  # bytes
SECRETS = re.compile(r"x-goog-api-key|authorization|test-key|AIza[\w-]{10}|127\.0\.0\.1", re.I)

FILES = sorted(CASSETTES.rglob("*.yaml"))


def _tests() -> set[tuple[str, str]]:
    found = set()
    for path in Path(__file__).parent.glob("test_sdk_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found.add((path.stem, node.name))
    return found


def test_every_sdk_test_has_a_cassette_and_every_cassette_a_test() -> None:
    # A test with parameters has them in its cassettes' names, behind a dash
    recorded = {(path.parent.name, path.stem.partition("-")[0]) for path in FILES}
    assert recorded == _tests()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_cassette_is_small_and_holds_no_key(path: Path) -> None:
    assert path.stat().st_size < LARGEST
    assert not SECRETS.search(path.read_text(encoding="utf-8"))


def test_it_is_written_down_what_was_recorded_against_what() -> None:
    text = (CASSETTES / "README.md").read_text(encoding="utf-8")
    assert re.search(r"Recorded on \d{4}-\d\d-\d\d against ", text)
    google = any(f"uri: https://{GOOGLE}/" in path.read_text(encoding="utf-8") for path in FILES)
    assert google != ("No cassette was recorded against Google" in text)
