"""make mutants knows which tests concern which module. It is run by hand."""

from mutants.table import TESTS
from station import TOP


def test_each_module_that_handles_money_or_pages_is_tried_with_tests_that_there_are() -> None:
    package = TOP / "scripts/flowsheets"
    modules = {
        f"{room}/{path.stem}"
        for room in ("gemini", "batch", "jobs", "money")
        for path in (package / room).glob("*.py")
        if path.stem != "__init__"
    }
    assert set(TESTS) == modules
    for names in TESTS.values():
        assert len(set(names)) == len(names)
        assert all((TOP / f"tests/test_{name}.py").is_file() for name in names)
