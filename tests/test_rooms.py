"""A room of the package imports only from rooms below it."""

import ast
from pathlib import Path

import pytest

import flowsheets

BASE = {"errors", "settings", "lock", "paths", "files", "display", "clock"}
BELOW = {
    "page": BASE,
    "gemini": BASE | {"page"},
    "money": BASE | {"page"},
    "jobs": BASE | {"page", "money"},
    "accuracy": BASE | {"page"},
    "batch": BASE | {"page", "gemini", "money", "jobs", "accuracy"},
    "index": BASE | {"page", "money", "jobs", "accuracy"},
}
PACKAGE = Path(flowsheets.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rooms_below_it(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0] if path.parent != PACKAGE else ""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("flowsheets"):
            for name in [f"{node.module}.{alias.name}" for alias in node.names]:
                imported = name.split(".")[1]
                assert imported in BELOW.get(room, BASE) | {room}, name


def test_the_table_of_contents_names_every_module() -> None:
    listed = [
        line.split()[0]
        for line in (flowsheets.__doc__ or "").splitlines()
        if line[:1] != "" and line.split()
    ]
    assert {path.stem for path in MODULES} <= set(listed)
