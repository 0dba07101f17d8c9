"""Every path of the project, made here alone."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple


class PageId(NamedTuple):
    """A page everywhere: `pdf_path` relative to SCANS_ROOT with `/`, `page_number` from 1."""

    pdf_path: str
    page_number: int

    def __str__(self) -> str:
        return f"{self.pdf_path} page {self.page_number}"


def name(page: PageId) -> str:
    """Of its files, below any of the folders and without an ending: `…/page-01`."""
    return f"{_stem(page)}/{_leaf(page)}"


def jobs_db(data_root: Path) -> Path:
    """The database of jobs."""
    return data_root / "jobs.db"


def index_db(data_root: Path) -> Path:
    """The database that is browsed; made from the others, and lost without harm."""
    return data_root / "flowsheets.db"


def export(data_root: Path) -> Path:
    """The folder of the tables for other programs."""
    return data_root / "export"


def batches(data_root: Path) -> Path:
    """The folder of the batches' folders."""
    return data_root / "batches"


def simulation(data_root: Path) -> Path:
    """The folder of the simulated calendar."""
    return data_root / "simulation"


def comparisons(data_root: Path) -> Path:
    """The folder of the comparisons' folders."""
    return data_root / "compare"


def second_readings(data_root: Path) -> Path:
    """The folder of the second readings' folders."""
    return data_root / "second"


def readings_again(data_root: Path) -> Path:
    """The folder of the pages that were read a second time, by reader."""
    return second_readings(data_root) / "readings"


def second_reading(data_root: Path, reader: str, page: PageId) -> Path:
    """The page as that reader read it the second time."""
    return readings_again(data_root) / reader / _stem(page) / f"{_leaf(page)}.json"


def truth(data_root: Path) -> Path:
    """The folder of what people typed, to measure readings by."""
    return data_root / "truth"


def truth_page(data_root: Path, page: PageId) -> Path:
    """The page as a person typed it, in the result's shape."""
    return truth(data_root) / _stem(page) / f"{_leaf(page)}.json"


def accuracy_report(data_root: Path) -> Path:
    """The report of `make accuracy`, to be opened in a browser."""
    return data_root / "accuracy" / "report.html"


def png(data_root: Path, page: PageId) -> Path:
    """The page's upright image."""
    return data_root / image_path(page)


def image_path(page: PageId) -> str:
    """The same below the data root, as a text: for each of many pages, pathlib takes its time."""
    return f"pages/{page_name(page)}.png"


def pngs(data_root: Path) -> Path:
    """The folder of the pages' images."""
    return data_root / "pages"


def results(data_root: Path) -> Path:
    """The folder of the results."""
    return data_root / "results"


def result(data_root: Path, page: PageId) -> Path:
    """The page's result, a `PageResult`."""
    return data_root / result_path(page)


def result_path(page: PageId) -> str:
    """The same below the data root, as a text."""
    return f"results/{page_name(page)}.json"


def old_result(data_root: Path, page: PageId, at: str) -> Path:
    """Where a result is put aside at that time (ISO, UTC), to the microsecond: none replaces
    another.
    """
    path = result(data_root, page)
    return path.with_name(f"{path.name}.{at[:26].replace(':', '')}")


def page_name(page: PageId) -> str:
    """The page's name in `flowsheets.db`: its result's path below results/, without the ending."""
    path, page_number = page
    stem = path[:-4] if path[-4:].lower() == ".pdf" else path
    return f"{stem}/page-{page_number:02d}"


def responses_folder(data_root: Path, page: PageId) -> Path:
    """The folder of the real-time responses to the pages of a PDF."""
    return data_root / "responses" / _stem(page)


def real_time_response(data_root: Path, page: PageId, at: str, mode: str = "realtime") -> Path:
    """A real-time response, verbatim; `at` is an ISO time, so that names sort by time.

    One that was asked for in another mode (`flex`) says so before the `.json`.
    """
    name = f"{_leaf(page)}.{at.replace(':', '')}" + (f".{mode}" if mode != "realtime" else "")
    return responses_folder(data_root, page) / f"{name}.json"


def real_time_runs(data_root: Path) -> Path:
    """How real-time runs asked for their responses."""
    return data_root / "responses" / "asked.jsonl"


def asked_for(saved: Path) -> tuple[str, str]:
    """When and in which mode a real-time response was asked for, by its name: (ISO UTC, mode)."""
    at = saved.name.removesuffix(".json").removesuffix(_RETRIED).partition(".")[2]
    mode = "flex" if at.endswith(".flex") else "realtime"
    try:
        moment = datetime.fromisoformat(at.removesuffix(".flex")).astimezone(UTC)
    except ValueError:  # renamed by hand
        moment = datetime.fromtimestamp(saved.stat().st_mtime, UTC)
    return moment.isoformat(timespec="microseconds"), mode


def real_time_responses(data_root: Path, page: PageId) -> list[Path]:
    """All real-time responses that are kept for the page, oldest first."""
    folder = responses_folder(data_root, page)
    return sorted(folder.glob(f"{_leaf(page)}.*.json")) if folder.is_dir() else []


def pages_with_responses(data_root: Path, pdf_path: str) -> list[PageId]:
    """The pages of a PDF that real-time responses are kept for, in order."""
    folder = responses_folder(data_root, PageId(pdf_path, 1))
    names = (re.match(r"page-(\d+)\..*\.json$", path.name) for path in folder.iterdir())
    return [PageId(pdf_path, number) for number in sorted({int(n[1]) for n in names if n})]


def broken_responses(data_root: Path, page: PageId) -> list[Path]:
    """Real-time responses that a kill kept from becoming whole."""
    folder = responses_folder(data_root, page)
    return list(folder.glob(f"{_leaf(page)}.*.part")) if folder.is_dir() else []


_RETRIED = ".retried"  # before the .json of a response whose page is to be read again


def retried(saved: Path) -> Path:
    """The name of a real-time response once a person wants its page to be read again."""
    return saved if was_retried(saved) else saved.with_name(f"{saved.stem}{_RETRIED}.json")


def was_retried(saved: Path) -> bool:
    """Whether a person wanted the page to be read again after this response."""
    return saved.stem.endswith(_RETRIED)


def _stem(page: PageId) -> str:
    return page_name(page).rpartition("/")[0]


def _leaf(page: PageId) -> str:
    return page_name(page).rpartition("/")[2]
