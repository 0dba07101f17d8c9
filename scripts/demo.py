"""Everything, end to end, on the sample scans, with no key: the real commands, in demo/.

    make demo DOOR=vertex

Starts the emulator, runs the commands of the Makefile as you would type them, first in a batch and
then in real time, and shows the seconds, what Google would have billed, and one block beside its
true text. Through the Developer API, or through Vertex AI and a bucket.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT
from typing import Any

import click
import orjson
from rapidfuzz.distance import Levenshtein

from flowsheets.errors import OneOf, Problem
from flowsheets.gemini.operation import ENDED
from flowsheets.settings import TOP, dotenv

DEMO = Path("demo")
SCANS = Path("tests/samples/scans")
TRUTH = Path("tests/samples/truth")
SHOWN = Path("1991/March 1991/1991-03mar0407/page-02.json")
BLOCK = "top_left"
PAGES = 8  # in a batch; the other two in real time
READER = "ocr"  # of the emulator
WIDTH = 44  # characters a column

POLL_SECONDS = 2
DEADLINE_SECONDS = 600

# Your own settings would make it another run.
OTHERS = re.compile(
    r"(GEMINI|GOOGLE|MAX|BATCH|MAKE)_.*|MAKE(FLAGS|LEVEL|FILES|OVERRIDES)|MFLAGS"
    r"|(RENDER|PROCESS)_CONCURRENCY|SUBMIT_GRACE|STORAGE_EMULATOR_HOST|BATCH|LIMIT|ID|JOBS|TIER|FORMAT|DOOR"
)

Rows = dict[tuple[str, int], str]  # (block, row_index) -> text


@click.command()
@click.option("--door", type=OneOf("DOOR", "vertex"), default="")
def main(door: str) -> None:
    """Take the sample scans through everything, end to end, with no key."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    os.chdir(TOP)
    _empty_folder()
    with _emulator() as address:
        batch, real_time = _run_all(_environment(address, door))
    click.echo("\nNothing was paid: the tokens are the emulator's, the prices Google's.")
    click.echo(f"seconds: {batch:.1f} in a batch, {real_time:.1f} in real time")
    _show_page()
    click.echo(f"\nresults: {DEMO / 'results'}")
    click.echo(f"to look at them beside their scans: DATA_ROOT={DEMO} make browse")


def _empty_folder() -> None:
    try:
        shutil.rmtree(DEMO, ignore_errors=True)
        DEMO.mkdir()
    except OSError as error:
        raise Problem(DEMO, f"cannot be emptied ({error})", "Remove it yourself") from error


@contextmanager
def _emulator() -> Iterator[str]:
    """The emulator's address while it runs; it is stopped whatever happens."""
    command = [sys.executable, "-m", "emulator", "--port", "0", "--pending-seconds", "1"]
    command += ["--reader", READER, "--data", str(DEMO / "emulator")]
    environment = os.environ | {"PYTHONPATH": str(TOP / "scripts")}
    # A group of its own: Ctrl-C stops the command that runs first, and the emulator after it.
    with subprocess.Popen(
        command, stdout=PIPE, text=True, process_group=0, env=environment
    ) as process:
        try:
            line = process.stdout.readline().strip() if process.stdout else ""
            found = re.search(r"http://\S+", line)
            if not found:
                raise Problem("emulator", "did not start", "Its error is above; try: make emulator")
            click.echo(line)
            yield found[0]
        finally:
            process.kill()  # all its state goes with the folder


def _environment(address: str, door: str) -> dict[str, str]:
    ours = {"SCANS_ROOT": str(SCANS), "DATA_ROOT": str(DEMO)}
    if door == "vertex":
        ours |= _at_vertex(address)
    else:
        ours |= {"GEMINI_API_KEY": "demo", "GOOGLE_GEMINI_BASE_URL": address}
    click.secho("\n$ export " + " ".join(f"{k}={v}" for k, v in ours.items()), bold=True)
    kept = {k: v for k, v in os.environ.items() if not OTHERS.fullmatch(k)}
    # An empty value wins over .env, and means the default.
    empty = {k: "" for k in dotenv() if OTHERS.fullmatch(k)}
    return kept | empty | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"} | ours


def _at_vertex(address: str) -> dict[str, str]:
    """What you would set, and where the emulator has it."""
    account = DEMO / "service-account.json"
    with urllib.request.urlopen(f"{address}/emulator/service-account") as reply:
        account.write_bytes(reply.read())
    return {
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
        "GOOGLE_CLOUD_PROJECT": orjson.loads(account.read_bytes())["project_id"],
        "GOOGLE_APPLICATION_CREDENTIALS": str(account),
        "BATCH_BUCKET": "gs://flowsheets/demo",
        "GOOGLE_VERTEX_BASE_URL": address,
        "STORAGE_EMULATOR_HOST": address,
    }


def _run_all(environment: dict[str, str]) -> tuple[float, float]:
    """Every command in turn; returns the seconds that the batch took, and real time."""
    _run(environment, "discover")
    _run(environment, "render")
    start = time.monotonic()
    left = PAGES - _batch(environment, PAGES)
    if left:  # the first batch in a bucket is one page
        _batch(environment, left)
    between = time.monotonic()
    _run(environment, "process", "LIMIT=2")
    seconds = between - start, time.monotonic() - between
    _run(environment, "status")
    _run(environment, "cost")
    _run(environment, "index")
    return seconds


def _batch(environment: dict[str, str], pages: int) -> int:
    """One batch from submit to results; returns its pages."""
    said = _run(environment, "batch-submit", f"LIMIT={pages}")
    submitted = re.search(r"submitted (\S+) (\d+) pages", said)
    if not submitted:
        raise Problem("make batch-submit", "sent no batch", "Its output is above")
    _await(environment, f"ID={submitted[1]}")
    _run(environment, "batch-fetch", f"ID={submitted[1]}")
    return int(submitted[2])


def _await(environment: dict[str, str], batch: str) -> None:
    """Ask for the batch's status until it has ended; prints each line that is new."""
    click.secho(f"\n$ make batch-status {batch}", bold=True)
    last = ""
    for _ in range(DEADLINE_SECONDS // POLL_SECONDS):
        line = _run(environment, "batch-status", batch, shown=False).strip()
        if line != last:
            click.echo(line)
        last = line
        if any(f" {state}," in line for state in ENDED):
            return
        time.sleep(POLL_SECONDS)
    raise Problem(batch, f"not done within {DEADLINE_SECONDS} s", "Run it again: make demo")


def _run(environment: dict[str, str], *words: str, shown: bool = True) -> str:
    """Run `make WORDS`; returns what it printed. A command that fails ends the demo."""
    typed = f"make {' '.join(words)}"
    if shown:
        click.secho(f"\n$ {typed}", bold=True)
    command = ["make", "--no-print-directory", "-s", *words]
    lines = []
    pipes: dict[str, Any] = {"stdin": DEVNULL, "stdout": PIPE, "stderr": STDOUT, "text": True}
    with subprocess.Popen(command, env=environment, process_group=0, **pipes) as process:
        try:
            for line in process.stdout or ():
                lines.append(line)
                if shown:
                    click.echo(line, nl=False)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            raise
    if process.returncode:
        click.echo("" if shown else "".join(lines), nl=False)
        raise Problem(typed, "failed", "Its output is above; then run it again: make demo")
    return "".join(lines)


def _show_page() -> None:
    truth, found = _rows(TRUTH / SHOWN), _rows(DEMO / "results" / SHOWN)
    page = SHOWN.with_suffix("")
    click.echo(f"\n{page}, {BLOCK}: read by the emulator's OCR, not by Gemini")
    click.echo(f"{'row':>3}  {'truth':<{WIDTH}}  read")
    for key in sorted(k for k in truth.keys() | found.keys() if k[0] == BLOCK):
        left, right = truth.get(key, "")[:WIDTH], found.get(key, "")[:WIDTH]
        click.echo(f"{key[1]:>3}  {left:<{WIDTH}}  {right}".rstrip())
    names = [path.relative_to(TRUTH) for path in sorted(TRUTH.rglob("*.json"))]
    here, everywhere = _error_rate([SHOWN]), _error_rate(names)
    click.echo(
        f"\ncharacter error rate of the emulator's OCR: {here:.1%} of this page's entries,"
        f"\n{everywhere:.1%} of all {len(names)} pages'. It says nothing about Gemini's."
    )


def _rows(path: Path) -> Rows:
    """The entries of a page's file; none where the file is missing."""
    quadrants = orjson.loads(path.read_bytes())["quadrants"] if path.exists() else []
    return {
        (quadrant["position"], entry["row_index"]): " ".join(entry["raw_text"].split())
        for quadrant in quadrants
        for entry in quadrant["entries"]
    }


def _error_rate(names: list[Path]) -> float:
    """Wrong, missing and extra characters for each true one; entries matched by block and row."""
    wrong = total = 0
    for name in names:
        truth, found = _rows(TRUTH / name), _rows(DEMO / "results" / name)
        wrong += sum(
            Levenshtein.distance(truth.get(k, ""), found.get(k, "")) for k in truth.keys() | found
        )
        total += sum(map(len, truth.values()))
    return wrong / total


if __name__ == "__main__":
    main()
