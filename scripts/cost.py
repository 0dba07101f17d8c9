"""What was spent, by month, model and mode, from the table `usage` of jobs.db: asks no API.

    python scripts/cost.py --format csv > costs.csv

Beside it, what the same tokens would have cost in real time. Cached tokens have the price of cached
tokens on both sides, so the ratio is the true one, whatever it is. A response whose price is not
known is counted as such, and is in no sum of dollars. No response says what a prompt cache costs by
the hour: that is computed from the batches' journals and the table `caches`, and has a line of its
own, which is a row with the mode `storage` in CSV and the object `storage` in JSON.
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import click
import orjson

from flowsheets import settings
from flowsheets.batch.folder import Batch, batch_folders, load_journal
from flowsheets.errors import Command, OneOf, Problem, warn
from flowsheets.jobs import database
from flowsheets.jobs.database import Database
from flowsheets.money import estimate, prices, storage, usage
from flowsheets.money.storage import Kept

MODES = {"realtime": "real time", "batch": "batch", "flex": "flex"}
COUNTS = usage.Tokens._fields[:4]  # the total is their sum

Group = tuple[str, str, str]  # month (UTC), model as asked for, mode


@dataclass
class Spent:
    """Responses added up. `usd` and `real_time` are dollars of those whose price is known."""

    pages: int = 0
    responses: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    without_price: int = 0
    usd: float = 0.0
    real_time: float = 0.0
    price_lists: set[str] = field(default_factory=set)

    @property
    def ratio(self) -> float | None:
        return self.usd / self.real_time if self.real_time else None

    def columns(self) -> dict[str, Any]:
        """The row of the books; dollars are null where no response has a known price."""
        known = self.without_price < self.responses
        return {
            "pages": self.pages,
            "answers": self.responses,  # the names in the books stay as they were
            **{name: self.tokens[name] for name in COUNTS},
            "answers_without_price": self.without_price,
            "usd_known": round(self.usd, 6) if known else None,
            "usd_in_real_time": round(self.real_time, 6) if known else None,
            "ratio": round(self.ratio, 4) if self.ratio is not None else None,
            "price_list": "; ".join(sorted(self.price_lists)),
        }


class Books(NamedTuple):
    """What was spent, by month, model and mode, by mode, and in all."""

    groups: dict[Group, Spent]
    modes: dict[str, Spent]
    all: Spent


@click.command(cls=Command)
@click.option("--format", "wanted", type=OneOf("FORMAT", "json", "csv"), default="")
def main(wanted: str) -> None:
    """Show what was spent, by month, model and mode."""
    config = settings.load()
    db = database.connect(config.data_root)
    books = _books(db)
    kept = [*_of_batches(config.data_root), *storage.kept(db)]
    _SHOW[wanted](books, kept)
    for model, mode in sorted({(model, mode) for _, model, mode in books.groups}):
        said = prices.remark(model, mode)
        if said:
            warn(said)


def _books(db: Database) -> Books:
    sums = usage.sums(db)
    usage.warn_of_other_models(sums)
    groups: dict[Group, Spent] = {}
    for (month, model, mode), pages in usage.pages_by(db, "month", "model", "mode").items():
        groups[month, model, mode] = Spent(pages)
    for one in sums:
        _add(groups[one.day[:7], one.model, one.mode], one)
    totals = {
        mode: _sum(pages, [spent for key, spent in groups.items() if key[2] == mode])
        for (mode,), pages in usage.pages_by(db, "mode").items()
    }
    (pages,) = usage.pages_by(db).values() or (0,)
    return Books(groups, totals, _sum(pages, groups.values()))


def _show_json(books: Books, kept: list[Kept]) -> None:
    totals = {mode: books.modes[mode].columns() for mode in MODES if mode in books.modes}
    totals["all"] = books.all.columns()
    everything = {"rows": _rows(books.groups), "totals": totals, "storage": _storage(kept)}
    click.echo(orjson.dumps(everything, option=orjson.OPT_INDENT_2))


def _show_csv(books: Books, kept: list[Kept]) -> None:
    names = ["month", "model", "mode", *Spent().columns()]
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows([*_rows(books.groups), *_storage_rows(kept)])


def _show_table(books: Books, kept: list[Kept]) -> None:
    if books.groups:
        _show(books)
    else:
        click.echo("no response was billed yet. Next: make estimate")
    _show_storage(kept)


_SHOW = {"json": _show_json, "csv": _show_csv, "": _show_table}


def _rows(groups: dict[Group, Spent]) -> list[dict[str, Any]]:
    return [
        {"month": month, "model": model, "mode": mode, **groups[month, model, mode].columns()}
        for month, model, mode in sorted(groups)
    ]


def _add(spent: Spent, one: usage.Sum) -> None:
    spent.responses += one.responses
    spent.tokens.update({name: getattr(one, name) for name in COUNTS})
    real_time = one.real_time
    if one.usd is None or real_time is None:
        spent.without_price += one.responses
        return
    spent.usd += one.usd
    spent.real_time += real_time
    spent.price_lists.add(one.price_list or "")


def _sum(pages: int, parts: Iterable[Spent]) -> Spent:
    total = Spent(pages)
    for spent in parts:
        total.responses += spent.responses
        total.tokens.update(spent.tokens)
        total.without_price += spent.without_price
        total.usd += spent.usd
        total.real_time += spent.real_time
        total.price_lists |= spent.price_lists
    return total


def _show(books: Books) -> None:
    model_width = max(len(model) for _, model, _ in books.groups)
    _line(
        ("month", "model", "mode", "responses", "input", "cached", "output", "thinking"),
        ("dollars", "real time", "ratio"),
        model_width,
    )
    for (month, model, mode), spent in sorted(books.groups.items()):
        counts = (f"{spent.tokens[name]:,}" for name in COUNTS)
        dollars = ("-", "-", "-")
        if spent.ratio is not None:
            dollars = (
                prices.dollars(spent.usd),
                prices.dollars(spent.real_time),
                f"{spent.ratio:.2f}",
            )
        _line((month, model, MODES[mode], f"{spent.responses:,}", *counts), dollars, model_width)
    for mode in MODES:
        if mode in books.modes:
            click.echo(f"{MODES[mode]}: {_said(books.modes[mode], mode)}")


def _of_batches(data_root: Path) -> Iterator[Kept]:
    """The batches' prompt caches."""
    for folder in batch_folders(data_root):
        # Whoever works on a folder with a damaged journal reports it.
        with suppress(Problem, OSError, KeyError, TypeError, ValueError):
            # Most batches have none: their journals are not parsed, nor their manifests.
            if b'"cached_content"' in (folder / "journal.jsonl").read_bytes():
                yield _of_batch(Batch(folder, [], load_journal(folder)))


def _of_batch(batch: Batch) -> Kept:
    """From the build to the last page, or to the end of the time that the cache was given."""
    built, ended = batch.last("built") or {}, batch.last("settled", "refused", "given_back")
    begin = datetime.fromisoformat(built["at"])
    # Its life begins anew where a batch is created late.
    given = datetime.fromisoformat((batch.last("create_sent") or built)["at"])
    end = datetime.fromisoformat(ended["at"]) if ended else datetime.now(UTC)
    end = min(end, given + timedelta(hours=estimate.CACHE_HOURS))
    return storage.cost(built["model"], built["cached_tokens"], begin, end)


def _storage(kept: list[Kept]) -> dict[str, Any]:
    """How many caches, and their dollars for storage; null where no price is known."""
    known = [cache.usd for cache in kept if cache.usd is not None]
    usd = round(sum(known), 6) if known or not kept else None
    return {"caches": len(kept), "caches_without_price": len(kept) - len(known), "usd": usd}


def _storage_rows(kept: list[Kept]) -> list[dict[str, Any]]:
    """A row for each month and model; what no cache has, pages and tokens, stays empty."""
    rows = []
    for month, model in sorted({(cache.month, cache.model) for cache in kept}):
        own = [cache for cache in kept if (cache.month, cache.model) == (month, model)]
        usd = _storage(own)["usd"]
        rows.append({"month": month, "model": model, "mode": "storage", "usd_known": usd})
    return rows


def _show_storage(kept: list[Kept]) -> None:
    """What prompt caches cost while they were kept."""
    if not kept:
        return
    said = _storage(kept)
    price = "storage without a known price on top"
    if said["usd"] is not None:
        price = f"about {prices.dollars(said['usd'])} for storage on top"
        if said["caches_without_price"]:
            price += f", {said['caches_without_price']} of them without a known price"
    click.echo(f"{_count(len(kept), 'prompt cache')}, {price}")


def _line(cells: Iterable[str], dollars: tuple[str, str, str], model_width: int) -> None:
    month, model, mode, responses, *counts = cells
    line = f"{month:<8}{model:<{model_width}}  {mode:<10}{responses:>10}"
    line += "".join(f"{count:>12}" for count in counts)
    click.echo(line + f"{dollars[0]:>11}{dollars[1]:>11}{dollars[2]:>7}")


def _said(spent: Spent, mode: str) -> str:
    """`$1.23 for 1,000 pages, 0.50 of real time ($2.46)`, and what is not in it."""
    unknown = f"{_count(spent.without_price, 'response')} without a known price"
    if spent.ratio is None:
        return unknown
    said = f"{prices.dollars(spent.usd)} for {_count(spent.pages, 'page')}"
    if spent.responses != spent.pages:
        said += f" ({_count(spent.responses, 'response')})"
    if mode != "realtime":
        said += f", {spent.ratio:.2f} of real time ({prices.dollars(spent.real_time)})"
    return f"{said}; {unknown} on top" if spent.without_price else said


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


if __name__ == "__main__":
    main()
