"""What a page costs: render, build and fetch, beside the least that such work can cost.

    PYTHONPATH=scripts python tests/bench.py --pages 1000

The sample scans, under many names, go through the real scripts in a folder of their own; no step
here needs the API. A floor is the least that correctness and durability need, in plain loops:

render  decode, turn, save as PNG
build   read, digest, base64 and write each image, fsync
fetch   parse a line once, validate its page, write the file; 200 of them are made durable at once,
        and get their names and their rows in one transaction

CPU is user and system time of a process and its workers, from its start to its end. `start` is
that of the same command for one page, mostly imports; work is what is left. Product and floor run
in turn, ROUNDS times; the table has medians. Render takes a minute for 1,000 pages and runs once.

`--growth 16000` prints instead what the commands that a person waits for cost at a station of so
many pages, in batches of 40 (see growth.py).
"""

import base64
import hashlib
import json
import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import click

from flowsheets.errors import Count, Problem

# What a part needs is imported there: a child's peak memory is never below its parent's size.

TOP = Path(__file__).resolve().parents[1]
SAMPLES = TOP / "tests" / "samples"
PAGES = 1000
ROUNDS = {"render": 1, "build": 5, "fetch": 5}
Z_RLE = 3  # zlib's strategy, as scan.write_png has it
MAXRSS_IN_MB = 1024**2 if sys.platform == "darwin" else 1024

SCRIPTS = {
    "render": ["scripts/render.py", "--jobs", "1", "--limit"],  # one process, as its floor
    "build": ["scripts/build_requests.py", "--limit"],
    "fetch": ["scripts/fetch.py"],
}
WANTED = {"render": 1.15, "build": 1.3, "fetch": 2.0}  # times the floor


class Cost(NamedTuple):
    """What a process used: CPU in ms, peak memory in MB."""

    cpu: float
    memory: float


class Folder(NamedTuple):
    """Where a run takes its scans from and leaves its data."""

    scans: Path
    data: Path

    @property
    def floor(self) -> Path:
        """Where the floors write."""
        return self.data.parent / "floor"

    @property
    def kept(self) -> Path:
        """What the data folder held before the step."""
        return self.data.parent / "kept"


class Round(NamedTuple):
    """A step and its floor, for all pages and for one."""

    cost: Cost
    floor: Cost
    start: Cost
    floor_start: Cost

    @property
    def work(self) -> float:
        return self.cost.cpu - self.start.cpu

    @property
    def floor_work(self) -> float:
        return max(self.floor.cpu - self.floor_start.cpu, 0.001)


HEADINGS = ("step", "pages", "start ms", "its floor's", "work us/page", "floor", "ratio", "wanted")


def cells(step: str, pages: int, rounds: list[Round]) -> list[str]:
    """A line of the table: medians of the rounds, the ratio that of each pair."""
    middle = statistics.median
    return [
        step,
        f"{pages:,}",
        f"{middle(one.start.cpu for one in rounds):.0f}",
        f"{middle(one.floor_start.cpu for one in rounds):.0f}",
        f"{1000 * middle(one.work for one in rounds) / pages:,.0f}",
        f"{1000 * middle(one.floor_work for one in rounds) / pages:,.0f}",
        f"{middle(one.work / one.floor_work for one in rounds):.2f}",
        f"{WANTED[step]:g}",
        f"{max(one.cost.memory for one in rounds):.0f}",
    ]


@click.command()
@click.option("--pages", type=Count("PAGES", PAGES), default=PAGES)
@click.option("--growth", type=Count("GROWTH"), default=None)
@click.option(
    "--part",
    type=click.Choice(["answer", "grow", "wait", "fetch-more", "ink", *WANTED]),
    hidden=True,
)
def main(pages: int, growth: int | None, part: str | None) -> None:
    """Measure render, build and fetch, and print the table."""
    if part:
        PARTS[part](Path(os.environ["SCANS_ROOT"]), Path(os.environ["DATA_ROOT"]), pages)
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as top:
        if growth:
            print_table(_growth(Path(top), growth))
            return
        one = _folder(Path(top) / "one", 1)
        table = [[*HEADINGS, "peak MB"]]
        for count in (max(pages // 10, 2), pages):
            folder = _folder(Path(top) / f"run-{count}", count)
            table += _measure(folder, one, count)
            shutil.rmtree(folder.data.parent)
    table[1:] = sorted(table[1:], key=lambda line: list(WANTED).index(line[0]))
    print_table(table)


def _folder(place: Path, pages: int) -> Folder:
    """A new folder with at least so many pages of scans, links to the samples."""
    folder = Folder(place / "scans", place / "data")
    folder.scans.mkdir(parents=True)
    folder.data.mkdir()
    samples = sorted((SAMPLES / "scans").rglob("*.pdf"))
    a_sample = len(list((SAMPLES / "truth").rglob("page-*.json"))) // len(samples)
    for number, sample in enumerate(islice(cycle(samples), -(-pages // a_sample))):
        (folder.scans / f"{number:06d}.pdf").symlink_to(sample)
    return folder


def _measure(folder: Folder, one: Folder, pages: int) -> list[list[str]]:
    """Each step and its floor, in order: a step takes what the one before it left."""
    table = []
    both = ((folder, pages), (one, 1))
    shutil.rmtree(one.data)
    one.data.mkdir()
    for where, count in both:
        run(["scripts/discover.py"], where, count)
    for step in WANTED:
        if step == "fetch":
            for where, count in both:
                run(["tests/bench.py", "--part", "answer"], where, count)
        for where, _ in both:
            _keep(where)
        rounds = []
        for _ in range(ROUNDS[step]):
            (cost, floor), (start, floor_start) = (_pair(step, *each) for each in both)
            rounds.append(Round(cost, floor, start, floor_start))
        table.append(cells(step, pages, rounds))
    for place in (folder.data / "results", folder.floor):
        found = sum(1 for _ in place.rglob("*.json"))
        if found != pages:
            raise Problem("bench", f"{found} of {pages} pages in {place}", "Run make test")
    return table


def _pair(step: str, folder: Folder, pages: int) -> tuple[Cost, Cost]:
    """The step and its floor, once each."""
    _put_back(folder, step)
    limit = [str(pages)] if "--limit" in SCRIPTS[step] else []
    cost = run([*SCRIPTS[step], *limit], folder, pages)
    shutil.rmtree(folder.floor, ignore_errors=True)
    folder.floor.mkdir()
    return cost, run(["tests/bench.py", "--pages", str(pages), "--part", step], folder, pages)


def _keep(folder: Folder) -> None:
    """Copy what a step changes; the requests, a hundred kB a page, none does."""
    shutil.rmtree(folder.kept, ignore_errors=True)
    leave = shutil.ignore_patterns("pages", "requests.jsonl")
    shutil.copytree(folder.data, folder.kept, ignore=leave)


def _put_back(folder: Folder, step: str) -> None:
    """The data folder as it was before the step."""
    shutil.rmtree(folder.data / "results", ignore_errors=True)
    if step == "build":
        shutil.rmtree(folder.data / "batches", ignore_errors=True)
    shutil.copytree(folder.kept, folder.data, dirs_exist_ok=True)


def run(command: list[str], folder: Folder, pages: int) -> Cost:
    """Run a script of the project to its end; raises `Problem` where it fails."""
    words = [sys.executable, *command]
    env = _environment(folder, pages)
    process = subprocess.Popen(words, cwd=TOP, env=env, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Problem(command[0], f"ended with {process.returncode}", "Read its error above")
    return Cost((used.ru_utime + used.ru_stime) * 1000, used.ru_maxrss / MAXRSS_IN_MB)


def _environment(folder: Folder, pages: int) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": str(TOP / "scripts"),
        "SCANS_ROOT": str(folder.scans),
        "DATA_ROOT": str(folder.data),
        "GEMINI_API_KEY": "bench",  # nothing is sent
        "BATCH_PAGES": str(pages),
        "GEMINI_CACHE": "off",
    }


def print_table(table: list[list[str]]) -> None:
    """Columns to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    for line in table:
        click.echo("  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True)))


# --- the floors ---------------------------------------------------------------------------------


def _render(scans: Path, data: Path, pages: int) -> None:
    """Render's floor. The samples' one bitmap is called Im0 and stands on its head."""
    import pikepdf
    from PIL import Image

    out = data.parent / "floor"
    number = 0
    for pdf in sorted(scans.glob("*.pdf")):
        if number == pages:
            break
        with pikepdf.open(pdf) as document:
            for page in islice(document.pages, pages - number):
                bitmap = page.resources["/XObject"]["/Im0"]
                assert isinstance(bitmap, pikepdf.Stream)
                image = pikepdf.PdfImage(bitmap).as_pil_image()
                turned = image.transpose(Image.Transpose.ROTATE_180)
                turned.save(out / f"{number}.png", "PNG", compress_type=Z_RLE)
                number += 1


def _build(scans: Path, data: Path, pages: int) -> None:
    """Build's floor."""
    with (data.parent / "floor" / "base64").open("wb") as file:
        for path in islice(sorted((data / "pages").rglob("*.png")), pages):
            image = path.read_bytes()
            digest = hashlib.sha256(image).hexdigest()
            file.write(b'{"key":"%s","data":"' % digest.encode())
            file.write(base64.b64encode(image))
            file.write(b'"}\n')
        file.flush()
        os.fsync(file.fileno())


def _fetch(scans: Path, data: Path, pages: int) -> None:
    """Fetch's floor, with the parsers that fetch has, and its way to make files durable."""
    import orjson

    from flowsheets import files
    from flowsheets.page import schema

    out = data.parent / "floor"
    db = sqlite3.connect(out / "rows.db")
    db.execute("CREATE TABLE jobs (key TEXT PRIMARY KEY, status TEXT, path TEXT)")
    db.execute("CREATE TABLE usage (key TEXT PRIMARY KEY, tokens INTEGER, usd REAL)")
    (responses,) = data.glob("batches/*/responses.jsonl")
    with responses.open("rb") as lines:
        while chunk := list(islice(lines, 200)):
            named, descriptors, rows, used = [], [], [], []
            for raw in chunk:
                line = orjson.loads(raw)
                response = line["response"]
                text = response["candidates"][0]["content"]["parts"][0]["text"]
                page = schema.PageReading.model_validate_json(text, strict=True)
                path = f"{out}/{line['key']}.json"
                part = os.open(f"{path}.part", os.O_WRONLY | os.O_CREAT, 0o666)
                os.write(part, schema.result(page, "bench").to_json())
                named.append(path)
                descriptors.append(part)
                rows.append((line["key"], "completed", path))
                used.append((line["key"], response["usageMetadata"]["promptTokenCount"], 0.0))
            files._sync_files(descriptors)
            for path, part in zip(named, descriptors, strict=True):
                os.rename(f"{path}.part", path)
                os.close(part)
            files.sync_folder(out)
            with db:
                db.executemany("INSERT INTO jobs VALUES (?, ?, ?)", rows)
                db.executemany("INSERT INTO usage VALUES (?, ?, ?)", used)


def _answer(scans: Path, data: Path, pages: int) -> None:
    """The API's part: batches that were built are sent, have ended, and their files are here."""
    from flowsheets.batch.folder import load_batch, open_folders, write_lines
    from flowsheets.jobs import database, states

    truths = sorted((SAMPLES / "truth").rglob("page-*.json"))
    texts = [json.dumps(json.loads(truth.read_bytes()), indent=1) for truth in truths]  # ~8 kB
    db = database.connect(data)
    for folder in open_folders(data, db):
        batch = load_batch(folder)
        batch_id = f"batches/{batch.name}"
        batch.set_batch_id(batch_id)
        batch.add("bound")
        states.flip(db, batch.pages, "submitted", "submitted", batch_id=batch_id)
        reply = {"name": batch_id, "metadata": {"state": "BATCH_STATE_SUCCEEDED"}, "done": True}
        (folder / "batch.json").write_text(json.dumps(reply))
        lines = zip(batch.lines, cycle(texts), strict=False)
        answers = ({"key": line["key"], "response": response_of(text)} for line, text in lines)
        write_lines(folder / "responses.jsonl", answers)


def response_of(text: str) -> dict[str, object]:
    """A GenerateContentResponse with this text."""
    content = {"parts": [{"text": text}], "role": "model"}
    return {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 3400, "candidatesTokenCount": 2600},
        "modelVersion": "bench",
    }


# --- growth -------------------------------------------------------------------------------------

# In order; what the first of a name has to do, the next has done. What is in brackets happens in
# between, and is in no table.
COMMANDS = {
    "fetch, folders read for the first time": ["scripts/fetch.py"],
    "fetch, nothing to do": ["scripts/fetch.py"],
    "status": ["scripts/overview.py"],
    "batch-status": ["scripts/status.py"],
    "submit, nothing to send": ["scripts/submit.py"],
    "estimate": ["scripts/estimate.py", "--limit", "50"],
    "cost": ["scripts/cost.py"],
    "build LIMIT=50": ["scripts/build_requests.py", "--limit", "50"],
    "index, all pages": ["scripts/index.py"],
    "(a fetch of 50 pages)": ["tests/bench.py", "--part", "fetch-more"],
    "index, 50 new pages": ["scripts/index.py"],
    "(their scans are measured)": ["tests/bench.py", "--part", "ink"],
    "review": ["scripts/review.py"],
    "export": ["scripts/export.py"],
}
# Of a station whose pages all wait; its batches have BATCH_PAGES.
WAITING = {
    "build, all pages": ["scripts/build_requests.py", "--limit"],
    "(they have ended)": ["tests/bench.py", "--part", "answer"],
    "fetch, all pages": ["scripts/fetch.py"],
}
BATCH_PAGES = 1000
VIEWS = {
    "browse: front page": "/",
    "browse: search": "/search?q=love",
    "browse: page": "/page/000050%201990-04apr0106/page-03",
}
PORT = 8765
SMALL = 1000


def _growth(top: Path, pages: int) -> list[list[str]]:
    """The commands at a small station and at one of so many pages."""
    measured = [_grown(top / f"grown-{count}", count) for count in (SMALL, pages)]
    counts = [f"{count:,}" for count in (SMALL, pages)]
    table = [["command", *(f"s at {n}" for n in counts), *(f"MB at {n}" for n in counts)]]
    for name in measured[0]:
        if not name.startswith("("):
            both = [one[name] for one in measured]
            cpu = (f"{one.cpu / 1000:.2f}" for one in both)
            table.append([name, *cpu, *(f"{one.memory:.0f}" for one in both)])
    return table


def _grown(place: Path, pages: int) -> dict[str, Cost]:
    folder = _folder(place, 1)
    run(["tests/bench.py", "--pages", str(pages), "--part", "grow"], folder, BATCH_PAGES)
    costs = {name: run(command, folder, BATCH_PAGES) for name, command in COMMANDS.items()}
    costs |= _views(folder)
    folder = _folder(place / "waiting", 1)
    run(["tests/bench.py", "--pages", str(pages), "--part", "wait"], folder, BATCH_PAGES)
    for name, command in WAITING.items():
        limit = [str(pages)] if command[-1] == "--limit" else []
        costs[name] = run([*command, *limit], folder, BATCH_PAGES)
    shutil.rmtree(place)
    return costs


def _views(folder: Folder) -> dict[str, Cost]:
    """What each view costs the server of `make browse`, once it has answered anything at all."""
    words = [sys.executable, "scripts/browse.py", "--port", str(PORT)]
    server = subprocess.Popen(
        words, cwd=TOP, env=_environment(folder, 1), stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout
        server.stdout.readline()  # it listens
        _get("/-/versions.json")
        costs = {}
        for name, address in VIEWS.items():
            before = _used(server.pid).cpu
            _get(address)
            after = _used(server.pid)
            costs[name] = Cost(after.cpu - before, after.memory)
        return costs
    finally:
        server.terminate()
        server.wait()


def _get(address: str) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://127.0.0.1:{PORT}{address}") as answer:
        answer.read()


def _used(process: int) -> Cost:
    """What a running process has used so far; of Linux alone."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    return Cost(1000 * ticks / os.sysconf("SC_CLK_TCK"), int(peak[1]) / 1024 if peak else 0)


def _grow(scans: Path, data: Path, pages: int) -> None:
    from growth import grow

    grow(data, pages, _readings(), response_of)


def _wait(scans: Path, data: Path, pages: int) -> None:
    from growth import wait

    wait(data, pages)


def _fetch_more(scans: Path, data: Path, pages: int) -> None:
    from growth import fetch_more

    fetch_more(data, _readings(), response_of)


def _measure_ink(scans: Path, data: Path, pages: int) -> None:
    from growth import measure_ink

    measure_ink(data)


def _readings() -> list[dict[str, Any]]:
    truths = sorted((SAMPLES / "truth").rglob("page-*.json"))
    return [json.loads(truth.read_bytes()) for truth in truths]


Part = Callable[[Path, Path, int], None]
PARTS: dict[str, Part] = {
    "answer": _answer,
    "grow": _grow,
    "wait": _wait,
    "fetch-more": _fetch_more,
    "ink": _measure_ink,
    "render": _render,
    "build": _build,
    "fetch": _fetch,
}


if __name__ == "__main__":
    main()
