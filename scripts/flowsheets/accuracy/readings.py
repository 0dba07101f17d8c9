"""A folder of readings: files of results, whatever read them."""

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from flowsheets import display, paths
from flowsheets.errors import Problem
from flowsheets.page import shapes, verified
from flowsheets.page.shapes import KeptPage


class Readings(NamedTuple):
    """What a folder has of some pages: those that can be used, and why others cannot."""

    folder: Path
    pages: dict[str, KeptPage]  # by the page's name
    models: Counter[str]  # pages by who has read them
    missing: list[str]
    damaged: dict[str, str]  # name -> why
    by_hand: list[str]  # with a reviewer in `verified_by`: a person's text, no reading

    def add(self, name: str) -> KeptPage | None:
        """Read one more page; None where it has no reading that can be used."""
        try:
            page = shapes.read((self.folder / f"{name}.json").read_bytes())
        except FileNotFoundError:
            self.missing.append(name)
            return None
        except (OSError, ValueError) as error:
            self.damaged[name] = display.plain(shapes.why(error))
            return None
        if page.verified_by and verified.who(page.verified_by):
            self.by_hand.append(name)
            return None
        self.pages[name] = page
        self.models[display.plain(page.model_version or "unknown")] += 1
        return page


def folder(given: str, data_root: Path, variable: str) -> Path:
    """The folder that a person named: under DATA_ROOT, or wherever it is; without a name the
    results. Raises `Problem`.
    """
    text = given.strip()
    if not text:
        if not paths.results(data_root).is_dir():
            fix = "make process, or make batch-submit and make batch-fetch"
            raise Problem(paths.results(data_root), "is missing", fix)
        return paths.results(data_root)
    with suppress(RuntimeError):  # ~ of a user that is not there
        path = Path(text).expanduser()
        for place in (data_root / path, path.absolute()):
            if place.is_dir():
                return place
    raise Problem(
        variable,
        f"{display.shortened(text, 200)!r} is not a folder, here or under {data_root}",
        f"Give a folder of results, as {variable}=results",
    )


def names(folder: Path) -> list[str]:
    """The names of all pages in a folder, in order."""
    found = (path.relative_to(folder) for path in folder.rglob("page-*.json"))
    return sorted(path.with_suffix("").as_posix() for path in found)


def none(folder: Path) -> Readings:
    """The folder, of which nothing is read yet."""
    return Readings(folder, {}, Counter(), [], {}, [])


def of(folder: Path, names: list[str]) -> Readings:
    """The folder's readings of these pages."""
    readings = none(folder)
    for name in names:
        readings.add(name)
    return readings
