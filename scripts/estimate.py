"""What the waiting pages would cost, each way, before any money is spent: asks no API.

    python scripts/estimate.py --limit 1000

Takes the pages that `make batch-submit` would take. Changes nothing.
"""

from decimal import Decimal

import click

from flowsheets import settings
from flowsheets.batch import budget, build
from flowsheets.errors import Command, Count
from flowsheets.jobs import database, states
from flowsheets.money import estimate, prices
from flowsheets.money.estimate import Basis, PageTokens
from flowsheets.settings import Settings

LIMIT = 50


@click.command(cls=Command)
@click.option("--limit", type=Count("LIMIT", LIMIT), default=LIMIT)
def main(limit: int) -> None:
    """Say what the next pages would cost."""
    config = settings.load()
    db = database.connect(config.data_root)
    waiting = states.choose(db, config.data_root, limit, config.max_attempts).waiting
    basis = estimate.basis(db, config)
    out = budget.still_out(db)
    if waiting:
        sized = build.sized(config.data_root, waiting, config.media_resolution)
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
    model, usual, high = config.model, basis.usual, basis.high
    click.echo(f"tokens from {basis.source}")
    click.echo(f"{'':<18}{'a page':>12}{'a large one':>13}{'all':>14}")
    for name, one, large in (
        ("tokens in", usual.prompt, high.prompt),
        ("tokens out", usual.output, high.output),
    ):
        click.echo(f"{name:<18}{one:>12,}{large:>13,}{one * pages:>14,}")
    click.echo(f"{model:<31}{'about':>12}{'up to':>14}")

    def row(name: str, about: Decimal | None, most: Decimal | None) -> None:
        if about is None or most is None:
            click.echo(f"{name:<31}{'no known price':>26}")
        else:
            click.echo(f"{name:<31}{prices.dollars(about):>12}{prices.dollars(most):>14}")

    def cost(mode: str, tokens: PageTokens) -> Decimal | None:
        return estimate.cost(model, mode, pages, tokens)

    row("real time", cost("realtime", usual), cost("realtime", high))
    row("batch", cost("batch", usual), cost("batch", high))
    cached = (estimate.cost_with_cache(model, pages, batches, tokens) for tokens in (usual, high))
    row("batch with cache", *cached)
    short = estimate.too_short_to_cache(model)
    if short:
        click.echo(f"the prompt {short}")
    for mode in ("realtime", "batch"):
        said = prices.remark(model, mode)
        if said:
            click.echo(said)


if __name__ == "__main__":
    main()
