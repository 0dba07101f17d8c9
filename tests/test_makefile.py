"""What the tests run for a target is what the real Makefile runs, word by word."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from station import TOP
from targets import TARGETS, runs

MAKEFILE = (TOP / "Makefile").read_text()
# Targets that run a script and are run by make itself in every test: they do not end by themselves.
SERVERS = {"browse", "demo"}
VARIABLES = (
    "LIMIT",
    "JOBS",
    "TIER",
    "ID",
    "FORMAT",
    "PDF",
    "PAGE",
    "STATUS",
    "CODE",
    "SURE",
    "MISSING",
)
ODD = (
    "1990/January 1990/1990-01jan0106.pdf",
    "it's",
    'a "quoted" word',
    "$HOME $(HOME) $$ ${x}",
    "`id`; false && true | cat > x",
    "back\\slash * ? [a] ~ #",
    "--help",
    "Zoë, 3 €",
)


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python that runs nothing, and adds the words it was given to a file `said` beside it."""
    stub = tmp_path / "python"
    stub.write_text(
        "#!/usr/bin/env python3\n"
        "import json, sys\n"
        f"with open({str(tmp_path / 'said')!r}, 'a') as said:\n"
        "    print(json.dumps(sys.argv[1:]), file=said)\n"
    )
    stub.chmod(0o755)
    return stub


def really_run(python: Path, *words: str) -> list[list[str]]:
    """The commands that make runs for these words: script, and its words."""
    said = python.with_name("said")
    said.write_text("")
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
    command = ["make", "-s", "--no-print-directory", f"venv={python}", *words]
    subprocess.run(command, cwd=TOP, env=kept, check=True, timeout=120)
    return [json.loads(line) for line in said.read_text().splitlines()]


def recipes() -> dict[str, str]:
    """The recipe of each target that runs a script."""
    rules = re.findall(r"^([a-z][a-z-]*):.*## .*\n((?:[\t#a-z].*\n)*)", MAKEFILE, re.MULTILINE)
    return {target: recipe for target, recipe in rules if "scripts/" in recipe}


def test_each_target_that_runs_a_script_is_known_to_the_tests() -> None:
    assert set(recipes()) - SERVERS == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_without_variables_the_tests_run_what_make_runs(python: Path, target: str) -> None:
    assert really_run(python, target) == runs(target)


@pytest.mark.parametrize("target", TARGETS)
def test_with_every_variable_the_tests_run_what_make_runs(python: Path, target: str) -> None:
    given = [f"{name}={number}" for number, name in enumerate(VARIABLES, 1)]
    assert really_run(python, target, *given) == runs(target, *given)


@pytest.mark.parametrize("value", ["", "GEMINI_THINKING=low WAY=realtime", *ODD])
def test_a_letter_reaches_the_script_where_it_is_given_an_empty_one_too(
    python: Path, value: str
) -> None:
    given = ["LIMIT=3", f"A={value}", "C=x"]
    wanted = ["scripts/compare.py", "--limit", "3", "--setting", f"A={value}", "--setting", "C=x"]
    assert really_run(python, "compare", *given) == runs("compare", *given) == [wanted]


def test_real_time_with_batch_is_a_submit(python: Path) -> None:
    assert really_run(python, "process", "BATCH=1", "LIMIT=7") == runs("batch-submit", "LIMIT=7")
    assert runs("process", "BATCH=1", "LIMIT=7") == runs("batch-submit", "LIMIT=7")


@pytest.mark.parametrize("value", ODD)
def test_a_value_reaches_the_script_as_it_was_given(python: Path, value: str) -> None:
    for target, variable in (("retry", "PDF"), ("batch-fetch", "ID"), ("render", "LIMIT")):
        (run,) = really_run(python, target, f"{variable}={value}")
        assert value in run
        assert [run] == runs(target, f"{variable}={value}")


def test_nothing_in_a_value_is_carried_out(python: Path, tmp_path: Path) -> None:
    for target, variable in (("retry", "PDF"), ("batch-fetch", "ID"), ("cost", "FORMAT")):
        for value in (
            f"$(shell touch {tmp_path}/made)",
            f"$(touch {tmp_path}/made)",
            "${value ID}",
        ):
            really_run(python, target, f"{variable}={value}")
    assert not (tmp_path / "made").exists()


def test_a_variable_that_help_names_reaches_the_script() -> None:
    named = re.findall(r"^([a-z-]+):.*## .*?  (\S.*)$", MAKEFILE, re.MULTILINE)
    for target, variables in named:
        for name in re.findall("([A-Z]+)=", variables) if target in TARGETS else ():
            assert runs(target, f"{name}=1") != runs(target), (target, name)
