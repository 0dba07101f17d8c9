"""How right the readings are, by the truth that people typed: figures with 95 % intervals.

    python scripts/accuracy.py --a results --b other

Reads the pages that have truth, and no others; writes accuracy/report.html, which shows each wrong
row beside its scan. With --b two folders are compared, page by page; without truth, how far they
agree. Asks no API, and changes no result.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import click
from tqdm import tqdm

from flowsheets import display, files, paths, settings
from flowsheets.accuracy import comparison, html, partial, readings, report, sample, table, truth
from flowsheets.accuracy.partial import PartialPage
from flowsheets.accuracy.readings import Readings
from flowsheets.accuracy.truth import Truth
from flowsheets.errors import Command, OneOf, Problem, warn
from flowsheets.index import texts
from flowsheets.jobs import database, states


@click.command(cls=Command)
@click.option("--format", "form", type=OneOf("FORMAT", "json"), default="")
@click.option("--a", default="")
@click.option("--b", default="")
def main(form: str, a: str, b: str) -> None:
    """Say how right the readings are."""
    data_root = settings.load().data_root
    folder = readings.folder(a, data_root, "A")
    known = _known(data_root, folder)
    for path, why in known.truth.unusable.items():
        warn(f"{path} {why}: not counted")
    if b.strip():
        _compare(known, folder, readings.folder(b, data_root, "B"), form)
    else:
        _measure(known, folder, data_root, form)


class _Known(NamedTuple):
    """All truth there is."""

    truth: Truth
    partial: list[PartialPage]


def _known(data_root: Path, folder: Path) -> _Known:
    saved: dict[str, Path] = {}
    db = database.connect(data_root)
    for page, (path, problem) in texts.saved(db, data_root).items():
        if path:
            saved[paths.page_name(page)] = path
        else:
            warn(f"{page}: not counted. {problem}")
    found = truth.gather(data_root, saved, sample.read(sample.file(data_root)))
    registered = map(paths.page_name, states.all_pages(db))
    asked = partial.gather(
        data_root, lambda: readings.names(folder), list(registered), found.unusable
    )
    return _Known(found, asked)


def _measure(known: _Known, folder: Path, data_root: Path, form: str) -> None:
    if not (known.truth.pages or known.partial):
        raise _no_truth(known.truth)
    names = {page.name for page in known.truth.pages} | {page.name for page in known.partial}
    found = report.of(known.truth, known.partial, readings.of(folder, sorted(names)))
    path = paths.accuracy_report(data_root)
    files.write_whole(path, html.page(found, data_root))
    if form == "json":
        _echo_json({**report.as_json(found), "report": str(path)})
        return
    for line in table.lines(found):
        click.echo(line)
    click.echo(f"\nEach wrong row beside its scan: {display.plain(str(path))}")


def _no_truth(found: Truth) -> Problem:
    if drafts := len(found.nameless):
        what = f"none of {drafts} pages has a reviewer's name"
        return Problem("truth", what, 'Put your name into "real_name" of "verified_by"')
    return Problem("truth", "no page was typed", "make truth draws pages, and says where to type")


def _compare(known: _Known, a: Path, b: Path, form: str) -> None:
    names = [page.name for page in known.truth.pages]
    of_a, of_b = readings.of(a, names), readings.of(b, names)
    found = comparison.by_truth(known.truth.pages, of_a, of_b)
    if not found:
        _agree(a, b, form)
        return
    digest = truth.digest(known.truth.pages)
    if form == "json":
        _echo_json(
            {
                "truth": report.truth_as_json(known.truth, digest),
                "a": report.readings_as_json(of_a),
                "b": report.readings_as_json(of_b),
                "comparisons": [comparison.as_json(one) for one in found],
            }
        )
        return
    click.echo(table.truth_line(known.truth, digest))
    for line in table.left_out(known.truth):
        click.echo(line)
    _echo_folders(of_a, of_b)
    for one in found:
        click.echo()
        for line in comparison.lines(one):
            click.echo(line)


def _agree(a: Path, b: Path, form: str) -> None:
    """Without truth: all pages that both have read."""
    common = sorted({*readings.names(a)} & {*readings.names(b)})
    of_a, of_b = readings.none(a), readings.none(b)
    bar = tqdm(common, "agreement", unit=" pages", disable=None, leave=False)
    counted = comparison.agree(of_a, of_b, bar)
    if not counted:
        raise Problem(f"{a} and {b}", "have no page in common", "Give two folders of results")
    if form == "json":
        _echo_json(
            {
                "a": report.readings_as_json(of_a),
                "b": report.readings_as_json(of_b),
                "agreement": comparison.agreement_as_json(counted),
            }
        )
        return
    click.echo("no page of truth was read by both: how far they agree, neither being the right one")
    _echo_folders(of_a, of_b)
    click.echo()
    for line in comparison.agreement_lines(counted):
        click.echo(line)


def _echo_folders(a: Readings, b: Readings) -> None:
    for name, found in (("A", a), ("B", b)):
        click.echo(f"{name}: {table.readings_line(found)}")
        for line in table.not_read(found):
            click.echo(f"{name}: {line}")


def _echo_json(content: dict[str, Any]) -> None:
    click.echo(json.dumps(content, indent=2))  # in ASCII: a path may hold bytes that no text has


if __name__ == "__main__":
    main()
