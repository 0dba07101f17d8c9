"""The same pages read in several ways: tokens and dollars of each, and how far the texts differ.

    python scripts/compare.py --limit 5
    python scripts/compare.py --limit 20 --setting A= --setting B=GEMINI_THINKING=low

Without settings: waiting pages in a batch and, at once, in real time. With them: pages drawn at
random, under each setting. Run it again until all batches have ended. Changes no job and no result:
all of it is under compare/, and is shown again later. Each page is billed once in each way.
"""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import click

from flowsheets import lock, paths, settings
from flowsheets.accuracy import sample, truth
from flowsheets.accuracy.table import SAYS
from flowsheets.accuracy.truth import TruthPage
from flowsheets.batch import aside, budget, compare, comparison, draw, letters, proof, verdict
from flowsheets.batch.compare import Way
from flowsheets.batch.comparison import NAME, Comparison
from flowsheets.batch.folder import Batch, batch_folders, load_batch, new_name
from flowsheets.batch.letters import Setting
from flowsheets.errors import Command, Count, Problem, raise_all
from flowsheets.gemini import door
from flowsheets.gemini.client import ApiProblem
from flowsheets.index import texts
from flowsheets.jobs import database, states
from flowsheets.jobs.database import Database
from flowsheets.money import estimate, prices
from flowsheets.money.estimate import Basis
from flowsheets.page.shapes import KeptPage
from flowsheets.paths import PageId
from flowsheets.settings import Settings

LIMIT = 5


@click.command(cls=Command)
@click.option("--limit", type=Count("LIMIT", LIMIT), default=LIMIT)
@click.option("--setting", "words", multiple=True, metavar="LETTER=WORDS")
def main(limit: int, words: tuple[str, ...]) -> None:
    """Show the same few pages in both modes, or under several settings, side by side."""
    asked = letters.read(words)
    config = settings.load()
    db = database.connect(config.data_root)
    try:
        with lock.held(config.data_root, "compare"):
            if asked:
                _of_settings(db, config, limit, asked)
            else:
                _go_on_or_begin(db, config, limit)
    except lock.Held as busy:
        raise Problem("compare", f"{busy.holder} is at it", "Wait for it") from busy


def _go_on_or_begin(db: Database, config: Settings, limit: int) -> None:
    """What is under way, else what ended last, else both modes from the beginning."""
    both, others = _both_modes(config), comparison.all_of(config)
    if under_way := _under_way(others):
        _go_on_with_settings(under_way, db, config)
    elif others and not (both and (both.open or both.name > others[-1].folder.name)):
        _show_settings(_same(others, others[-1].facts), db, config)
    else:
        batch = both or _begin(db, config, limit)
        if not batch.open or _go_on(batch, db, config):
            _show(batch)


# --- settings by letter -------------------------------------------------------------------------


def _of_settings(db: Database, config: Settings, limit: int, asked: list[Setting]) -> None:
    others = comparison.all_of(config)
    if under_way := _under_way(others):
        if under_way[0].given != {one.letter: one.given for one in asked}:
            raise _another(under_way[0].folder, str(under_way[0]))
        _go_on_with_settings(under_way, db, config)
        return
    both = _both_modes(config)
    if both and both.open:
        raise _another(both.folder, "both modes")
    done = _same(others, [one.facts for one in asked])
    left = limit - sum(one.limit for one in done)
    if left <= 0:
        _show_settings(done, db, config)
        return
    begun = _begin_with_settings(db, config, asked, left, done, others)
    _go_on_with_settings(begun, db, config)


def _another(folder: object, what: str) -> Problem:
    fix = f"make compare goes on with it; to give it up, remove {folder}"
    return Problem("compare", f"one of {what} is under way", fix)


def _under_way(others: list[Comparison]) -> list[Comparison]:
    """Of the same settings, each with other pages."""
    return [one for one in others if one.open]


def _same(others: list[Comparison], facts: object) -> list[Comparison]:
    """The comparisons of the same settings: each has other pages than those before it."""
    return [one for one in others if one.facts == facts]


def _begin_with_settings(
    db: Database,
    config: Settings,
    asked: list[Setting],
    limit: int,
    done: list[Comparison],
    others: list[Comparison],
) -> list[Comparison]:
    door.now().check("batch")
    proof.refuse_unproven(db)
    known = {page for one in done for page in one.pages}
    with_truth = _truth(db, config.data_root)
    drawn = draw.pages(
        db, config.data_root, limit, config.max_attempts, with_truth=with_truth, known=known
    )
    if not drawn.pages:
        more = "more " if done else ""
        raise Problem("compare", f"no {more}page has an image", "make render, or a smaller LIMIT")
    parts = comparison.in_parts(others, asked, drawn.pages, config.data_root)
    new = {  # letter -> pages that it has not read before
        one.letter: sum(len(part.pages) for part in parts if one.letter not in part.before)
        for one in asked
    }
    paying = [one for one in asked if new[one.letter]]
    budget.hold_each(db, config, [(one.config, one.mode, new[one.letter]) for one in paying])
    click.echo(str(drawn))
    if before := [
        f"{one}, {len(drawn.pages) - new[one]} pages" for one in new if new[one] < len(drawn.pages)
    ]:
        click.echo(f"read before, and not asked for again: {'; '.join(before)}")
    if paying:
        click.echo(_estimate_of_settings(db, paying, new))
    begun: list[Comparison] = []
    for part in parts:  # the last one has what LIMIT asks for beyond the pages there are
        own = len(part.pages) if part is not parts[-1] else limit - sum(one.limit for one in begun)
        begun.append(comparison.begin(config, asked, part.pages, own, part.before))
    return begun


def _estimate_of_settings(db: Database, asked: list[Setting], new: dict[str, int]) -> str:
    pages = max(new.values())
    bases = [(one, estimate.basis(db, one.config)) for one in asked]
    costs = {
        one.letter: estimate.cost(one.config.model, one.mode, new[one.letter], basis.usual)
        for one, basis in bases
    }
    known = {letter: usd for letter, usd in costs.items() if usd is not None}
    each = ", ".join(f"{letter} {prices.dollars(usd)}" for letter, usd in known.items())
    unknown = [letter for letter in costs if letter not in known]
    without = f"; no price is known for {', '.join(unknown)}" if unknown else ""
    thinking = "" if all(basis.known for _, basis in bases) else ", and thinking on top"
    return (
        f"estimate: {pages} pages under {len(asked)} setting{'s' * (len(asked) > 1)}, about"
        f" {prices.dollars(sum(known.values()))}{f' ({each})' if each else ''}{thinking}{without}"
    )


def _go_on_with_settings(some: list[Comparison], db: Database, config: Settings) -> None:
    problems: list[Problem] = []
    for one in some:
        problems += comparison.go_on(one, db)
        if any(isinstance(p, ApiProblem) and p.everywhere for p in problems):
            break  # any call would meet it
    _show_settings(_same(comparison.all_of(config), some[-1].facts), db, config)
    raise_all(problems)


def _show_settings(rounds: list[Comparison], db: Database, config: Settings) -> None:
    came = verdict.came(rounds)
    pages = {page for one in rounds for page in one.pages}
    known = {p: one for p, one in _truth(db, config.data_root).items() if p in pages}
    waiting = sum(1 for _ in states.waiting(db, config.max_attempts))
    places = ", ".join(str(one.folder) for one in rounds)
    click.echo(f"{len(pages)} pages of {places}; with truth: {_truth_line(known)}")
    first, *others = _by_kind(known) or [("", {})]
    for line in (*verdict.legend(came), *verdict.table(came, first[1], waiting)):
        click.echo(line)
    for kind, of_kind in others:
        click.echo(f"apart, {len(of_kind)} pages of truth: {SAYS[kind]}")
        for line in verdict.table_of_truth(came, of_kind):
            click.echo(line)
    for line in verdict.remarks(came):
        click.echo(line)
    if any(one.open for one in rounds):
        click.echo("Next: make compare, to finish")
        return
    click.echo(f"{verdict.sentence(came, first[1])}.")
    click.echo("To compare these settings anew, remove that folder; for more pages, a larger LIMIT")


def _truth_line(known: dict[PageId, TruthPage]) -> str:
    kinds = Counter(one.kind for one in known.values())
    said = ", ".join(f"{kinds[kind]} {kind}" for kind in truth.KINDS if kinds[kind])
    return f"{said}; digest {truth.digest(known.values())[:16]}" if known else "none"


def _by_kind(known: dict[PageId, TruthPage]) -> list[tuple[str, dict[PageId, KeptPage]]]:
    """The truth of each kind, what leads the eye least first: it is what the sentence goes by.

    A single page settles nothing, and so does not go before several of the next kind.
    """
    found = [
        (kind, {page: one.page for page, one in known.items() if one.kind == kind})
        for kind in truth.KINDS
    ]
    return sorted((one for one in found if one[1]), key=lambda one: len(one[1]) == 1)


def _truth(db: Database, data_root: Path) -> dict[PageId, TruthPage]:
    """What people typed, by page."""
    files = texts.saved(db, data_root).items()
    saved = {paths.page_name(page): path for page, (path, _) in files if path}
    found = truth.gather(data_root, saved, sample.read(sample.file(data_root)))
    by_name = {one.name: one for one in found.pages}
    pages = states.all_pages(db)
    return {page: by_name[name] for page in pages if (name := paths.page_name(page)) in by_name}


# --- both modes ---------------------------------------------------------------------------------


def _both_modes(config: Settings) -> Batch | None:
    """The comparison of both modes that is under way, or the one that was finished last."""
    folders = batch_folders(config.data_root, paths.comparisons)
    batches = [load_batch(folder) for folder in folders]
    return next((b for b in reversed(batches) if b.open or b.last("settled")), None)


def _begin(db: Database, config: Settings, limit: int) -> Batch:
    door.now().check("batch")
    proof.refuse_unproven(db)
    pages = states.choose(db, config.data_root, limit, config.max_attempts).waiting
    if not pages:
        raise Problem("compare", "no page waits", "make render, or make retry a page")
    basis = estimate.basis(db, config)
    budget.hold_to_limit(db, config, len(pages), ("batch", "realtime"))
    click.echo(_estimate(config, len(pages), basis))
    folder = paths.comparisons(config.data_root) / new_name(datetime.now(UTC), door.now().LETTER)
    return aside.begin(folder, pages, config)


def _estimate(config: Settings, pages: int, basis: Basis) -> str:
    costs = [estimate.cost(config.model, way, pages, basis.usual) for way in ("realtime", "batch")]
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs):
        return f"estimate: {pages} pages both ways, without a known price"
    return f"estimate: {pages} pages both ways, about {prices.dollars(sum(known))}"


def _go_on(batch: Batch, db: Database, config: Settings) -> bool:
    """One step further; whether all answers are there."""
    aside.send(batch, db, config, NAME)
    compare.ask_now(batch, db)
    if aside.go_on(batch, db, config, NAME):
        return True
    click.echo(aside.says(batch, NAME))
    return False


def _show(batch: Batch) -> None:
    now, later = compare.of_real_time(batch), compare.of_batch(batch)
    click.echo(
        f"{len(batch.lines)} pages of {batch.folder}, {compare.model(batch)},"
        f" prompt {batch.asked['prompt']}"
    )
    names = ("answers", "tokens in", "cached", "tokens out", "thinking", "dollars")
    click.echo(f"{'way':<10}" + "".join(f"{name:>12}" for name in names))
    for name, way in (("real time", now), ("batch", later)):
        counts = (
            len(way.paid),
            way.tokens("prompt_token_count"),
            way.tokens("cached_content_token_count"),
            way.tokens("candidates_token_count"),
            way.tokens("thoughts_token_count"),
        )
        said = prices.dollars(way.usd) if way.usd is not None else "not known"
        click.echo(f"{name:<10}" + "".join(f"{count:>12,}" for count in counts) + f"{said:>12}")
    _show_ratio(now, later)
    both = compare.difference(now, later)
    click.echo(
        f"readings: {both.pages} of {len(batch.lines)} pages read both ways, {both.rows_both} rows"
        f" found by both, {both.rows_one} by one of them; characters that differ: {both.rate:.1%}"
    )
    click.echo(f"To compare anew, remove {batch.folder}")


def _show_ratio(now: Way, later: Way) -> None:
    same = later.usd_in_real_time
    if not (now.usd and same) or later.usd is None:
        return
    click.echo(
        f"batch: {later.usd / now.usd:.2f} of real time as billed,"
        f" {later.usd / same:.2f} for the same tokens; one half is 0.50"
    )


if __name__ == "__main__":
    main()
