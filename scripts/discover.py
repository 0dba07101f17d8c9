"""Scans to jobs: one row in jobs.db for each page of each PDF under SCANS_ROOT, at any depth.

    python scripts/discover.py

A PDF that cannot be opened is one warning and is left out; the others go on. So is one whose name
differs from another's by the ending alone (a.pdf, a.PDF): their pages would share their files.
Repeatable: what is registered already stays as it is.
"""

import os
from contextlib import suppress
from pathlib import Path

import click
from sqlite_utils import Database
from tqdm import tqdm

from flowsheets import paths, settings
from flowsheets.errors import Command, Problem, warn
from flowsheets.jobs import database, states
from flowsheets.page import scan
from flowsheets.paths import PageId


@click.command(cls=Command)
def main() -> None:
    """Make one job for each page of the PDFs under SCANS_ROOT."""
    config = settings.load()
    if not config.scans_root.is_dir():
        raise Problem(
            "SCANS_ROOT",
            f"{config.scans_root} is no folder",
            "Put the PDFs there, or set SCANS_ROOT",
        )
    with suppress(FileExistsError):  # a file: connect says so
        config.data_root.mkdir(parents=True, exist_ok=True)
    db = database.connect(config.data_root)
    new = skipped = 0
    named = _named(db)
    pdfs = _pdfs(config.scans_root)
    for pdf in tqdm(pdfs, "discover", unit=" PDFs", disable=None, leave=False):
        try:
            pages = _pages(pdf, config.scans_root)
            if twin := _twin(pages, named):
                skipped += 1
                warn(
                    f"{pdf} is skipped: its name differs from {twin} by the ending alone; rename it"
                )
                continue
            new += states.register(db, pages)
            states.complete_new(db, config.data_root, pages)
        except scan.NoPageImage as error:
            skipped += 1
            warn(f"{pdf} is skipped: {error}")
        except UnicodeEncodeError:
            skipped += 1
            warn(f"{str(pdf)!a} is skipped: its name is no UTF-8, rename it")
    click.echo(
        f"registered {new} new pages of {len(pdfs) - skipped} PDFs, {skipped} PDFs skipped."
        " Next: make render"
    )


def _pdfs(root: Path) -> list[Path]:
    """PDFs in order; names that begin with a dot are a Mac's or an editor's own."""
    found = [
        Path(folder, name)
        for folder, _, names in os.walk(root, onerror=_unreadable)
        for name in names
        if name.lower().endswith(".pdf") and not name.startswith(".")
    ]
    return sorted(path for path in found if path.is_file())


def _unreadable(error: OSError) -> None:
    warn(f"{error.filename} is skipped: {error.strerror}")


def _pages(pdf: Path, root: Path) -> list[PageId]:
    path = pdf.relative_to(root).as_posix()
    path.encode()  # a name that is no UTF-8 cannot stand in jobs.db
    return [PageId(path, number) for number in range(1, scan.page_count(pdf) + 1)]


def _named(db: Database) -> dict[str, str]:
    """The PDFs that have jobs, by the name that the files of their first page have."""
    found = db.execute("SELECT DISTINCT pdf_path FROM jobs ORDER BY pdf_path DESC")
    return {paths.page_name(PageId(pdf_path, 1)): pdf_path for (pdf_path,) in found}


def _twin(pages: list[PageId], named: dict[str, str]) -> str | None:
    """The other PDF that has these names already; they are taken from now on."""
    if not pages:
        return None
    pdf_path = pages[0].pdf_path
    first = named.setdefault(paths.page_name(PageId(pdf_path, 1)), pdf_path)
    return first if first != pdf_path else None


if __name__ == "__main__":
    main()
