"""A radio station in a test, and the real commands on it, by the words that you type."""

import contextlib
import json
import os
import re
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlite_utils import Database

import in_process
from drawing import bitmap, write_pdf
from emulator_process import wait_for
from flowsheets import paths
from flowsheets.jobs import database, states
from flowsheets.page import scan
from flowsheets.paths import PageId
from forked import Done
from targets import TARGETS, runs

TOP = Path(__file__).resolve().parents[1]
KEY = "test-key"
PDF = "1990/April 1990/1990-04apr0106.pdf"


# Every setting; the SDK knows two more.
SETTINGS = re.findall(r"^#? ?([A-Z_]+)=", (TOP / ".env.example").read_text(), re.MULTILINE)
THE_SDKS_OWN = (
    "GOOGLE_API_KEY",
    "GOOGLE_GENAI_USE_ENTERPRISE",
    "GOOGLE_VERTEX_BASE_URL",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "STORAGE_EMULATOR_HOST",
)


# Root may read everything, unless it gives that up.
UNPRIVILEGED = (
    ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
    if os.geteuid() == 0
    else ()
)


@dataclass
class Station:
    """Scans, a data folder, and the address of an API."""

    folder: Path
    base_url: str = "http://127.0.0.1:9"  # nothing listens there
    real: bool = False  # its commands are run by make itself
    door: dict[str, str] = field(default_factory=dict)  # the settings of another door to the API

    @property
    def scans(self) -> Path:
        return self.folder / "scans"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def scan(self, pages: int, pdf: str = PDF) -> list[Any]:
        """Put a PDF of so many pages among the scans; returns its bitmaps, upright."""
        upright = [bitmap(f"{Path(pdf).stem[-4:]}\n{number}") for number in range(1, pages + 1)]
        write_pdf(self.scans / pdf, [image.rotate(180) for image in upright])
        return upright

    def environment(self, **settings: str) -> dict[str, str]:
        """The environment of a command: none of this machine's own settings or key."""
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
        return {
            **kept,
            "SCANS_ROOT": str(self.scans),
            "DATA_ROOT": str(self.data),
            "GEMINI_API_KEY": KEY,
            "GOOGLE_GEMINI_BASE_URL": self.base_url,
            "SUBMIT_GRACE": "0",
            **self.door,
            **settings,
        }

    def make(self, *words: str, **settings: str) -> Done:
        """`make WORDS`: what the target runs, one after the other, in this process.

        A `real` station runs make itself, and so does a target that is not in targets.py.
        """
        environment = self.environment(**settings)
        if self.real or words[0] not in TARGETS:
            return self._real_make(words, environment)
        done = Done(0, "", "")
        for script, *args in runs(*words):
            one = in_process.run(script, *args, env=environment)
            done = Done(one.returncode, done.stdout + one.stdout, done.stderr + one.stderr)
            if done.returncode:
                break
        return done

    def _real_make(self, words: tuple[str, ...], environment: dict[str, str]) -> Done:
        done = subprocess.run(
            ["make", "-s", *words],
            cwd=TOP,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def good(self, *words: str, **settings: str) -> str:
        """`make`, which has to succeed; returns what it printed."""
        done = self.make(*words, **settings)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def error(self, *words: str, **settings: str) -> str:
        """`make`, which has to fail in one clear line, warnings apart; returns that line."""
        done = self.make(*words, **settings)
        assert done.returncode != 0, done.stdout
        lines = done.stderr.splitlines()
        errors = [line for line in lines if not line.startswith(("Warning: ", "make: "))]
        assert len(errors) == 1, done.stderr
        assert errors[0].startswith("Error: ")
        assert "Traceback" not in done.stdout + done.stderr
        return errors[0]

    def rendered(self, pages: int, pdf: str = PDF) -> "Station":
        """The station with so many rendered pages of a PDF, as discover and render leave them."""
        self.data.mkdir(exist_ok=True)
        db = database.connect(self.data)
        ids = [PageId(pdf, number) for number in range(1, pages + 1)]
        states.register(db, ids)
        for page, image in zip(ids, self.scan(pages, pdf), strict=True):
            png = paths.png(self.data, page)
            scan.write_png(image, png)
            states.flip(db, [page], "pending", "rendered", image_path=str(png))
        db.close()
        return self

    def submitted(self, *words: str) -> str:
        """Submit what waits; returns the batch's id."""
        return self.good("batch-submit", *words).split("submitted ")[-1].split()[0]

    def fetched(self, batch_id: str, **settings: str) -> str:
        """Fetch until the batch has ended; returns the line that says so."""

        def ended() -> str:
            done = self.make("batch-fetch", f"ID={batch_id}", **settings)
            assert done.returncode == 0, done.stderr
            return done.stdout if "fetched" in done.stdout else ""

        return str(wait_for(ended, 60))

    @contextmanager
    def jobs(self) -> Iterator[sqlite3.Connection]:
        """jobs.db, to look into or to change; what is changed is kept."""
        with closing(sqlite3.connect(self.data / "jobs.db")) as db, db:
            yield db

    def rows(self) -> list[dict[str, Any]]:
        """The rows of jobs.db, in order of pages."""
        table = Database(self.data / "jobs.db").table("jobs")
        return list(table.rows_where(order_by="pdf_path, page_number"))

    def usage(self) -> list[dict[str, Any]]:
        """The rows of the table `usage`, in order of pages."""
        table = Database(self.data / "jobs.db").table("usage")
        return list(table.rows_where(order_by="pdf_path, page_number, requested_at"))

    def statuses(self) -> list[str]:
        return [row["status"] for row in self.rows()]

    def result(self, page_number: int, pdf: str = PDF) -> dict[str, Any]:
        path = self.data / "results" / pdf.removesuffix(".pdf") / f"page-{page_number:02d}.json"
        content: dict[str, Any] = json.loads(path.read_text())
        return content

    def png(self, page_number: int, pdf: str = PDF) -> Path:
        return self.data / "pages" / pdf.removesuffix(".pdf") / f"page-{page_number:02d}.png"

    def folders(self) -> list[Path]:
        return sorted((self.data / "batches").iterdir())

    def journal(self, number: int = 0) -> list[str]:
        """The events of a batch's folder."""
        lines = (self.folders()[number] / "journal.jsonl").read_text().splitlines()
        return [json.loads(line)["event"] for line in lines]

    def tree(self) -> dict[str, bytes]:
        """Every file under the data folder, but for locks, with its bytes."""
        return {
            str(path.relative_to(self.data)): path.read_bytes()
            for path in sorted(self.data.rglob("*"))
            if path.is_file() and ".lock" not in path.name
        }


def billed(ledger: dict[str, list[dict[str, Any]]]) -> dict[str, int]:
    """How often each image was billed, by its digest, from the emulator's ledger."""
    count: dict[str, int] = {}
    for answer in ledger["answers"]:
        count[answer["image_sha256"]] = count.get(answer["image_sha256"], 0) + 1
    return count


@contextlib.contextmanager
def room_for(size: int) -> Iterator[None]:
    """A disk that takes no file of this process beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
