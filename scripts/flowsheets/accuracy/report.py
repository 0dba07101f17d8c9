"""All that `make accuracy` says of one folder of readings, before it is put into any form."""

from typing import Any, NamedTuple

from flowsheets.accuracy import partial, score, sections, truth
from flowsheets.accuracy.intervals import Interval
from flowsheets.accuracy.partial import Answer, PartialPage
from flowsheets.accuracy.readings import Readings
from flowsheets.accuracy.sections import FIGURES, Section
from flowsheets.accuracy.truth import Truth


class Report(NamedTuple):
    """A folder of readings, measured. `answers` are those to partial truth."""

    truth: Truth
    partial: list[PartialPage]
    digest: str
    readings: Readings
    sections: list[Section]  # one a kind of truth
    answers: list[Answer]

    @property
    def unread(self) -> list[str]:
        """Pages of the truth without a reading; they are in no figure."""
        return [page.name for page in self.truth.pages if page.name not in self.readings.pages]

    @property
    def unanswered(self) -> int:
        """Texts of partial truth whose page has no reading."""
        asked = sum(map(partial.count, self.partial))
        return asked - len(self.answers)


def of(known: Truth, asked: list[PartialPage], readings: Readings) -> Report:
    """Measure the readings by all truth there is."""
    measured = [
        sections.measure(page, readings.pages[page.name])
        for page in known.pages
        if page.name in readings.pages
    ]
    by_kind = {kind: [m for m in measured if m.truth.kind == kind] for kind in truth.KINDS}
    answers = [
        answer
        for page in asked
        if page.name in readings.pages
        for answer in partial.answers(page, readings.pages[page.name])
    ]
    return Report(
        known,
        asked,
        truth.digest(known.pages, (page.content() for page in asked)),
        readings,
        [sections.section(kind, pages) for kind, pages in by_kind.items() if pages],
        answers,
    )


# --- as JSON ------------------------------------------------------------------------------------


def as_json(report: Report) -> dict[str, Any]:
    """The report for other programs: shares from 0 to 1, `low` and `high` of 95 % intervals."""
    return {
        "truth": truth_as_json(report.truth, report.digest),
        "readings": readings_as_json(report.readings),
        "unread": report.unread,
        "sections": [_section(section) for section in report.sections],
        "partial": {
            "asked": len(report.answers) + report.unanswered,
            "without_reading": report.unanswered,
            "found": sum(answer.found for answer in report.answers),
            "found_exactly": sum(answer.found and answer.exactly for answer in report.answers),
            "misses": [_miss(answer) for answer in report.answers if not answer.found],
        },
    }


def truth_as_json(known: Truth, digest: str) -> dict[str, Any]:
    """What was measured by, and what does not count."""
    return {
        "digest": digest,
        "pages": [
            {
                "page": page.name,
                "kind": page.kind,
                "reviewer": page.reviewer,
                "drawn": page.drawn,
                "untyped_rows": page.untyped,
            }
            for page in known.pages
        ],
        "without_name": [str(path) for path in known.nameless],
        "drafts_of_the_verifier": [str(path) for path in known.drafts],
        "unusable": {str(path): why for path, why in known.unusable.items()},
    }


def readings_as_json(readings: Readings) -> dict[str, Any]:
    """A folder, and which of the pages it has."""
    return {
        "folder": str(readings.folder),
        "models": dict(readings.models),
        "pages": readings.models.total(),
        "missing": readings.missing,
        "damaged": readings.damaged,
        "by_hand": readings.by_hand,
    }


def interval_as_json(interval: Interval, n: int) -> dict[str, Any]:
    """A figure, its interval, and of how many it is a share."""
    return {**interval._asdict(), "n": n}


def _section(section: Section) -> dict[str, Any]:
    total = section.total
    figures = {}
    for figure in FIGURES:
        strict, lenient = section.figures[figure.name]
        figures[figure.name] = interval_as_json(strict, total[figure.strict.whole])
        if figure.lenient and lenient:
            n = total[figure.lenient.whole]
            figures[f"{figure.name}.lenient"] = interval_as_json(lenient, n)
    return {
        "kind": section.kind,
        "pages": len(section.pages),
        "rows": {name: total[name] for name in ("rows", "read", *score.PAIRS)},
        "figures": figures,
        "notes": confusion(section),
        "confidence": {
            word: {
                "wrong": interval_as_json(strict, total[f"confidence.{word}"]),
                "wrong.lenient": interval_as_json(lenient, total[f"confidence.{word}"]),
            }
            for word, (strict, lenient) in section.confidence.items()
        },
        "worst_pages": [
            {"page": page.truth.name, "cer": score.cer(page.counts)} for page in section.worst_pages
        ],
        "wrong_rows": len(section.wrong_rows),
        "worst_rows": [row._asdict() for row in section.wrong_rows[: sections.WORST_ROWS]],
    }


def confusion(section: Section) -> dict[str, dict[str, int]]:
    """Rows by the truth's note and the one that was read, without those that no row has."""
    table: dict[str, dict[str, int]] = {}
    for there in (*score.NOTES, score.EXTRA):
        for here in (*score.NOTES, score.MISSING):
            if rows := section.total[f"notes.{there}.{here}"]:
                table.setdefault(there, {})[here] = rows
    return table


def _miss(answer: Answer) -> dict[str, Any]:
    places = {
        name: place and {"position": place.position, "row": place.row, "text": place.text}
        for name, place in (("nearest", answer.nearest), ("elsewhere", answer.elsewhere))
    }
    return {
        "page": answer.page,
        "field": answer.field,
        "position": answer.position,
        "row": answer.row,
        "wanted": answer.wanted,
        "likeness": round(answer.likeness, 3),
        **places,
    }
