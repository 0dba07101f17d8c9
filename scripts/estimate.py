"""What the waiting pages would cost, in each mode, before any money is spent: asks no API.

    python scripts/estimate.py --limit 1000

Takes the pages that `make batch-submit` would take. Changes nothing.
"""

from decimal import Decimal

import click

from flowsheets import settings
from flowsheets.batch import budget, build
from flowsheets.errors import Command, Count
from flowsheets.gemini import door
from flowsheets.jobs import database, states
from flowsheets.money import estimate, prices
from flowsheets.money.estimate import Basis
from flowsheets.settings import Settings

LIMIT = 50


@click.command(cls=Command)
@click.option("--limit", type=Count("LIMIT", LIMIT), default=LIMIT)
def main(limit: int) -> None:
    """Say what the waiting pages would cost, in each mode."""
    config = settings.load()
    db = database.connect(config.data_root)
    waiting = states.choose(db, config.data_root, limit, config.max_attempts).waiting
    out = budget.still_out(db)
    basis = estimate.basis(db, config)
    if waiting:
        sized = build.sized(waiting, config)
        batches = len(list(build.split(sized, config.batch_pages)))
        megabytes = sum(size for _, size in sized) / 1e6
        in_batches = f"{batches} batch" + ("es" if batches > 1 else "")
        click.echo(f"{len(waiting)} pages wait, {in_batches}, {megabytes:.1f} MB to upload")
        _show(config, basis, len(waiting), batches)
    else:
        click.echo("no pages wait. Next: make render, or make status")
    if out:
        usual = estimate.cost(config.model, "batch", out, basis.usual)
        about = f", about {prices.dollars(usual)}" if usual is not None else ""
        click.echo(f"still out in batches: {out} pages{about}")
    if waiting:
        click.echo("Next: make process, or make batch-submit")


def _show(config: Settings, basis: Basis, pages: int, batches: int) -> None:
    model, usual, high, most = config.model, basis.usual, basis.high, basis.most
    click.echo(f"tokens from {basis.source}")
    click.echo(f"{'':<18}{'a page':>12}{'a large one':>13}{'at most':>14}")
    click.echo(f"{'tokens in':<18}{usual.prompt:>12,}{high.prompt:>13,}{most.prompt:>14,}")
    click.echo(f"{'tokens out':<18}{usual.output:>12,}{high.output:>13,}{most.output:>14,}")
    click.echo(f"{model:<31}{'about':>12}{'at most':>14}")
    for name, mode in (("real time", "realtime"), ("batch", "batch")):
        _show_dollars(name, *(estimate.cost(model, mode, pages, of) for of in (usual, most)))
    if door.now().CACHES:
        cached = (estimate.cost_with_cache(model, pages, batches, of) for of in (usual, most))
        _show_dollars("batch with cache", *cached)
        short = estimate.too_short_to_cache(model)
        if short:
            click.echo(f"the prompt {short}")
    _show_limit(config, basis, pages)
    for mode in ("realtime", "batch"):
        said = prices.remark(model, mode)
        if said:
            click.echo(said)


def _show_dollars(name: str, about: Decimal | None, most: Decimal | None) -> None:
    if about is None or most is None:
        click.echo(f"{name:<31}{'no known price':>26}")
    else:
        click.echo(f"{name:<31}{prices.dollars(about):>12}{prices.dollars(most):>14}")


def _show_limit(config: Settings, basis: Basis, pages: int) -> None:
    """What MAX_USD counts for these pages, where there is a limit."""
    held = estimate.held(config.model, "batch", pages, basis)
    if config.max_usd is None or held is None:
        return
    how = f"90th percentile, and {basis.cut_off:.1%} of the pages at the ceiling"
    if not basis.known:
        how = f"each page at the ceiling until {estimate.ENOUGH} are read"
    limit = prices.dollars(config.max_usd)
    click.echo(f"MAX_USD of {limit} counts {prices.dollars(held)} in batch: {how}")


if __name__ == "__main__":
    main()
