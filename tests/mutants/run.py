"""make mutants: one small break after the other; prints those with which every test passes.

The breaks are made in a copy of the project. For each, those of the module's tests that run the
broken line are run, the quick ones first, until one fails, in a process that is forked with the
libraries imported and the project not. What is outside of any function is tried with all of the
module's tests. A line in a function that no test runs needs no try; where its tests run scripts in
processes of their own (test_kills, say), look there.
"""

import ast
import difflib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from tqdm import tqdm

from mutants.operators import operators
from mutants.table import TESTS

TOP = Path(__file__).resolve().parents[2]
PLACE = TOP / ".mutants"
COPY = PLACE / "copy"
COPIED = ("scripts", "tests", "batches", "results", ".ci", "Makefile", "README.md", ".env.example")
COPIED_TOO = (".pytest.ini", ".gitignore", "requirements.txt")
# What the tests and the project import, and take seconds for.
LIBRARIES = (
    *("google.genai.types", "httpx2", "pikepdf", "PIL.Image", "pydantic", "sqlite_utils"),
    *("jsonlines", "orjson", "genai_prices", "tenacity", "hypothesis", "vcr", "numpy", "requests"),
    *("rapidfuzz", "filelock", "dotenv", "starlette", "uvicorn", "click.testing"),
)
# Libraries that were imported before pytest are not rewritten by it, and need not be.
OPTIONS = ("-n0", "-x", "-q", "--no-header", "--tb=no", "--disable-warnings")


class Mutant(NamedTuple):
    """One break: the lines that it touches, and the module's text with it."""

    operator: str
    first: int
    last: int
    text: str


class Runs(NamedTuple):
    """Of each test, by its id: the lines that it runs in each module, and its seconds."""

    lines: dict[str, dict[str, set[int]]]
    seconds: dict[str, float]


@click.command()
@click.option("--module", default="", help="One of the table, batch/submit say; all without it.")
def main(module: str) -> None:
    """Print the survivors of each module."""
    chosen = [name for name in TESTS if module in ("", name)]
    if not chosen:
        raise click.ClickException(f"MODULE: {module} is not in tests/mutants/table.py")
    copy_the_project()
    for library in LIBRARIES:
        import_module(library)
    runs = watched(chosen)
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    for name in chosen:
        try_module(name, runs)


def copy_the_project() -> None:
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir(parents=True)
    for name in (*COPIED, *COPIED_TOO):
        copy = shutil.copytree if (TOP / name).is_dir() else shutil.copy2
        copy(TOP / name, COPY / name)
    (COPY / ".venv").symlink_to(TOP / ".venv")


def source(module: str) -> Path:
    return COPY / "scripts" / "flowsheets" / f"{module}.py"


# --- which test runs which line -----------------------------------------------------------------


class Watch:
    """A plugin of pytest: the lines of some files that each test runs in its process."""

    def __init__(self, modules: list[str]) -> None:
        self.names = {str(source(name)): name for name in modules}
        self.lines: dict[str, dict[str, list[int]]] = {}
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        seen: dict[str, set[int]] = {}

        def enter(frame: Any, event: str, arg: object) -> Any:
            name = self.names.get(frame.f_code.co_filename)
            if name is None:
                return None
            lines = seen.setdefault(name, set())

            def step(frame: Any, event: str, arg: object) -> Any:
                lines.add(frame.f_lineno)
                return step

            return step(frame, event, arg)

        begun = time.monotonic()
        threading.settrace(enter)
        sys.settrace(enter)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            self.lines[item.nodeid] = {name: sorted(lines) for name, lines in seen.items()}
            self.seconds[item.nodeid] = time.monotonic() - begun


def watched(modules: list[str]) -> Runs:
    """Run the tests of these modules, unbroken. Raises where one fails."""
    files = dict.fromkeys(test for name in modules for test in TESTS[name])
    found = PLACE / "runs.json"

    def watch() -> int:
        plugin = Watch(modules)
        code = pytest.main([*OPTIONS, *map(path, files)], plugins=[plugin])
        found.write_text(json.dumps([plugin.lines, plugin.seconds]))
        return int(code)

    if in_a_fork(watch, quiet=False, seconds=3600):
        raise click.ClickException("a test fails without any break")
    lines, seconds = json.loads(found.read_text())
    as_sets = {
        test: {name: set(numbers) for name, numbers in by_module.items()}
        for test, by_module in lines.items()
    }
    return Runs(as_sets, seconds)


def path(test: str) -> str:
    return f"tests/test_{test}.py"


# --- the breaks ---------------------------------------------------------------------------------


def try_module(name: str, runs: Runs) -> None:
    file = source(name)
    text = file.read_text()
    survivors = []
    mutants = list(dict.fromkeys(mutants_of(text)))
    for mutant in tqdm(mutants, desc=name, disable=None, leave=False):
        if not caught(name, file, mutant, runs):
            survivors.append(mutant)
            click.echo(f"{name}.py:{mutant.first} {mutant.operator}\n{difference(text, mutant)}")
    file.write_text(text)
    killed = len(mutants) - len(survivors)
    click.echo(f"{name}: {len(mutants)} mutants, {killed} killed, {len(survivors)} survived\n")


def mutants_of(text: str) -> Iterator[Mutant]:
    for operator in operators():
        for number, (first, last) in enumerate(places(operator, text)):
            broken = mutate_code(text, operator, number)
            if broken and broken != text and compiles(broken):
                yield Mutant(type(operator).__name__, first, last, broken)


def places(operator: Operator, text: str) -> Iterator[tuple[int, int]]:
    """First and last line of each place where the operator breaks something."""
    for node in ast_nodes(get_ast(text)):
        for (first, _), (last, _) in operator.mutation_positions(node):
            yield first, last


def compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def caught(name: str, file: Path, mutant: Mutant, runs: Runs) -> bool:
    """Whether a test fails with the break, or never ends."""
    file.write_text(mutant.text)
    for compiled in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
        compiled.unlink()
    tests = concerned(name, mutant, runs)
    patience = 20 + 3 * sum(runs.seconds.get(test, 0) for test in tests)
    if not tests:
        if in_a_function(mutant):
            return False
        tests, patience = [*map(path, TESTS[name])], 1200
    return in_a_fork(lambda: int(pytest.main([*OPTIONS, *tests])), True, patience) != 0


def in_a_function(mutant: Mutant) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = (node for node in ast.walk(ast.parse(mutant.text)) if isinstance(node, kinds))
    return any(f.body[0].lineno <= mutant.first <= (f.end_lineno or 0) for f in functions)


def concerned(name: str, mutant: Mutant, runs: Runs) -> list[str]:
    """The tests that run one of the lines; file by file, for what the tests of a file share."""
    lines = set(range(mutant.first, mutant.last + 1))
    files = [*map(path, TESTS[name])]
    chosen = [
        test
        for test, by_module in runs.lines.items()
        if test.partition("::")[0] in files and by_module.get(name, set()) & lines
    ]
    of_file: dict[str, float] = {}
    for test in chosen:
        file = test.partition("::")[0]
        of_file[file] = of_file.get(file, 0) + runs.seconds[test]
    return sorted(
        chosen,
        key=lambda test: (
            of_file[test.partition("::")[0]],
            test.partition("::")[0],
            runs.seconds[test],
        ),
    )


def difference(text: str, mutant: Mutant) -> str:
    changed = difflib.unified_diff(text.splitlines(), mutant.text.splitlines(), lineterm="", n=0)
    return "\n".join(f"    {line}" for line in list(changed)[3:])


# --- processes ----------------------------------------------------------------------------------


def in_a_fork(run: Callable[[], int], quiet: bool, seconds: float) -> int:
    """What `run` returns in a process of its own, in the copy; 1 where it takes too long."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _become(run, quiet)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)  # the emulators too that it started
    os.waitpid(child, 0)
    return 1


def _become(run: Callable[[], int], quiet: bool) -> None:
    code = 1
    try:
        os.setsid()
        os.chdir(COPY)
        if quiet:
            nowhere = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(nowhere, number)
        code = run()
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
