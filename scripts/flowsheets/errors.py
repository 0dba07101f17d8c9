"""Errors for people: one clear line `Error: WHERE: WHAT. FIX` on stderr, exit 1, no traceback."""

import click


class Problem(click.ClickException):
    """Something a person must act on; click prints it as `Error: WHERE: WHAT. FIX`."""

    def __init__(self, where: object, what: str, fix: str) -> None:
        one_line = " ".join(f"{where}: {what.rstrip('. ')}. {fix}".split())
        super().__init__(one_line)
        self._told = (str(where), what, fix)

    def __reduce__(self) -> tuple[type["Problem"], tuple[str, str, str]]:
        """So that a worker process's problem reaches its parent as it is."""
        return Problem, self._told


def raise_all(problems: list[Problem]) -> None:
    """A line for each of the problems of a run that went on; the last one ends the command."""
    for problem in problems[:-1]:
        problem.show()
    if problems:
        raise problems[-1]


class Count(click.ParamType[int | None]):
    """An option that takes a whole number above 0; anything else is a `Problem` that names it.

    The empty string is what Make passes on where a person gave nothing: the default then.
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
        # isascii too: "²".isdigit() is true and int("²") fails.
        if not (text.isascii() and text.isdigit() and int(text) > 0):
            raise Problem(
                self.variable, f"{text!r} is no whole number above 0", f"Give {self.variable}=10"
            )
        return int(text)


def warn(line: str) -> None:
    """One warning line on stderr; the run goes on."""
    click.echo(f"Warning: {line}", err=True)
