"""What a comparison of settings says: a line a setting, and which is the cheapest that is as good.

Figures of a setting are of the pages that it has ended with; two settings are compared on the pages
that both have. A page that was asked for and not read counts as read wrongly.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from flowsheets import display
from flowsheets.accuracy import agreement, intervals, score
from flowsheets.accuracy.intervals import Paired
from flowsheets.accuracy.score import Counts, Ratio
from flowsheets.batch import comparison
from flowsheets.batch.compare import Way
from flowsheets.batch.comparison import Comparison
from flowsheets.batch.letters import Setting
from flowsheets.money import prices
from flowsheets.page.response import Unread
from flowsheets.page.schema import PageReading
from flowsheets.paths import PageId

Truth = Mapping[PageId, PageReading]
REASON = 150  # letters of a refusal that the table shows
MOST_PAGES = 100_000  # beyond which nobody will read more to settle it
SQUARE_ROOT = "an interval narrows with the square root of the pages"


@dataclass
class Came:
    """What came of one setting, in all comparisons of the same settings."""

    setting: Setting
    way: Way = field(default_factory=Way)  # its `paid` alone
    outcomes: dict[PageId, PageReading | Unread] = field(default_factory=dict)
    open: bool = False
    refused: str = ""  # why nothing was read
    asked: dict[str, Any] = field(default_factory=dict)  # see `request.identity`

    @property
    def letter(self) -> str:
        return self.setting.letter

    @property
    def usd_a_page(self) -> Decimal | None:
        """Dollars; None where nothing came, or a price is not known."""
        usd = self.way.usd
        return usd / len(self.way.paid) if usd is not None and self.way.paid else None

    @property
    def unread(self) -> Counter[str]:
        """Why pages were not read."""
        return Counter(one.code for one in self.outcomes.values() if isinstance(one, Unread))

    def read(self, page: PageId) -> PageReading | None:
        found = self.outcomes.get(page)
        return found if isinstance(found, PageReading) else None


def came(rounds: list[Comparison]) -> list[Came]:
    """What came of each setting, by letter; `rounds` are of the same settings, on other pages."""
    found = {one.letter: Came(one) for one in rounds[0].settings}
    for one in rounds:
        for setting in one.settings:
            batch, into = one.batches[setting.letter], found[setting.letter]
            into.way.paid += comparison.paid(batch, setting)
            pages = batch.pages
            for index, outcome in comparison.outcomes(batch, setting).items():
                into.outcomes[pages[index]] = outcome
            into.open = into.open or batch.open
            if batch.state == "refused":
                into.refused = str((batch.last("refused") or {}).get("reason") or "refused")
            into.asked = batch.asked
    return list(found.values())


# --- the table ----------------------------------------------------------------------------------


def table(settings: list[Came], truth: Truth, waiting: int) -> list[str]:
    """A line a setting, under a line of names."""
    names = ["", "answers", "tokens in", "out", "thinking", "$ a page", f"$ of {waiting:,}"]
    names += ["unread", "rows as A", "letters as A"]
    if truth:
        names += ["CER", "less A's, 95 %", "rows found", "less A's, 95 %"]
    lines = [names]
    lines += [_line(one, settings[0], truth, waiting) for one in settings]
    return _in_columns(lines)


def table_of_truth(settings: list[Came], truth: Truth) -> list[str]:
    """What further truth says, which is of another kind than the table's: a line a setting."""
    lines = [["", "CER", "less A's, 95 %", "rows found", "less A's, 95 %"]]
    lines += [[one.letter, *_accuracy(one, settings[0], truth)] for one in settings]
    return _in_columns(lines)


def _in_columns(lines: list[list[str]]) -> list[str]:
    names = lines[0]
    widths = [max(len(line[n]) for line in lines if n < len(line)) for n in range(len(names))]
    shown = [
        "  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=False))
        for line in lines
    ]
    return [line.rstrip() for line in shown]


def _line(one: Came, first: Came, truth: Truth, waiting: int) -> list[str]:
    usd = one.usd_a_page
    cells = [
        one.letter,
        f"{len(one.way.paid):,}",
        f"{one.way.tokens('prompt_token_count'):,}",
        f"{one.way.tokens('candidates_token_count'):,}",
        f"{one.way.tokens('thoughts_token_count'):,}",
        prices.dollars(usd) if usd is not None else _without_price(one),
        prices.dollars(usd * waiting) if usd is not None else "-",
        f"{one.unread.total():,}",
    ]
    cells += _likeness(one, first)
    return cells + (_accuracy(one, first, truth) if truth else [])


def _without_price(one: Came) -> str:
    if one.way.paid:
        return "not known"
    return "refused" if one.refused else "-"


def _likeness(one: Came, first: Came) -> list[str]:
    """Rows that both have with the same text, and letters that are the same, of A's."""
    pages = [(a, b) for page in first.outcomes if (a := first.read(page)) and (b := one.read(page))]
    if one is first or not pages:
        return ["-", "-"]
    counts = score.total(agreement.of_pages(a, b) for a, b in pages)
    other_rows = counts["lone"] + counts["other_text"]
    shares = ((other_rows, counts["rows"]), (counts["edits"], counts["letters"]))
    return [_percent(1 - other / whole if whole else None) for other, whole in shares]


def _accuracy(one: Came, first: Came, truth: Truth) -> list[str]:
    cells = []
    for figure in (score.cer, score.row_recall):
        counts = list(_counts(one, truth).values())
        cells.append(_percent(figure(score.total(counts))))
        cells.append("-" if one is first else _difference(pair(first, one, truth, figure)))
    return cells


def _difference(paired: Paired | None) -> str:
    """In points: +0.3 (-0.2 to 0.9)."""
    value, low, high = paired.difference if paired else (None, None, None)
    if value is None:
        return "-"
    wide = "no interval" if low is None or high is None else f"{_points(low)} to {_points(high)}"
    return f"{value * 100:+.2f} ({wide})"


def _counts(one: Came, truth: Truth) -> dict[PageId, Counts]:
    """Of each page that has truth, and that the setting has ended with."""
    return {
        page: score.page_counts(truth[page], one.read(page))
        for page in one.outcomes
        if page in truth
    }


def pair(a: Came, b: Came, truth: Truth, figure: Ratio = score.cer) -> Paired | None:
    """B's figure less A's, on the pages that both have; None without such pages."""
    of_a, of_b = _counts(a, truth), _counts(b, truth)
    both = sorted(of_a.keys() & of_b)
    if not both:
        return None
    return intervals.paired([of_a[p] for p in both], [of_b[p] for p in both], figure)


# --- what is beside and below it ----------------------------------------------------------------


def legend(settings: list[Came]) -> list[str]:
    """What each letter stands for, and which prompt and request it sent."""
    lines = []
    for one in settings:
        config = one.setting.config
        words = [config.model, one.setting.mode]
        words += [f"thinking {config.thinking}"] if config.thinking else []
        words += [f"{config.media_resolution} resolution"]
        words += [f"{config.answer} answer", f"at most {config.max_output_tokens:,} tokens"]
        words += [f"prompt {one.asked.get('prompt')}", f"request {one.asked.get('request')}"]
        lines.append(f"{one.letter}: {', '.join(words)}")
    return lines


def remarks(settings: list[Came]) -> list[str]:
    """What kept a setting, or pages of it, from being read."""
    lines = []
    for one in settings:
        if one.refused:
            lines.append(f"{one.letter} was refused: {display.shortened(one.refused, REASON)}")
        elif one.open:
            lines.append(f"{one.letter} has not ended yet")
        if one.unread:
            why = ", ".join(f"{code} ({n})" for code, n in one.unread.most_common())
            lines.append(f"{one.letter}: pages not read: {why}")
    return lines


def sentence(settings: list[Came], truth: Truth) -> str:
    """Which is the cheapest setting that is as good as the best, and what would settle it."""
    scored = [one for one in settings if _counts(one, truth)]
    if not scored:
        return (
            "No page of these has truth: how far settings agree says nothing of which is right."
            " make truth, then make compare, which asks for nothing again"
        )
    if len(scored) < 2:
        return "One setting alone has pages with truth so far: there is nothing to choose from"
    rates = {one.letter: score.cer(score.total(_counts(one, truth).values())) for one in scored}
    best = min(scored, key=lambda one: (rates[one.letter] or 0.0, one.usd_a_page or math.inf))
    pairs = {one.letter: pair(best, one, truth) for one in scored if one is not best}
    as_good = [one for one in scored if one is best or _is_as_good(pairs[one.letter])]
    priced = [one for one in as_good if one.usd_a_page is not None]
    lacking = ", ".join(one.letter for one in as_good if one not in priced)
    if not priced:
        return f"{best.letter} has the lowest CER; no price is known for {lacking}"
    cheapest = min(priced, key=lambda one: one.usd_a_page or Decimal(0))
    unclear = [one for one in scored if _is_unclear(pairs.get(one.letter))]
    if cheaper := [one for one in unclear if _is_cheaper(one, cheapest)]:
        return _one_page_alone(best, cheaper, pairs)
    unpriced = f"; no price is known for {lacking}, which is as good as well" if lacking else ""
    if cheapest is best:
        return (
            f"{best.letter} is the cheapest setting whose CER is as good as the best: it has the"
            f" lowest one, and {_the_others(best, as_good, scored)}{unpriced}"
        )
    paired = pairs[cheapest.letter]
    assert paired  # it is as good, and not the best
    return (
        f"{cheapest.letter} is the cheapest setting whose CER is as good as the best: it differs"
        f" from {best.letter}'s by {_difference(paired)} points, within the interval."
        f" {_what_settles_it(cheapest, best, truth, paired)}{unpriced}"
    )


def _is_as_good(paired: Paired | None) -> bool:
    """Whether 0 is within the interval. Where pages differ alike there is none, and they do."""
    if paired is None:
        return False
    value, low, _ = paired.difference
    return not value if low is None else not paired.settled


def _is_unclear(paired: Paired | None) -> bool:
    """Whether one page alone says that the two differ."""
    return (
        paired is not None
        and bool(paired.difference.value)
        and paired.lower + paired.higher + paired.equal == 1
    )


def _one_page_alone(best: Came, cheaper: list[Came], pairs: Mapping[str, Paired | None]) -> str:
    each = ", ".join(f"{one.letter} by {_difference(pairs[one.letter])} points" for one in cheaper)
    return (
        f"{best.letter} has the lowest CER; cheaper ones differ from it, {each}. So few pages give"
        " no interval, and nothing says which are as good: give more of them truth, or a larger"
        f" LIMIT; {SQUARE_ROOT}"
    )


def _the_others(best: Came, as_good: list[Came], scored: list[Came]) -> str:
    cheaper = [one.letter for one in scored if one not in as_good and _is_cheaper(one, best)]
    if not cheaper:
        return "none is cheaper"
    return f"what is cheaper ({', '.join(cheaper)}) differs beyond its interval"


def _is_cheaper(one: Came, other: Came) -> bool:
    return one.usd_a_page is not None and one.usd_a_page < (other.usd_a_page or Decimal(0))


def _what_settles_it(one: Came, best: Came, truth: Truth, paired: Paired) -> str:
    pages = len(_counts(one, truth).keys() & _counts(best, truth))
    more = pages_to_settle(paired, pages)
    if more is None:
        return "They do not differ on these pages, so that no number of pages is known to settle it"
    if more > MOST_PAGES:
        return f"More than {MOST_PAGES:,} more pages would settle it: {SQUARE_ROOT}"
    return (
        f"If the difference stays as it is, {more:,} more pages with truth would settle it (LIMIT="
        f"{len(one.outcomes) + more}): {SQUARE_ROOT}"
    )


def pages_to_settle(paired: Paired, pages: int) -> int | None:
    """Pages beyond `pages` until the interval leaves 0 out, its width going with 1/sqrt(pages) and
    the difference staying as it is; None where it is 0, or has no interval.
    """
    value, low, high = paired.difference
    if not value or low is None or high is None:
        return None
    half = value - low if value > 0 else high - value
    return max(math.ceil(pages * (half / abs(value)) ** 2) - pages, 1)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


def _points(share: float) -> str:
    return f"{share * 100:.2f}"
