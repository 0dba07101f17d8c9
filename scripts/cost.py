"""What was spent, by month, model and way, from the table `usage` of jobs.db: asks no API.

    python scripts/cost.py --csv > costs.csv

Beside it, what the same tokens would have cost in real time. Cached tokens have the price of cached
tokens on both sides, so the ratio is the true one, whatever it is. An answer whose price is not
known is counted as such, and in no sum of dollars. No answer says what a prompt cache costs by the
hour: that is reckoned from the batches' journals, and stands in a line of its own, which is a row
with the mode `storage` in CSV and the object `storage` in JSON.
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import click
import orjson

from flowsheets import settings
from flowsheets.batch.folder import Batch, batch_folders, load_batch
from flowsheets.errors import Command, Problem, warn
from flowsheets.jobs import database
from flowsheets.money import prices, usage
from flowsheets.paths import PageId

WAYS = {"realtime": "real time", "batch": "batch", "flex": "flex"}
COUNTS = usage.Tokens._fields[:4]  # the total is their sum

Group = tuple[str, str, str]  # month (UTC), model as asked for, mode


class Cache(NamedTuple):
    """A batch's prompt cache: month (UTC) and model; dollars for storage, None if unknown."""

    month: str
    model: str
    usd: float | None


@dataclass
class Spent:
    """Answers added up. `usd` and `real_time` are dollars of those whose price is known."""

    pages: set[PageId] = field(default_factory=set)
    answers: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    without_price: int = 0
    usd: float = 0.0
    real_time: float = 0.0
    price_lists: set[str] = field(default_factory=set)

    @property
    def ratio(self) -> float | None:
        return self.usd / self.real_time if self.real_time else None

    def columns(self) -> dict[str, Any]:
        """The row of the books; dollars are null where no answer has a known price."""
        known = self.without_price < self.answers
        return {
            "pages": len(self.pages),
            "answers": self.answers,
            **{name: self.tokens[name] for name in COUNTS},
            "answers_without_price": self.without_price,
            "usd_known": round(self.usd, 6) if known else None,
            "usd_in_real_time": round(self.real_time, 6) if known else None,
            "ratio": round(self.ratio, 4) if self.ratio is not None else None,
            "price_list": "; ".join(sorted(self.price_lists)),
        }


@click.command(cls=Command, context_settings={"ignore_unknown_options": True})
@click.option("--json", "as_json", is_flag=True)
@click.option("--csv", "as_csv", is_flag=True)
@click.argument("unknown", nargs=-1)
def main(as_json: bool, as_csv: bool, unknown: tuple[str, ...]) -> None:
    """Show what was spent."""
    if unknown:
        raise Problem("FORMAT", f"{unknown[0].strip('-')!r} is unknown", "Give json, csv, or none")
    config = settings.load()
    db = database.connect(config.data_root)
    groups: dict[Group, Spent] = {}
    for answer, usd, price_list in usage.noted(db):
        group = (answer.requested_at[:7], answer.model, answer.mode)
        _add(groups.setdefault(group, Spent()), answer, usd, price_list)
    rows = [
        {"month": month, "model": model, "mode": mode, **groups[month, model, mode].columns()}
        for month, model, mode in sorted(groups)
    ]
    kept = _kept(config.data_root)
    if as_json:
        totals = {mode: _sum(groups, mode).columns() for mode in WAYS if _sum(groups, mode).answers}
        totals["all"] = _sum(groups).columns()
        everything = {"rows": rows, "totals": totals, "storage": _storage(kept)}
        click.echo(orjson.dumps(everything, option=orjson.OPT_INDENT_2))
    elif as_csv:
        names = ["month", "model", "mode", *Spent().columns()]
        writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, *_storage_rows(kept)])
    elif rows:
        _show(groups)
        _show_storage(kept)
    else:
        click.echo("no answer was paid for yet. Next: make estimate")
        _show_storage(kept)
    for model, mode in sorted({(model, mode) for _, model, mode in groups}):
        said = prices.remark(model, mode)
        if said:
            warn(said)


def _add(spent: Spent, answer: usage.Answer, usd: float | None, price_list: str | None) -> None:
    spent.pages.add(answer.page)
    spent.answers += 1
    if answer.tokens:
        spent.tokens.update({name: getattr(answer.tokens, name) for name in COUNTS})
    now = usage.price(answer, "realtime")
    if usd is None or now is None:
        spent.without_price += 1
        return
    spent.usd += usd
    spent.real_time += float(now.usd)
    spent.price_lists.add(price_list or "")


def _sum(groups: dict[Group, Spent], mode: str | None = None) -> Spent:
    total = Spent()
    for (_, _, each), spent in groups.items():
        if mode in (None, each):
            total.pages |= spent.pages
            total.answers += spent.answers
            total.tokens.update(spent.tokens)
            total.without_price += spent.without_price
            total.usd += spent.usd
            total.real_time += spent.real_time
            total.price_lists |= spent.price_lists
    return total


def _show(groups: dict[Group, Spent]) -> None:
    model_width = max(len(model) for _, model, _ in groups)
    _line(
        ("month", "model", "way", "answers", "input", "cached", "output", "thinking"),
        ("dollars", "real time", "ratio"),
        model_width,
    )
    for (month, model, mode), spent in sorted(groups.items()):
        counts = (f"{spent.tokens[name]:,}" for name in COUNTS)
        dollars = ("-", "-", "-")
        if spent.ratio is not None:
            dollars = (
                prices.dollars(spent.usd),
                prices.dollars(spent.real_time),
                f"{spent.ratio:.2f}",
            )
        _line((month, model, WAYS[mode], f"{spent.answers:,}", *counts), dollars, model_width)
    for mode in WAYS:
        spent = _sum(groups, mode)
        if spent.answers:
            click.echo(f"{WAYS[mode]}: {_said(spent, mode)}")


def _kept(data_root: Path) -> list[Cache]:
    """The batches' prompt caches, oldest first."""
    kept = []
    for folder in batch_folders(data_root):
        with suppress(Problem):  # a damaged folder is told by whoever works on it
            batch = load_batch(folder)
            if batch.cached_content:
                kept.append(_cache(batch))
    return kept


def _cache(batch: Batch) -> Cache:
    built, ended = batch.last("built") or {}, batch.last("settled", "refused", "given_back")
    end = datetime.fromisoformat(ended["at"]) if ended else datetime.now(UTC)
    kept = end - datetime.fromisoformat(built["at"])
    tokens, hours = Decimal(built["cached_tokens"]), Decimal(kept.total_seconds()) / 3600
    hour = prices.CACHE_HOUR.get(built["model"])
    usd = None if hour is None else float(hour * tokens * hours / 1_000_000)
    return Cache(built["at"][:7], built["model"], usd)


def _storage(kept: list[Cache]) -> dict[str, Any]:
    """How many caches, and their dollars for storage; null where no price is known."""
    known = [cache.usd for cache in kept if cache.usd is not None]
    usd = round(sum(known), 6) if known or not kept else None
    return {"caches": len(kept), "caches_without_price": len(kept) - len(known), "usd": usd}


def _storage_rows(kept: list[Cache]) -> list[dict[str, Any]]:
    """A row for each month and model; what no cache has, pages and tokens, stays empty."""
    rows = []
    for month, model in sorted({(cache.month, cache.model) for cache in kept}):
        own = [cache for cache in kept if (cache.month, cache.model) == (month, model)]
        usd = _storage(own)["usd"]
        rows.append({"month": month, "model": model, "mode": "storage", "usd_known": usd})
    return rows


def _show_storage(kept: list[Cache]) -> None:
    """What the batches' prompt caches cost while they were kept."""
    if not kept:
        return
    said = _storage(kept)
    name = "prompt cache" if len(kept) == 1 else "prompt caches"
    price = "storage without a known price on top"
    if said["usd"] is not None:
        price = f"about {prices.dollars(said['usd'])} for storage on top"
        if said["caches_without_price"]:
            price += f", {said['caches_without_price']} of them without a known price"
    click.echo(f"{len(kept)} {name}, {price}")


def _line(cells: Iterable[str], dollars: tuple[str, str, str], model_width: int) -> None:
    month, model, way, answers, *counts = cells
    line = f"{month:<8}{model:<{model_width}}  {way:<10}{answers:>8}"
    line += "".join(f"{count:>12}" for count in counts)
    click.echo(line + f"{dollars[0]:>11}{dollars[1]:>11}{dollars[2]:>7}")


def _said(spent: Spent, mode: str) -> str:
    """`$1.23 for 1,000 pages, 0.50 of real time ($2.46)`, and what is not in it."""
    unknown = f"{spent.without_price:,} answers without a known price"
    if spent.ratio is None:
        return unknown
    said = f"{prices.dollars(spent.usd)} for {len(spent.pages):,} pages"
    if spent.answers != len(spent.pages):
        said += f" ({spent.answers:,} answers)"
    if mode != "realtime":
        said += f", {spent.ratio:.2f} of real time ({prices.dollars(spent.real_time)})"
    return f"{said}; {unknown} on top" if spent.without_price else said


if __name__ == "__main__":
    main()
