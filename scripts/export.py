"""Every play to export/plays.csv and export/plays.jsonl, with a data dictionary beside them.

    python scripts/export.py

Brings the index up to date first. The order is that of the pages, blocks and rows, so that two
exports can be compared with diff.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any

import click
import orjson
from tqdm import tqdm

from flowsheets import display, files, paths, settings
from flowsheets.errors import Command
from flowsheets.index import tables, update
from flowsheets.jobs import database
from flowsheets.jobs.database import Database
from flowsheets.page.schema import POSITIONS

# Columns in order, and the data dictionary.
COLUMNS = {
    "entry": "the play's own name, stable: page, block, printed row; .2 is the second one on a row",
    "pdf_path": "the PDF, relative to SCANS_ROOT",
    "page_number": "page of the PDF, from 1",
    "position": "block of the page: " + ", ".join(POSITIONS),
    "row_index": "printed row of the block, from 0",
    "page_date_raw": "the date as it is written on the page",
    "page_date": "that date as YYYY-MM-DD, where it lies within the dates of the PDF's name",
    "hour_raw": "the block's hour as it is written",
    "jock_raw": "the block's DJ as it is written",
    "dj": "the DJ's most frequent writing; differences in capitals and spaces do not count",
    "artist": "of text, where a sign parts artist and track: see artist_rule",
    "track": "the rest of text after that sign",
    "artist_guess": "text, or its beginning, that may be an artist; empty where artist is filled",
    "artist_rule": "how artist is known: one_dash (Artist - Track), first_dash (of several), quotes"
    ' (Artist "Track"), colon (Artist: Track); or artist_guess: half_dash (Artist- Track), gap'
    " (two spaces or more), whole_row (no sign: maybe artist and track, or neither)",
    "raw_text": "the row, verbatim, as the model read it; empty where a person added the row, or"
    " where what the model read is not there any more",
    "verified_text": "the row as a person saved it; empty where nobody did: see verified",
    "text": "the text that counts, a person's before a model's: the row with its continuation"
    " rows; these, and blank rows, have no line of their own",
    "type_raw": "what is written in the type circle",
    "confidence": "of the transcription, by the model itself: high, medium, low",
    "notes": "double_height, crossed_out, illegible, continuation (of nothing), other, or free"
    " words",
    "crossed_out": "1 where notes say so, else 0: maybe not played; most such notes are wrong",
    "verified": "complete or draft, where a person saved the page's text; else empty",
    "verified_by": "that person's name",
    "verified_at": "when, ISO 8601 in UTC",
}
# Columns that the view `plays`, whose raw_text is the text that counts, has in another way.
OTHERS = {
    "raw_text": "CASE WHEN plays.verified IS NULL THEN plays.raw_text ELSE m.raw_text END",
    "verified_text": "CASE WHEN plays.verified IS NOT NULL THEN plays.raw_text END",
}
FORMULAS = (
    "In plays.csv a text that a spreadsheet would take for a formula (it begins with = + - @, a tab"
    " or a line break) has a single quote before it. plays.jsonl has every text verbatim."
)


@click.command(cls=Command)
def main() -> None:
    """Write the tables for other programs."""
    config = settings.load()
    jobs_db = database.connect(config.data_root)
    folder = paths.export(config.data_root)
    with tables.writing(config.data_root) as db:
        update.update(config, jobs_db, db)
        total = db.execute("SELECT count(*) FROM entries WHERE joined_text IS NOT NULL").fetchone()
        plays = tqdm(_plays(db), "export", *total, unit=" plays", disable=None, leave=False)
        files.write_whole(folder / "plays.dictionary.csv", _dictionary())
        with (
            files.appearing(folder / "plays.csv") as csv_file,
            files.appearing(folder / "plays.jsonl") as jsonl_file,
        ):
            text = io.TextIOWrapper(csv_file, encoding="utf-8", newline="")
            table = _writer(text)
            table.writerow(COLUMNS)
            for play in plays:
                table.writerow([display.harmless(cell) for cell in play])
                line = dict(zip(COLUMNS, play, strict=True))
                jsonl_file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            text.detach()
    click.echo(f"exported {total[0]} plays to {folder}/plays.csv and plays.jsonl")


def _plays(db: Database) -> Iterator[tuple[Any, ...]]:
    """Page by page, each from the index: all plays at once would be sorted in memory or on disk."""
    columns = ", ".join(OTHERS.get(column, f"plays.{column}") for column in COLUMNS)
    order = " ".join(f"WHEN '{position}' THEN {n}" for n, position in enumerate(POSITIONS))
    yield from db.execute(
        f"SELECT {columns} FROM pages CROSS JOIN plays ON plays.page = pages.page"
        " LEFT JOIN model_rows m ON m.entry = plays.entry"
        f" ORDER BY pages.pdf_path, pages.page_number, CASE plays.position {order} END,"
        " plays.ordinal"
    )


def _dictionary() -> bytes:
    text = io.StringIO()
    table = _writer(text)
    table.writerows([("column", "holds"), *COLUMNS.items(), ("(any)", FORMULAS)])
    return text.getvalue().encode()


def _writer(file: Any) -> Any:
    return csv.writer(file)  # its own line ends, CR LF: it quotes no lone CR with others


if __name__ == "__main__":
    main()
