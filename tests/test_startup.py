"""What a command imports: a cron job that has nothing to do costs as little as can be."""

import os
import subprocess
import sys

import pytest

from station import TOP, Station

# Packages that a call of the API, a page or a price needs, and nothing else.
SLOW = (
    "google.genai",
    "httpx2",
    "tenacity",
    "pydantic",
    "genai_prices",
    "rapidfuzz",
    "numpy",
    "google.cloud",
)
RUN = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("imported", *(name for name in {slow!r} if name in sys.modules))
"""


@pytest.mark.parametrize("script", ["fetch.py", "overview.py", "status.py", "submit.py"])
def test_a_command_with_nothing_to_do_does_not_import_what_it_does_not_need(
    station: Station, script: str
) -> None:
    station.rendered(1)
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(slow=SLOW), f"scripts/{script}"],
        cwd=TOP,
        env=station.environment(PYTHONPATH=os.fspath(TOP / "scripts")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "imported"
