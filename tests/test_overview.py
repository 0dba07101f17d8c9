"""make status: where the pages are, without asking the API."""

import subprocess
import sys

from emulator_process import Emulator, wait_for
from station import TOP, Station


def test_pages_by_status_and_open_batches(station: Station) -> None:
    assert "no folder" in station.error("status")
    station.rendered(3)
    station.scan(1, "later.pdf")
    station.good("discover")
    said = station.good("status").splitlines()
    assert [line.split()[:2] for line in said[:2]] == [["pending", "1"], ["rendered", "3"]]
    assert said[-1] == "no open batches"


def test_an_open_batch_is_named_with_its_next_step(online: Station, emulator: Emulator) -> None:
    online.rendered(2)
    batch_id = online.submitted()
    assert f"{batch_id} 2 pages out since" in online.good("status")
    online.fetched(batch_id)
    assert "no open batches" in online.good("status")


def test_a_refused_result_file_is_named_with_the_way_out(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(line_unknown=True)
    online.rendered(1)
    batch_id = online.submitted()
    wait_for(lambda: online.make("batch-fetch").stderr, 30)
    said = online.good("status")
    assert "result file refused" in said
    assert f"make batch-rescue ID={batch_id}" in said


def test_help_and_status_import_no_sdk(station: Station) -> None:
    station.rendered(1)
    code = (
        "import sys; sys.argv = ['overview.py']; import runpy\n"
        "try: runpy.run_path('scripts/overview.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('google.genai' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=TOP,
        env={**station.environment(), "PYTHONPATH": "scripts"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False"
