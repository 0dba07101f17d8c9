"""Errors for people: one clear line `Error: WHERE: WHAT. FIX` on stderr, exit 1, no traceback."""

import errno
import re
import sqlite3
from typing import Any

import click

# `.recover` is a word of SQLite's command line.
MEND_JOBS_DB = (
    "Put a copy of it back, or what sqlite3's .recover makes of it; make batch-fetch then brings"
    " it up to date"
)


class Problem(click.ClickException):
    """Something a person must act on; click prints it as `Error: WHERE: WHAT. FIX`."""

    def __init__(self, where: object, what: str, fix: str) -> None:
        one_line = " ".join(f"{where}: {what.rstrip('. ')}. {fix}".split())
        super().__init__(one_line)
        self.told = (str(where), what, fix)

    def __reduce__(self) -> tuple[type["Problem"], tuple[str, str, str]]:
        """So that a worker process's problem reaches its parent as it is."""
        return Problem, self.told


# As shells have it for SIGINT: 128 and its number.
INTERRUPTED = 130


class Command(click.Command):
    """A command of which an error of the disk or of the database is one clear line as well.

    A real bug keeps its traceback: a wrong statement of SQL, or an OSError without a number, which
    does not come from the system.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted; the next run goes on from here", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:  # the reader of the output has seen enough; click ends quietly
            raise
        except OSError as error:
            if error.errno is None:
                raise
            where = error.filename if error.filename is not None else ctx.info_name
            what = error.strerror or str(error)
            raise Problem(where, what, _fix(error.errno)) from error
        except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
            raise
        except sqlite3.DatabaseError as error:
            raise of_database(error) from error


def of_database(error: sqlite3.DatabaseError) -> Problem:
    """The one line for a jobs.db that is full, locked for long, read-only or damaged inside."""
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return Problem(
            "jobs.db",
            "is in use by another program, which does not end",
            "Close it, and run the command again; nothing is lost",
        )
    if isinstance(error, sqlite3.OperationalError):
        return Problem("jobs.db", str(error), "Run the command again; nothing is lost")
    return Problem("jobs.db", str(error), MEND_JOBS_DB)


def _fix(number: int) -> str:
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "Make room, and run the command again; nothing is lost"
    return "Look at the file and its folder, and run the command again; nothing is lost"


def raise_all(problems: list[Problem]) -> None:
    """A line for each of the problems of a run that went on; the last one ends the command."""
    for problem in problems[:-1]:
        problem.show()
    if problems:
        raise problems[-1]


class Count(click.ParamType[int | None]):
    """An option that takes a whole number above 0; anything else is a `Problem` that names it.

    Up to nine digits: more does not count anything here, and from 19 on does not fit SQLite. The
    empty string is what Make passes on where a person gave nothing: the default then.
    """

    name = "count"

    def __init__(self, variable: str, default: int | None = None) -> None:
        self.variable = variable
        self.default = default

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        text = str(value).strip()
        if not text:
            return self.default
        if not re.fullmatch("0*[1-9][0-9]{0,8}", text):
            shown = text if len(text) <= 40 else f"{text[:40]}..."
            raise Problem(
                self.variable,
                f"{shown!r} is not a whole number from 1 to 999999999",
                f"Give {self.variable}=10",
            )
        return int(text)


class Switch(click.ParamType[bool]):
    """An option that takes 1, or 0 or nothing; anything else is a `Problem` that names it."""

    name = "switch"

    def __init__(self, variable: str) -> None:
        self.variable = variable

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> bool:
        text = str(value).strip()
        if text not in ("", "0", "1"):
            shown = text if len(text) <= 40 else f"{text[:40]}..."
            raise Problem(self.variable, f"{shown!r} is not 0 or 1", f"Give {self.variable}=1")
        return text == "1"


class OneOf(click.Choice[str]):
    """An option that takes one of some words; anything else is a `Problem` that names it.

    The empty string, which Make passes on where you gave nothing, is taken as well.
    """

    def __init__(self, variable: str, *words: str) -> None:
        super().__init__(("", *words), case_sensitive=False)
        self.variable = variable

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return super().convert(str(value).strip(), param, ctx)
        except click.BadParameter as error:
            known = ", ".join(self.choices[1:])
            raise Problem(
                self.variable, f"{value!r} is unknown", f"Give {known}, or none"
            ) from error


def warn(line: str) -> None:
    """One warning line on stderr; the run goes on."""
    click.echo(f"Warning: {line}", err=True)
