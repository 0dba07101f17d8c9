"""What a page costs: render, build and fetch, beside the least that such work can cost.

    PYTHONPATH=scripts python tests/bench.py --pages 1000

The sample scans, under many names, go through the real scripts in a folder of their own; no step
here needs the API. A floor is the bare work, in plain loops: render = decode, turn, save as PNG;
build = read, base64, write; fetch = parse the line and the text in it, write the text.

CPU is user and system time of a process and its workers, from its start to its end. `start` is
that of the same command with nothing to do, mostly imports, the lowest of three; it is part of
`ms/page` and the first `ratio`; `work` and the second are without it. Peak memory is that of the
largest single process. A tenth of the pages comes first: work a page and memory are to be the same.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import click

from flowsheets.errors import Count, Problem

# What a part needs is imported there: a child's peak memory is never below its parent's size.

TOP = Path(__file__).resolve().parents[1]
SAMPLES = TOP / "tests" / "samples"
PAGES = 1000
STARTS = 3
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


class Row(NamedTuple):
    """One step with so many pages; `start` and `floor_start`: CPU of the same commands, idle."""

    step: str
    pages: int
    cost: Cost
    start: float
    floor: Cost
    floor_start: float

    def cells(self) -> list[str]:
        """The row as the table shows it."""
        work = self.cost.cpu - self.start
        floor_work = self.floor.cpu - self.floor_start
        return [
            self.step,
            str(self.pages),
            f"{self.cost.cpu / self.pages:.2f}",
            f"{self.floor.cpu / self.pages:.2f}",
            f"{self.cost.cpu / self.floor.cpu:.2f}",
            f"{WANTED[self.step]:g}",
            f"{self.start:.0f}",
            f"{self.floor_start:.0f}",
            f"{work / self.pages:.2f}",
            f"{floor_work / self.pages:.2f}",
            f"{work / floor_work:.2f}" if floor_work > 0 else "-",
            f"{self.cost.memory:.0f}",
        ]


HEADINGS = (
    "step|pages|ms/page|floor|ratio|wanted|start ms|its floor's|work ms/page|floor|ratio|peak MB"
)


@click.command()
@click.option("--pages", type=Count("PAGES", PAGES), default=PAGES)
@click.option("--part", type=click.Choice(["answer", *WANTED]), hidden=True)
def main(pages: int, part: str | None) -> None:
    """Measure render, build and fetch, and print the table."""
    if part:
        PARTS[part](Path(os.environ["SCANS_ROOT"]), Path(os.environ["DATA_ROOT"]), pages)
        return
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as top:
        idle = _folder(Path(top) / "idle", 0)
        for count in (max(pages // 10, 1), pages):
            rows += _measure(_folder(Path(top) / f"run-{len(rows)}", count), idle, count)
    _print(sorted(rows, key=lambda row: list(WANTED).index(row.step)))


def _folder(place: Path, pages: int) -> Folder:
    """A new folder with at least so many pages of scans, links to the samples."""
    folder = Folder(place / "scans", place / "data")
    folder.scans.mkdir(parents=True)
    folder.data.mkdir()
    (place / "floor").mkdir()
    samples = sorted((SAMPLES / "scans").rglob("*.pdf"))
    a_sample = len(list((SAMPLES / "truth").rglob("page-*.json"))) // len(samples)
    for number, sample in enumerate(islice(cycle(samples), -(-pages // a_sample))):
        (folder.scans / f"{number:06d}.pdf").symlink_to(sample)
    return folder


def _measure(folder: Folder, idle: Folder, pages: int) -> list[Row]:
    """Each step and its floor, in order: a step takes what the one before it left."""
    rows = []
    _run(["scripts/discover.py"], folder, pages)
    for step, script in SCRIPTS.items():
        command = [*script, str(pages)] if "--limit" in script else script
        bare = ["tests/bench.py", "--pages", str(pages), "--part", step]
        if step == "fetch":
            _run([*bare[:-1], "answer"], folder, pages)
        cost, floor = _run(command, folder, pages), _run(bare, folder, pages)
        start, floor_start = (
            min(_run(idly, idle, pages).cpu for _ in range(STARTS)) for idly in (command, bare)
        )
        rows.append(Row(step, pages, cost, start, floor, floor_start))
    for kind in ("data/results/**/*.json", "floor/**/*.json"):
        found = sum(1 for _ in folder.data.parent.glob(kind))
        if found != pages:
            raise Problem("bench", f"{found} of {pages} pages in {kind}", "Run make test")
    return rows


def _run(command: list[str], folder: Folder, pages: int) -> Cost:
    """Run a script of the project to its end; raises `Problem` where it fails."""
    env = os.environ | {
        "PYTHONPATH": str(TOP / "scripts"),
        "SCANS_ROOT": str(folder.scans),
        "DATA_ROOT": str(folder.data),
        "GEMINI_API_KEY": "bench",  # nothing is sent
        "BATCH_PAGES": str(pages),
        "GEMINI_CACHE": "off",
    }
    words = [sys.executable, *command]
    process = subprocess.Popen(words, cwd=TOP, env=env, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Problem(command[0], f"ended with {process.returncode}", "Its own words stand above")
    return Cost((used.ru_utime + used.ru_stime) * 1000, used.ru_maxrss / MAXRSS_IN_MB)


def _print(rows: list[Row]) -> None:
    table = [HEADINGS.split("|"), *(row.cells() for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    for cells in table:
        first, *others = (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        click.echo("  ".join([first, *others]))


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
        for image in sorted((data / "pages").rglob("*.png")):
            file.write(base64.b64encode(image.read_bytes()))
            file.write(b"\n")


def _fetch(scans: Path, data: Path, pages: int) -> None:
    """Fetch's floor, with the parsers that fetch has."""
    import orjson

    out = data.parent / "floor"
    for responses in sorted(data.glob("batches/*/responses.jsonl")):
        with responses.open("rb") as file:
            for raw in file:
                line = orjson.loads(raw)
                text = line["response"]["candidates"][0]["content"]["parts"][0]["text"]
                json.loads(text)
                (out / f"{line['key']}.json").write_text(text, "utf-8")


def _answer(scans: Path, data: Path, pages: int) -> None:
    """The API's part: batches that were built are sent, have ended, and their files are here."""
    from flowsheets.batch.folder import load_batch, open_folders, write_lines
    from flowsheets.jobs import database, states

    truths = sorted((SAMPLES / "truth").rglob("page-*.json"))
    texts = [json.dumps(json.loads(truth.read_bytes()), indent=1) for truth in truths]  # ~8 kB
    db = database.connect(data)
    for folder in list(open_folders(data)):
        batch = load_batch(folder)
        batch_id = f"batches/{batch.name}"
        batch.set_batch_id(batch_id)
        batch.add("bound")
        states.flip(db, batch.pages, "submitted", "submitted", batch_id=batch_id)
        reply = {"name": batch_id, "metadata": {"state": "BATCH_STATE_SUCCEEDED"}, "done": True}
        (folder / "batch.json").write_text(json.dumps(reply))
        lines = zip(batch.lines, cycle(texts), strict=False)
        answers = ({"key": line["key"], "response": _response(text)} for line, text in lines)
        write_lines(folder / "responses.jsonl", answers)


def _response(text: str) -> dict[str, object]:
    """A GenerateContentResponse with this text."""
    content = {"parts": [{"text": text}], "role": "model"}
    return {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 3400, "candidatesTokenCount": 2600},
        "modelVersion": "bench",
    }


Part = Callable[[Path, Path, int], None]
PARTS: dict[str, Part] = {"answer": _answer, "render": _render, "build": _build, "fetch": _fetch}


if __name__ == "__main__":
    main()
