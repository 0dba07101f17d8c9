"""Scans to jobs: one row in jobs.db for each page of each PDF under SCANS_ROOT, at any depth.

    python scripts/discover.py

A PDF whose pages cannot be counted for sure is one warning and is left out; the others go on. So is
one whose name differs from another's by the ending alone (a.pdf, a.PDF): their pages would share
their files. Repeatable: what is registered already stays as it is. A PDF that is another file than
before is a warning: `make render` draws its pages anew where they have no result.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

import click
from tqdm import tqdm

from flowsheets import paths, settings
from flowsheets.errors import Command, Problem, warn
from flowsheets.jobs import database, pdfs, states
from flowsheets.jobs.database import Database
from flowsheets.jobs.pdfs import Pdf
from flowsheets.page import pdf as pdf_file
from flowsheets.page.pdf import NoPageImage
from flowsheets.paths import PageId


@click.command(cls=Command)
def main() -> None:
    """Make one job for each page of the PDFs under SCANS_ROOT."""
    config = settings.load()
    if not config.scans_root.is_dir():
        raise Problem(
            "SCANS_ROOT",
            f"{config.scans_root} is not a folder",
            "Put the PDFs there, or set SCANS_ROOT",
        )
    with suppress(FileExistsError):  # a file: connect says so
        config.data_root.mkdir(parents=True, exist_ok=True)
    db = database.connect(config.data_root)
    files = _pdfs(config.scans_root)
    looked_at = tqdm(files, "discover", unit=" PDFs", disable=None, leave=False)
    found = [one for file in looked_at if (one := _look(file, config.scans_root))]
    known = pdfs.known(db)
    moved = _moved(found, known, config.scans_root)
    new, registered = 0, 0
    named = {_name(path): path for path in sorted(known, reverse=True)}
    for one in found:
        if one.pdf_path in moved or _is_twin(one, named, config.scans_root):
            continue
        registered += 1
        new += _register(db, config.data_root, one, known.get(one.pdf_path))
    click.echo(
        f"registered {new} new pages of {registered} PDFs, {len(files) - registered} PDFs skipped."
        " Next: make render"
    )


def _pdfs(root: Path) -> list[Path]:
    """PDFs in order. Names that begin with a dot are a Mac's or an editor's own."""
    return sorted(
        file
        for folder, names in _folders(root)
        for name in names
        if not name.startswith(".") and _is_pdf(file := Path(folder, name))
    )


def _folders(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Each folder once, with the names of what is not a folder; linked ones after all others.

    So a folder that is linked as well, or that a link leads back to, keeps its own name.
    """
    waiting, seen = [str(root)], set[tuple[int, int]]()
    while waiting:
        for folder, inner, names in os.walk(waiting.pop(0), onerror=_unreadable):
            at = os.stat(folder)
            if (at.st_dev, at.st_ino) in seen:
                inner.clear()
                continue
            seen.add((at.st_dev, at.st_ino))
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            links = (os.path.join(folder, name) for name in inner)
            waiting += [link for link in links if os.path.islink(link)]
            yield folder, sorted(names)


def _unreadable(error: OSError) -> None:
    warn(f"{error.filename} is skipped: {error.strerror}")


def _is_pdf(file: Path) -> bool:
    """Whether the name is a PDF's and a file is there; a warning for what nearly is one."""
    if not file.name.strip().lower().endswith(".pdf"):
        return False
    if not file.name.lower().endswith(".pdf"):
        _skip(file, "its name ends in a blank; rename it")
        return False
    try:
        mode = file.stat().st_mode
    except OSError as error:
        dangling = file.is_symlink() and isinstance(error, FileNotFoundError)
        _skip(file, "it is a link to a file that is missing" if dangling else str(error.strerror))
        return False
    if not stat.S_ISREG(mode):
        _skip(file, "it is not a file")
    return stat.S_ISREG(mode)


def _skip(file: Path, reason: str) -> None:
    warn(f"{_shown(file)} is skipped: {reason}")


def _shown(file: Path) -> str:
    try:
        str(file).encode()
    except UnicodeEncodeError:
        return f"{str(file)!a}"
    return str(file)


def _look(file: Path, root: Path) -> Pdf | None:
    """The PDF's facts; None, with a warning, where its pages cannot be counted for sure."""
    path = file.relative_to(root).as_posix()
    try:
        path.encode()  # jobs.db holds UTF-8 alone
        pages = pdf_file.pages(file)
        if not pages.number:
            raise NoPageImage("no_pages", "it has no pages")
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            size = content.tell()
    except UnicodeEncodeError:
        _skip(file, "its name is not UTF-8; rename it")
    except NoPageImage as error:
        _skip(file, error.reason)
    except OSError as error:
        _skip(file, str(error.strerror))
    else:
        if pages.mended:
            warn(f"{file} is damaged, and was mended to be read; copy it again")
        return Pdf(path, size, digest, pages.number)
    return None


def _moved(found: list[Pdf], known: dict[str, Pdf | None], root: Path) -> dict[str, str]:
    """New PDFs that are known ones under another name -> that name; each is a warning.

    Registered anew, their pages would be paid for again. Raises `Problem` where no known PDF is
    left under its name: SCANS_ROOT is another folder than it was then.
    """
    there = {one.pdf_path for one in found}
    gone = {path: pdf for path, pdf in known.items() if not _exists(root / path)}
    if gone:
        first = next(iter(gone))
        warn(f"{len(gone)} of the {len(known)} PDFs in jobs.db are missing, the first is {first}")
    of_content = {pdf.sha256: path for path, pdf in gone.items() if pdf is not None}
    of_name = {PurePosixPath(path).name: path for path, pdf in gone.items() if pdf is None}
    moved = {}
    for one in found:
        alike = of_name.get(PurePosixPath(one.pdf_path).name)
        old = of_content.get(one.sha256) or (alike and _higher_or_lower(alike, one.pdf_path))
        if old is not None and one.pdf_path not in known:
            moved[one.pdf_path] = old
    if moved and not there & set(known):
        new, old = next(iter(moved.items()))
        raise Problem(
            "SCANS_ROOT",
            f"no PDF is where jobs.db has it: {len(moved)} are elsewhere, {old} is {new} now",
            f"Set SCANS_ROOT={_former(root, old, new)}, or move the folders back",
        )
    for new, old in moved.items():
        _skip(root / new, f"it was {old}, whose pages have jobs; name it so again")
    return moved


def _higher_or_lower(old: str, new: str) -> str | None:
    """The old path, where the new one is the same some folders higher or lower."""
    return old if f"/{new}".endswith(f"/{old}") or f"/{old}".endswith(f"/{new}") else None


def _former(root: Path, old: str, new: str) -> Path:
    """The folder that was SCANS_ROOT, as far as the two paths of one PDF say it."""
    if new.endswith("/" + old):
        return root / new.removesuffix("/" + old)
    above = PurePosixPath(old.removesuffix("/" + new)) if old.endswith("/" + new) else None
    if above is not None and root.absolute().parts[-len(above.parts) :] == above.parts:
        return root.absolute().parents[len(above.parts) - 1]
    return Path("the folder that it was")


def _exists(file: Path) -> bool:
    with suppress(OSError):
        return file.exists()
    return True  # it cannot be looked at: not known to be missing


def _name(pdf_path: str) -> str:
    """The name that the files of the PDF's first page have."""
    return paths.page_name(PageId(pdf_path, 1))


def _is_twin(one: Pdf, named: dict[str, str], root: Path) -> bool:
    """Whether another PDF has the names of this one's files; they are taken from now on."""
    first = named.setdefault(_name(one.pdf_path), one.pdf_path)
    if first == one.pdf_path:
        return False
    _skip(root / one.pdf_path, f"its name differs from {first} by the ending alone; rename it")
    return True


def _register(db: Database, data_root: Path, pdf: Pdf, before: Pdf | None) -> int:
    """Jobs for the pages that have none; returns how many."""
    pages = [PageId(pdf.pdf_path, number) for number in range(1, pdf.pages + 1)]
    new = states.register(db, pages)
    states.complete_new(db, data_root, pages)
    if before != pdf:
        pdfs.note(db, pdf)
    if before is not None and before.sha256 != pdf.sha256:
        outdated = len(pdfs.outdated(db, pdf.pdf_path))
        read = sum(page.pdf_path == pdf.pdf_path for page in pdfs.read_from_another(db))
        warn(
            f"{pdf.pdf_path} has changed ({before.pages} pages then, {pdf.pages} now):"
            f" make render draws {outdated - read} of its pages anew;"
            f" {read} keep their result, and make review lists them"
        )
    return new


if __name__ == "__main__":
    main()
