"""Examples of disorder.py at random, for as long as you like: what breaks, in as few steps as that
takes, and how much was tried.

    python tests/explore.py --minutes 30 --seed 1

First each product of broken.py has to be caught, or the examples prove nothing.
"""

import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as with_seed
from hypothesis.stateful import run_state_machine_as_test

import broken
from disorder import Broken, Disorder, World
from emulator_process import running_emulator
from flowsheets.errors import Count, OneOf
from station import KEY

EXAMPLES = 20  # with one emulator, whose listing and ledger grow
STEPS = 22  # of an example, at the most
REPLAYS = 60  # of a failure, to find the steps that it takes …
REPLAY_SECONDS = 60  # … and how long
TRIES = 300  # examples within which a broken product has to be caught
SHOWN = 40  # lines of what its commands said
KINDS = ("lost", "twice", "limbo", "wrong_text", "key", "command")
MEMORY = Path("/dev/shm")  # where there is one, nothing waits for a disk

Steps = list[tuple[str, dict[str, Any]]]


@click.command()
@click.option("--minutes", type=Count("MINUTES", 30), default=30)
@click.option("--seed", type=Count("SEED", 1), default=1)
@click.option("--broken", "names", default=",".join(broken.NAMES), help="or none")
@click.option("--door", type=OneOf("DOOR", "vertex"), default="")
def main(minutes: int, seed: int, names: str, door: str) -> None:
    """Explore."""
    vertex = door == "vertex"
    caught = [_catch(name, seed, vertex) for name in filter(None, names.split(","))]
    counts: Counter[str] = Counter()
    end = time.monotonic() + 60 * minutes  # once they are caught
    while time.monotonic() < end:
        with _world(counts, vertex=vertex) as world:
            if failed := _explore(world, seed, end):
                _show(world, seed, *failed)
        seed += 1
    counted = ("examples", "actions", "commands", "kills", "faults", "damages", *KINDS)
    click.echo(", ".join(f"{counts[name]} {name}" for name in counted))
    click.echo(f"{sum(caught)} of {len(caught)} broken products caught")
    sys.exit(any(counts[kind] for kind in KINDS) or not all(caught))


@contextmanager
def _world(counts: Counter[str], name: str = "", vertex: bool = False) -> Iterator[World]:
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as folder,
        running_emulator(Path(folder), "--key", KEY) as emulator,
    ):
        yield World(emulator, Path(folder), name, vertex, counts)


class Stopped(KeyboardInterrupt):
    """An example failed, or time is up: hypothesis passes this on, and tries nothing again."""


def _explore(world: World, seed: int, end: float) -> tuple[Disorder, Exception] | None:
    """Some examples; the one that failed, if one did."""
    found: list[tuple[Disorder, Exception]] = []

    def failing(machine: Disorder, error: Exception) -> None:
        found.append((machine, error))
        raise Stopped

    def machine() -> Disorder:
        if time.monotonic() > end:
            raise Stopped
        return Disorder(replace(world, failing=failing))

    with suppress(Stopped):
        run_state_machine_as_test(
            _seeded(machine, seed),  # type: ignore[arg-type]
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    return found[0] if found else None


def _seeded(machine: Callable[[], Disorder], seed: int) -> Callable[[], Disorder]:
    return with_seed(seed)(machine)


def _show(world: World, seed: int, machine: Disorder, error: Exception) -> None:
    kind = _kind(error)
    world.counts[kind] += 1
    click.echo(f"--- seed {seed}, after {world.counts['examples']} examples: {error}")
    sys.stdout.flush()
    if kind == "command" and not isinstance(error, Broken):
        traceback.print_exception(error)
    machine = _shrunk(world, machine, kind)
    for name, values in machine.steps:
        click.echo(f"    {name}({', '.join(f'{k}={v!r}' for k, v in values.items())})")
    said = [f"  | {line}" for said in machine.said for line in said.splitlines()]
    click.echo("\n".join(said[:SHOWN]))
    sys.stdout.flush()


def _kind(error: Exception) -> str:
    return error.kind if isinstance(error, Broken) else "command"


def _shrunk(world: World, machine: Disorder, kind: str) -> Disorder:
    """The example with as few of its steps as still break the same promise."""
    quiet = World(world.emulator, world.folder, world.broken, world.vertex)
    size = len(machine.steps) // 2
    left = REPLAYS
    end = time.monotonic() + REPLAY_SECONDS
    while size and left and time.monotonic() < end:
        at = 0
        while at < len(machine.steps) and left and time.monotonic() < end:
            fewer = machine.steps[:at] + machine.steps[at + size :]
            left -= 1
            tried = _replayed(quiet, fewer)
            if tried and _kind(tried[1]) == kind:
                machine = tried[0]
            else:
                at += size
        size //= 2
    return machine


def _replayed(world: World, steps: Steps) -> tuple[Disorder, Exception] | None:
    machine = Disorder(world)
    try:
        for name, values in steps:
            getattr(machine, name)(**values)
        machine.teardown()
    except Exception as error:
        return machine, error
    return None


def _catch(name: str, seed: int, vertex: bool) -> bool:
    """Whether the broken product is found out; says after how many examples."""
    counts: Counter[str] = Counter()
    while counts["examples"] < TRIES:
        with _world(counts, name, vertex) as world:
            failed = _explore(world, seed, end=float("inf"))
        if failed:
            click.echo(f"{name}: caught after {counts['examples']} examples, {failed[1]!s:.200}")
            return True
        seed += 1
    click.echo(f"{name}: NOT caught in {counts['examples']} examples")
    return False


if __name__ == "__main__":
    main()
