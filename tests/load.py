"""Thousands of pages through `make batch-run` alone, in waves, as cron would: what does it cost?

    PYTHONPATH=scripts:tests python tests/load.py --pages 1000 --trouble 1

The emulator answers at once. The scans are one PDF of ten small pages under many names (hard
links), so a page's image is small; all else is as large as in life. The limits are small, so that
there are waves: WAVE pages of tokens, BATCH of them in a batch. After the last wave each page has
to have its result, and the emulator's ledger to name each page once.

With `--trouble 1` five rows in a hundred end in an error, others each time; one run in eight is
killed, and its step with it or not; and once, half way, jobs.db is lost: `make discover` and
`make rebuild` bring it back.
"""

import json
import os
import random
import runpy
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from flowsheets.errors import Count, Switch

TOP = Path(__file__).resolve().parents[1]
PAGES = 1000
A_PDF = 10  # pages
BATCH, WAVE = 250, 500  # pages
TOKENS = 2300  # of a page, at the most
KEY = "load-key"
KILLED = 1 / 8  # of the runs
MAXRSS_IN_MB = 1024**2 if sys.platform == "darwin" else 1024


@dataclass
class Station:
    """Its folder, the emulator, and what each command took: name -> [(pages done, s, MB)]."""

    folder: Path
    emulator: Any
    pages: int
    took: dict[str, list[tuple[int, float, float]]] = field(default_factory=dict)
    kills: int = 0

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
        return {
            **kept,
            "PYTHONPATH": f"{TOP / 'scripts'}:{TOP / 'tests'}",
            "SCANS_ROOT": str(self.folder / "scans"),
            "DATA_ROOT": str(self.data),
            "GEMINI_API_KEY": KEY,
            "GOOGLE_GEMINI_BASE_URL": self.emulator.url,
            "SUBMIT_GRACE": "0",
            "BATCH_PAGES": str(BATCH),
            "MAX_ENQUEUED_TOKENS": str(WAVE * TOKENS),
            "MAX_ATTEMPTS": "100",
            "LOAD_LOG": str(self.folder / "log"),
            "ALERT_CMD": f"cat >> '{self.folder}/alerts'",
        }

    def command(self, *words: str) -> None:
        """A command that has to succeed."""
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, *words], cwd=TOP, env=self.environment, stdout=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        assert status == 0, words
        self._note(Path(words[0]).name, time.monotonic() - began, used.ru_maxrss / MAXRSS_IN_MB)

    def run(self, kill_after: float | None = None, with_step: bool = False) -> None:
        """One run as cron starts it, killed after so many seconds where that is given."""
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, __file__, "launch"],
            cwd=TOP,
            env=self.environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )
        if kill_after is not None:
            try:
                process.wait(kill_after)
            except subprocess.TimeoutExpired:
                self.kills += 1
                if with_step:
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.kill()
        code = process.wait()
        assert code in (0, -signal.SIGKILL), code
        self._take_in_log()
        if code == 0:
            self._note("run, all of it", time.monotonic() - began, 0)

    def _take_in_log(self) -> None:
        log = self.folder / "log"
        for line in log.read_text().splitlines() if log.exists() else ():
            one = json.loads(line)
            self._note(one["step"], one["seconds"], one["mb"])
        log.unlink(missing_ok=True)

    def _note(self, name: str, seconds: float, mb: float) -> None:
        self.took.setdefault(name, []).append((self.completed(), seconds, mb))

    def completed(self) -> int:
        """Pages with a result on disk."""
        return sum(
            name.endswith(".json")
            for _, _, names in os.walk(self.data / "results")
            for name in names
        )


def launch() -> None:
    """A run whose steps are measured: a line of JSON for each in the file LOAD_LOG."""
    from flowsheets import step
    from flowsheets.errors import PROBLEMS_FD

    def spawn(script: str, words: tuple[str, ...], told: int) -> step.Ended:
        began = time.monotonic()
        with tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                [sys.executable, str(step.SCRIPTS / script), *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=err,
                env=os.environ | {PROBLEMS_FD: str(told)},
                pass_fds=[told],
            )
            _, status, used = os.wait4(process.pid, 0)
            err.seek(0)
            said = err.read().decode(errors="replace")
        mb = used.ru_maxrss / MAXRSS_IN_MB
        line = {"step": script, "seconds": time.monotonic() - began, "mb": mb}
        with open(os.environ["LOAD_LOG"], "a") as log:
            print(json.dumps(line), file=log)
        return step.Ended(os.waitstatus_to_exitcode(status), said)

    step._spawn = spawn
    sys.argv = ["scripts/run.py"]
    runpy.run_path(str(TOP / "scripts/run.py"), run_name="__main__")


@click.command()
@click.option("--pages", type=Count("PAGES", PAGES), default=PAGES)
@click.option("--trouble", type=Switch("TROUBLE"), default="")
@click.option("--seed", type=Count("SEED", 1), default=1)
def main(pages: int, trouble: bool, seed: int) -> None:
    """Let so many pages go through, and say what it took."""
    from emulator_process import running_emulator

    with (
        tempfile.TemporaryDirectory(prefix="load-") as folder,
        running_emulator(Path(folder), "--key", KEY) as emulator,
    ):
        station = Station(Path(folder), emulator, pages)
        began = time.monotonic()
        put_scans(station)
        station.command("scripts/discover.py")
        runs = waves(station, random.Random(seed) if trouble else None)
        station.command("scripts/index.py")
        report(station, runs, time.monotonic() - began)


def put_scans(station: Station) -> None:
    """One PDF under as many names as the pages need."""
    from drawing import bitmap, write_pdf

    station.data.mkdir()
    scans = station.folder / "scans"
    first = scans / "0000.pdf"
    write_pdf(first, [bitmap(str(number)) for number in range(1, A_PDF + 1)])
    for number in range(1, station.pages // A_PDF):
        os.link(first, scans / f"{number:04d}.pdf")


def waves(station: Station, chance: random.Random | None) -> int:
    """Runs until each page has its result; how many."""
    lost = False
    for number in range(1, 100_000):
        if chance:
            rows = (row for row in range(BATCH) if chance.random() < 0.05)
            faults = (
                ",".join(f"{row}:13" for row in rows)
                if station.completed() < station.pages * 0.95
                else ""
            )
            station.emulator.faults(line_error=faults or None)
        kill = chance is not None and chance.random() < KILLED
        after = chance.uniform(0.2, 4) if chance and kill else None
        station.run(after, bool(chance and chance.random() < 0.5))
        done = station.completed()
        if done >= station.pages:
            return number
        if chance and not lost and done > station.pages / 2:
            lost = True
            (station.data / "jobs.db").unlink()
            station.command("scripts/discover.py")
            station.command("scripts/rebuild.py")
    raise AssertionError("it does not end")


def billed(station: Station) -> Counter[tuple[str, int]]:
    """How often each page was billed, by the emulator's ledger and the manifests."""
    pages = {}
    for manifest in (station.data / "batches").glob("*/manifest.jsonl"):
        for line in map(json.loads, manifest.read_text().splitlines()):
            pages[line["key"]] = (line["pdf_path"], line["page_number"])
    return Counter(pages[one["key"]] for one in station.emulator.ledger()["answers"])


def report(station: Station, runs: int, seconds: float) -> None:
    times = billed(station)
    click.echo(
        f"{station.pages:,} pages in {seconds:,.0f} s: {runs} runs, {station.kills} killed,"
        f" {len(list((station.data / 'batches').iterdir()))} batches"
    )
    click.echo(
        f"pages lost {station.pages - len(times):,}, paid twice"
        f" {sum(count > 1 for count in times.values()):,}"
    )
    click.echo(f"{'command':>20}{'times':>7}{'s, first':>10}{'s, last':>10}{'s, all':>9}{'MB':>6}")
    for name, took in station.took.items():
        first, last = (statistics.median(s for _, s, _ in some) for some in ends(took))
        most = max(mb for *_, mb in took)
        total = sum(s for _, s, _ in took)
        memory = f"{most:>6.0f}" if most else ""
        click.echo(f"{name:>20}{len(took):>7}{first:>10.2f}{last:>10.2f}{total:>9.0f}{memory}")
    for folder in ("jobs.db", "pages", "batches", "results", "flowsheets.db"):
        click.echo(f"{folder:>20}{size(station.data / folder) / 1e6:>10,.1f} MB")


def ends(took: list[tuple[int, float, float]]) -> Iterator[list[tuple[int, float, float]]]:
    """The first and the last fifth of what was measured."""
    fifth = max(len(took) // 5, 1)
    yield took[:fifth]
    yield took[-fifth:]


def size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())


if __name__ == "__main__":
    if sys.argv[1:] == ["launch"]:
        launch()
    else:
        main()
