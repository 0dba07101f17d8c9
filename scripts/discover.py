"""Scans to jobs: one row in jobs.db for each page of each PDF under SCANS_ROOT, at any depth.

    python scripts/discover.py

A PDF that cannot be opened is one warning and is left out; the others go on. Repeatable: what is
registered already stays as it is.
"""

from pathlib import Path

import click
from tqdm import tqdm

from flowsheets import jobs, scan, settings
from flowsheets.errors import Problem, warn
from flowsheets.paths import PageId


@click.command()
def main() -> None:
    """Register one job a page."""
    config = settings.load()
    if not config.scans_root.is_dir():
        raise Problem(
            "SCANS_ROOT",
            f"{config.scans_root} is no folder",
            "Put the PDFs there, or set SCANS_ROOT",
        )
    config.data_root.mkdir(parents=True, exist_ok=True)
    db = jobs.connect(config.data_root)
    new = skipped = 0
    pdfs = _pdfs(config.scans_root)
    for pdf in tqdm(pdfs, "discover", unit=" PDFs", disable=None, leave=False):
        try:
            new += jobs.register(db, _pages(pdf, config.scans_root))
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
    found = (path for path in root.rglob("*") if path.suffix.lower() == ".pdf")
    return sorted(p for p in found if p.is_file() and not p.name.startswith("."))


def _pages(pdf: Path, root: Path) -> list[PageId]:
    path = pdf.relative_to(root).as_posix()
    path.encode()  # a name that is no UTF-8 cannot stand in jobs.db
    return [PageId(path, number) for number in range(1, scan.page_count(pdf) + 1)]


if __name__ == "__main__":
    main()
