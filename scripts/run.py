"""The whole corpus on one cron line: fetch what ended, draw and send what fits, as far as it goes.

    python scripts/run.py

Made of the steps that you could run yourself, each a process of its own; what is next says
`batch/plan.py`, by what is in jobs.db and the folders. Prints nothing where nothing happened, one
line where something did. ALERT_CMD hears once of what you should look at.
"""

import sys
from pathlib import Path

import click

from flowsheets import lock, settings, step
from flowsheets.batch import alarm, outlook, plan, situation, trial, watch
from flowsheets.batch.plan import Step
from flowsheets.batch.situation import Situation
from flowsheets.errors import Command, Problem, Switch, raise_all
from flowsheets.gemini import door
from flowsheets.jobs import database, states
from flowsheets.jobs.database import Database
from flowsheets.settings import Settings
from flowsheets.step import StepProblem

# Refusals that the planner answers by itself.
_ROOM = ("quota", "storage")
# The upload is kept, and waits for you all the same.
_A_PERSONS = ("spending",)
# What would meet each further step as well.
_EVERYWHERE = ("key", "unreachable", "foreign")


@click.command(cls=Command)
@click.option("--sure", type=Switch("SURE"), default="")
def main(sure: bool) -> None:
    """Fetch, render and submit, as far as it goes now."""
    config = settings.load()
    door.now().check("batch")
    db = database.connect(config.data_root)
    try:
        with lock.held(config.data_root, "run"):
            if sure:
                trial.pass_anyway(db, config)
            run = Run(db, config)
            try:
                run.go()
            except Problem as problem:  # a full disk, say: what was met before is told as well
                run.problems.append(problem)
    except lock.Held as held:
        click.echo(f"nothing run: {held.holder} is at work")
        return
    raise_all(run.problems)


class Run:
    """One run: what it did, and what it ran into."""

    def __init__(self, db: Database, config: Settings) -> None:
        self.db = db
        self.config = config
        self.problems: list[Problem] = []
        self.drawn = 0
        self.completed = 0
        self.failed = 0
        self.batches = 0
        self.pages = 0  # submitted

    def go(self) -> None:
        """Fetch; then step after step, as the planner says; then say what was done."""
        self._fetch()
        now = self._look()
        while self._do(now, next_step := plan.next_step(now.state, now.limits, now.page)):
            now = self._look()
        self._draw(plan.draw_ahead(now.state, now.limits, now.page))
        self._miss_the_scans()
        self._tell(next_step)

    def _look(self) -> Situation:
        now = situation.look(self.db, self.config)
        if situation.take_in_refusals(self.db, now):
            now = situation.look(self.db, self.config)
        return now

    def _do(self, now: Situation, next_step: Step) -> bool:
        """Do it; whether to ask for another one. None is done twice in vain."""
        if any(problem.kind in _EVERYWHERE for problem in self.problems):
            return False
        match next_step.do:
            case "draw":
                return self._draw(next_step.pages) > 0
            case "build":
                self._run("build_requests.py", "--limit", str(next_step.pages))
                then = self._look()  # a page whose image was gone is pending again
                return then.unsent is not None or then.state.undrawn > now.state.undrawn
            case "send":
                return self._send(now)
            case "give_back":
                return self._give_back(now)
            case "stop":
                self.problems.append(_stopped(next_step, now, self.config))
        return False

    # --- steps ----------------------------------------------------------------------------------

    def _run(self, script: str, *words: str) -> list[StepProblem]:
        """Run a step; what time alone or the planner mends is no problem of yours."""
        met = step.run(script, *words)
        self.problems += [one for one in met if one.kind in _A_PERSONS or not _mends_itself(one)]
        return met

    def _fetch(self) -> None:
        before = states.counts(self.db)
        self._run("fetch.py")
        after = states.counts(self.db)
        self.completed = max(after.get("completed", 0) - before.get("completed", 0), 0)
        self.failed = max(after.get("failed", 0) - before.get("failed", 0), 0)

    def _draw(self, pages: int) -> int:
        """Draw so many pages; how many have got their image, or failed."""
        if pages <= 0:
            return 0
        before = sum(states.undrawn(self.db).values())
        self._run("render.py", "--limit", str(pages))
        drawn = before - sum(states.undrawn(self.db).values())
        self.drawn += max(drawn, 0)
        return drawn

    def _send(self, now: Situation) -> bool:
        """Whether it was sent, or was refused for reasons that the planner knows."""
        assert now.unsent
        name = now.unsent.name
        self._run("submit.py", name)
        then = situation.look(self.db, self.config)
        if any(batch.name == name for batch in then.out):
            situation.note_accepted(self.db, then)
            self.batches += 1
            self.pages += len(now.unsent.lines)
            return True
        return bool(situation.take_in_refusals(self.db, then))

    def _give_back(self, now: Situation) -> bool:
        assert now.unsent
        with lock.jobs_held(self.config.data_root):
            return situation.give_back(self.db, now.unsent.folder) > 0

    def _miss_the_scans(self) -> None:
        """A PDF that is gone keeps nobody waiting; all of them are a disk that is not there."""
        root = self.config.scans_root
        if states.undrawn(self.db) and not root.is_dir():
            what, fix = f"{root} is not a folder", "Put the PDFs there, or set SCANS_ROOT"
            self.problems.append(Problem("SCANS_ROOT", what, fix))

    # --- what is said ---------------------------------------------------------------------------

    def _tell(self, last: Step) -> None:
        if said := self._did():  # before a command of yours may take its time
            click.echo(f"{said}; {outlook.line(self.db, self.config)}")
        now = situation.look(self.db, self.config)
        found = watch.alerts(self.db, self.config, now, self.problems)
        judged = watch.KINDS - ({"key"} if self._asked_nothing() else set())
        alarm.tell(self.db, found, judged, self.config.alert_cmd)
        if sys.stdout.isatty():  # cron has heard enough
            self._say_why_no_more(last)

    def _say_why_no_more(self, last: Step) -> None:
        if not states.counts(self.db):
            click.echo("no pages yet. Next: make discover")
        elif last.do == "done":
            click.echo("nothing is left to do. Next: make status")
        elif last.do == "wait":
            until = "a batch ends"
            if last.again is not None:
                until = f"{-(-last.again.total_seconds() // 60):.0f} min have passed"
            click.echo(f"no more is sent until {until}: {plan.IN_WORDS[last.why]}")

    def _asked_nothing(self) -> bool:
        """Whether the API was not reached, so that nothing is known of the key."""
        return any(problem.kind in _EVERYWHERE for problem in self.problems)

    def _did(self) -> str:
        parts = []
        if self.completed or self.failed:
            parts.append(f"fetched {self.completed:,} completed, {self.failed:,} failed")
        if self.drawn:
            parts.append(f"rendered {self.drawn:,}")
        if self.batches:
            parts.append(f"submitted {self.pages:,} pages in {_count(self.batches, 'batch')}")
        return ", ".join(parts)


def _mends_itself(problem: StepProblem) -> bool:
    return problem.waits or problem.kind in _ROOM


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'es' * (number != 1)}"


def _stopped(next_step: Step, now: Situation, config: Settings) -> Problem:
    """The one line for what only a person changes."""
    tried = now.state.trial
    match next_step.why:
        case "trial_failed":
            return Problem(
                "batch-run",
                f"{tried.failed} of the first {tried.failed + tried.completed} pages failed with"
                " this model, prompt and settings, so no more are sent",
                "Look at make status; change what is wrong, or go on: make batch-run SURE=1",
            )
        case "usd":
            return Problem(
                "MAX_USD",
                "the next page may cost more than it allows; nothing was sent",
                "Give a larger MAX_USD, or a lower MAX_OUTPUT_TOKENS",
            )
        case "disk":
            return Problem(
                _free(config.data_root, now.state.disk_free),
                "has too little room for more pages",
                "Make room, and run the command again; nothing is lost",
            )
    return Problem(
        "MAX_ENQUEUED_TOKENS",
        f"{now.limits.tokens:,} leaves no room for one page of {now.page.tokens:,} tokens",
        "Give a larger one, or set GEMINI_TIER alone",
    )


def _free(folder: Path, bytes_free: int) -> str:
    return f"{folder} ({bytes_free / 1e6:,.0f} MB free)"


if __name__ == "__main__":
    main()
