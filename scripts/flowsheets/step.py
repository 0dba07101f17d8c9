"""Another step of the pipeline, as a process of its own, and what it ran into, as data.

A run is made of the steps that you could run yourself: each has its own lock, and may be killed
anywhere. What it did is in jobs.db and the folders; its problems come as JSON lines beside stderr.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import click

from flowsheets.errors import INTERRUPTED, PROBLEMS_FD, Problem

SCRIPTS = Path(__file__).resolve().parents[1]


class StepProblem(Problem):
    """A problem of a step, as it was in its own process."""

    def __init__(self, where: str, what: str, fix: str, waits: bool, kind: str | None) -> None:
        super().__init__(where, what, fix)
        self.waits = waits
        self.kind = kind


class Ended(NamedTuple):
    """How a process ended, and what it printed."""

    code: int  # negative: the signal that killed it
    stderr: str


def run(script: str, *words: str) -> list[StepProblem]:
    """Run `scripts/SCRIPT WORDS` to its end; its problems, none where all went well.

    Its warnings come through on stderr. A bug in it, or a kill, is a problem too.
    """
    with tempfile.TemporaryFile() as told:
        ended = _spawn(script, words, told.fileno())
        told.seek(0)
        problems = [_problem(line) for line in told]
    if ended.code == INTERRUPTED:
        raise KeyboardInterrupt
    lines = ended.stderr.splitlines()
    for line in lines if ended.code and not problems else _warnings(lines):
        click.echo(line, err=True)
    if ended.code and not problems:
        how = "was killed" if ended.code < 0 else f"ended with {ended.code}"
        problems = [StepProblem(script, how, "The next run goes on from there", False, None)]
    return problems


def _spawn(script: str, words: tuple[str, ...], told: int) -> Ended:
    process = subprocess.Popen(
        [sys.executable, str(SCRIPTS / script), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {PROBLEMS_FD: str(told)},
        pass_fds=[told],
        text=True,
        errors="replace",
    )
    with process:
        try:
            _, stderr = process.communicate()
        except KeyboardInterrupt:  # a terminal has interrupted the step as well: it ends by itself
            process.wait()
            raise
    return Ended(process.returncode, stderr)


def _problem(line: bytes) -> StepProblem:
    return StepProblem(**json.loads(line))


def _warnings(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("Warning: ")]
