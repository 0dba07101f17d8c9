"""MAX_USD: no new page is sent where it, with all that is still out, may cost more."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

from sqlite_utils import Database

from flowsheets import paths
from flowsheets.batch.folder import Batch, aside_folders, load_batch, open_folders
from flowsheets.errors import Problem
from flowsheets.jobs import states
from flowsheets.money import estimate, prices
from flowsheets.settings import Settings

# The ceiling of the models themselves (documented), for folders from before requests had their own.
MODELS_CEILING = 65_536


def hold_to_limit(
    db: Database,
    settings: Settings,
    new: int,
    modes: tuple[str, ...] = ("batch",),
    sent: bool = False,
) -> None:
    """Raise `Problem` where `new` pages, with what is still out, may go past MAX_USD.

    Returns at once where there is no limit, or no new page. A new page is read once in each of
    `modes`. With `sent`, only what the API has counts as out: folders that wait are new pages
    themselves. What was spent before does not count.
    """
    hold_each(db, settings, [(settings, mode, new) for mode in modes], sent)


def hold_each(
    db: Database,
    settings: Settings,
    asked: list[tuple[Settings, str, int]],
    sent: bool = False,
) -> None:
    """The same for pages that are read once with each of these settings, in its mode, so many."""
    new = max((pages for _, _, pages in asked), default=0)
    if settings.max_usd is None or not new:
        return
    bases = [estimate.basis(db, own) for own, _, _ in asked]
    costs = zip(asked, bases, strict=True)
    whole = _known([estimate.held(own.model, mode, n, basis) for (own, mode, n), basis in costs])
    out = _known([_held(db, settings, batch, modes) for batch, modes in _out(db, settings, sent)])
    if whole is None or out is None:
        remarks = filter(None, (prices.remark(own.model, mode) for own, mode, _ in asked))
        raise Problem(
            "MAX_USD",
            f"cannot be kept to: {next(remarks, 'no known price')}",
            "Unset it, or take a GEMINI_MODEL with a known price",
        )
    if whole + out <= settings.max_usd:
        return
    waiting = f" and what is still out ({prices.dollars(out)})" if out else ""
    first = f"; until {estimate.ENOUGH} pages are read, each counts at MAX_OUTPUT_TOKENS"
    raise Problem(
        "MAX_USD",
        f"{new:,} page{'s' * (new != 1)}{waiting} may cost up to"
        f" {prices.dollars(whole + out)}, the limit is {prices.dollars(settings.max_usd)}"
        f"{'' if all(basis.known for basis in bases) else first}",
        f"{_fix(settings.max_usd - out, whole / new)}; nothing was sent",
    )


def hold_folder(db: Database, settings: Settings, batch: Batch, pages: int) -> None:
    """The same for so many pages of a folder that was written, maybe under another limit; its
    requests decide what they may cost. What other folders wait to send does not count.
    """
    modes = _modes(batch, settings)
    hold_to_limit(db, as_built(batch, settings), pages, modes, sent=True)


def each_and_out(db: Database, settings: Settings) -> tuple[Decimal, Decimal] | None:
    """Dollars that MAX_USD counts for one new page, and for what the API has; None if unknown."""
    each = estimate.held(settings.model, "batch", 1, estimate.basis(db, settings))
    out = _known([_held(db, settings, one, modes) for one, modes in _out(db, settings, True)])
    return None if each is None or out is None else (each, out)


def as_built(batch: Batch, settings: Settings) -> Settings:
    """The settings with which the folder's requests were made, which decide what it may cost."""
    built = batch.last("built") or {}
    return replace(
        settings,
        model=built.get("model") or settings.model,
        max_output_tokens=built.get("max_output_tokens") or MODELS_CEILING,
        thinking=built.get("thinking"),
        answer=built.get("answer") or "full",
    )


def still_out(db: Database) -> int:
    """Pages in batches that have not ended yet, sent or about to be."""
    return states.counts(db).get("submitted", 0)


def _out(db: Database, settings: Settings, sent: bool) -> Iterator[tuple[Batch, tuple[str, ...]]]:
    """Batches whose results are not applied yet, and the modes that their pages are read in."""
    for folder in (*open_folders(settings.data_root, db), *aside_folders(settings.data_root)):
        with suppress(Problem):  # a damaged folder is reported by the command that works on it
            batch = load_batch(folder)
            if batch.open and (batch.may_be_sent or not sent):
                yield batch, _modes(batch, settings)


def _modes(batch: Batch, settings: Settings) -> tuple[str, ...]:
    """A comparison of both modes has one folder for both."""
    both = batch.folder.parent == paths.comparisons(settings.data_root)
    return ("batch", "realtime") if both else batch.modes


def _held(db: Database, settings: Settings, batch: Batch, modes: tuple[str, ...]) -> Decimal | None:
    own = as_built(batch, settings)
    basis = estimate.basis(db, own)
    return _known([estimate.held(own.model, mode, len(batch.lines), basis) for mode in modes])


def _known(dollars: list[Decimal | None]) -> Decimal | None:
    """The sum; None where one of them is not known."""
    known = [each for each in dollars if each is not None]
    return sum(known, Decimal(0)) if len(known) == len(dollars) else None


def _fix(left: Decimal, each: Decimal) -> str:
    fitting = int(left / each) if left > 0 else 0
    smaller = f"Give LIMIT={fitting}, a larger MAX_USD" if fitting else "Give a larger MAX_USD"
    return f"{smaller}, or fetch what is out"
