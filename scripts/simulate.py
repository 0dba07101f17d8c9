"""What a corpus will take: its waves, days and dollars, by the planner of `make batch-run`.

    python scripts/simulate.py --pages 16000 --tier 1 --world "stalled=0.1 refused_hours=24"

The calendar on stdout, and as simulation/calendar.svg under DATA_ROOT. Asks no API, and changes
nothing else. The `world` is what the API does, as `batch/course.py` lists it.
"""

from dataclasses import fields

import click

from flowsheets import files, paths, settings
from flowsheets.batch import calendar, plan, simulation, situation
from flowsheets.batch.course import SHARES, Course, World
from flowsheets.batch.plan import Limits, PageSize
from flowsheets.errors import Command, Count, OneOf, Problem
from flowsheets.gemini.room import DEVELOPER
from flowsheets.jobs import database
from flowsheets.jobs.database import Database
from flowsheets.money import estimate, prices, usage
from flowsheets.settings import Settings

PAGES = 16_000
MOST_PAGES = 10_000_000  # half a minute of computing


@click.command(cls=Command)
@click.option("--pages", type=Count("PAGES", PAGES), default=PAGES)
@click.option("--tier", type=OneOf("TIER", *settings.TIERS), default="")
@click.option("--seed", type=Count("SEED", 1), default=1)
@click.option("--world", "words", default="")
def main(pages: int, tier: str, seed: int, words: str) -> None:
    """Simulate a run over so many pages."""
    config = settings.load()
    if pages > MOST_PAGES:
        raise Problem("PAGES", f"{pages:,} is more than {MOST_PAGES:,}", "Give PAGES=1000000")
    world = _world(words)
    basis = estimate.basis(_books(config), config)
    usd = estimate.cost(config.model, "batch", 1, basis.usual)
    held = estimate.held(config.model, "batch", 1, basis)
    line = situation.LINE_BYTES
    page = PageSize(basis.usual.prompt, line, int(line * situation.DISK_PER_LINE), held)
    courses = {
        one: simulation.simulate(pages, _limits(config, one), page, world, seed, usd)
        for one in settings.TIERS
    }
    shown = tier or str(config.tier)
    _show(courses, shown, pages)
    if usd is None:
        click.echo("dollars are 0: no price is known")
    elif not basis.known:
        click.echo("dollars are without thinking, which is unknown yet")
    svg = paths.simulation(config.data_root) / "calendar.svg"
    title = f"{pages:,} pages, seed {seed}: {_in_words(courses[shown])} in tier {shown}"
    named = {f"tier {one}": course for one, course in courses.items()}
    limit = _limits(config, shown).tokens
    files.write_whole(svg, calendar.picture(title, named, f"tier {shown}", limit).encode())
    click.echo(f"\ndrawn: {svg}")


def _books(config: Settings) -> Database:
    """This station's own responses, which say what a page takes; none where there is no jobs.db."""
    if paths.jobs_db(config.data_root).exists():
        return database.connect(config.data_root)
    empty = Database(memory=True)
    usage.create_table(empty)
    return empty


def _limits(config: Settings, tier: str) -> Limits:
    """The settings' limits, in that tier of the Developer API.

    MAX_ENQUEUED_TOKENS is of the tier that is set.
    """
    own = config.max_enqueued_tokens if tier == str(config.tier) else None
    return Limits(
        tokens=own or DEVELOPER.tokens[int(tier)],
        batch_pages=config.batch_pages,
        usd=config.max_usd,
    )


def _world(words: str) -> World:
    """`stalled=0.1 refused_hours=24`. Raises `Problem` for what no world has."""
    kinds = {field.name: field.type for field in fields(World)}
    given: dict[str, float] = {}
    for word in words.replace(",", " ").split():
        name, _, value = word.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if name not in kinds or not 0 <= number <= (1 if name in SHARES else 1e12):
            known = f"Give NAME=NUMBER: {', '.join(kinds)}"
            raise Problem("WORLD", f"{word!r} is unknown", known)
        given[name] = int(number) if kinds[name] in (int, "int") else number
    if given.get("pages_a_second") == 0 or given.get("bytes_a_second") == 0:
        raise Problem("WORLD", "nothing would ever be drawn or uploaded", "Give a speed above 0")
    return World(**given)  # type: ignore[arg-type]


def _show(courses: dict[str, Course], shown: str, pages: int) -> None:
    click.echo(f"{pages:,} pages in tier {shown}; out, M tokens and GB are the most of a day")
    for line in calendar.table(calendar.rows(courses[shown])):
        click.echo(line)
    click.echo()
    for tier, course in courses.items():
        click.echo(
            f"tier {tier}: {_in_words(course)}; {len(course.waves):,} waves of"
            f" {len(course.batches):,} batches, {prices.dollars(course.usd)}, at most"
            f" {max(one.bytes_kept for one in course.moments) / 1e9:,.1f} GB at Google"
        )
    course = courses[shown]
    waits = sorted(course.waited.items(), key=lambda item: -item[1])
    said = ", ".join(f"{plan.IN_WORDS.get(why, why)} {hours:,.0f} h" for why, hours in waits)
    click.echo(f"where the time went, tier {shown}: {said or 'nowhere'}")
    if course.refused:
        click.echo(
            f"{course.refused:,} creates refused (429), {course.given_back:,} folders built smaller"
        )


def _in_words(course: Course) -> str:
    if course.stopped:
        why = plan.IN_WORDS.get(course.stopped, course.stopped)
        return f"stops after {course.hours / 24:,.1f} days ({why})"
    lost = f", {course.out_of_tries:,} of them failed" if course.out_of_tries else ""
    return f"{course.hours / 24:,.1f} days{lost}"


if __name__ == "__main__":
    main()
