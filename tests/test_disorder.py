"""Any commands in any order, killed or cut off anywhere: no page lost, none billed twice."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from disorder import Disorder, World
from emulator_process import Emulator


@pytest.mark.parametrize(("vertex", "examples"), [(False, 4), (True, 2)], ids=["key", "vertex"])
def test_any_order_loses_no_page_and_pays_for_none_twice(
    emulator: Emulator, tmp_path: Path, vertex: bool, examples: int
) -> None:
    world = World(emulator, tmp_path, vertex=vertex)
    run_state_machine_as_test(
        lambda: Disorder(world),  # type: ignore[arg-type]
        settings=settings(
            max_examples=examples,
            stateful_step_count=10,
            deadline=None,
            derandomize=True,  # the same for everybody; make explore takes other ones
            suppress_health_check=list(HealthCheck),
        ),
    )
