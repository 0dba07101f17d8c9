"""MAX_USD, held against what new pages and all that is still out may cost."""

from contextlib import suppress
from decimal import Decimal

from sqlite_utils import Database

from flowsheets import paths
from flowsheets.batch.folder import load_batch, open_folders
from flowsheets.errors import Problem
from flowsheets.jobs import states
from flowsheets.money import estimate, prices
from flowsheets.money.estimate import Basis
from flowsheets.settings import Settings


def hold_to_limit(
    config: Settings,
    new: int,
    of: Basis,
    modes: tuple[str, ...] = ("batch",),
    sent: bool = False,
) -> None:
    """Raise `Problem` where new pages, with what is still out, may go past MAX_USD.

    A new page is read once in each of `modes`. With `sent`, only what the API has counts as out:
    folders that wait are new pages themselves.
    """
    if config.max_usd is None:
        return
    out = _out(config, of, sent)
    each = [estimate.cost(config.model, mode, new, of.high) for mode in modes]
    known = [dollars for dollars in (*each, out) if dollars is not None]
    if len(known) <= len(each):
        raise Problem(
            "MAX_USD",
            f"cannot be kept to: {prices.remark(config.model, 'batch') or 'no known price'}",
            "Unset it, or take a GEMINI_MODEL with a known price",
        )
    total = sum(known)
    if total > config.max_usd:
        waiting = f" and what is still out ({prices.dollars(out)})" if out else ""
        raise Problem(
            "MAX_USD",
            f"{new} pages{waiting} may cost up to {prices.dollars(total)},"
            f" the limit is {prices.dollars(config.max_usd)}{estimate.on_top(of)}",
            "Give a smaller LIMIT or a larger MAX_USD, or fetch what is out; nothing was sent",
        )


def _out(config: Settings, of: Basis, sent: bool) -> Decimal | None:
    """What is out and not settled may cost at the most: batches, comparisons, folders not sent yet.

    In dollars; None where a model has no known price.
    """
    total = Decimal(0)
    for folder in (
        *open_folders(config.data_root),
        *open_folders(config.data_root, paths.comparisons),
    ):
        with suppress(Problem):  # a damaged folder is told by whoever works on it
            batch = load_batch(folder)
            if sent and not batch.may_be_sent:
                continue
            model = (batch.last("built") or {}).get("model") or config.model
            one = estimate.cost(model, "batch", len(batch.lines), of.high)
            if one is None:
                return None
            total += one
    return total


def still_out(db: Database) -> int:
    """Pages in batches that are not settled yet, sent or about to be."""
    return states.counts(db).get("submitted", 0)
