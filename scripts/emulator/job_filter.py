"""The filter of a listing of jobs: a part of AIP-160, as far as it is documented for Vertex.

displayName="flowsheets-1"   !=   displayName:"flow*"   state="JOB_STATE_FAILED"
createTime>="2026-11-25T00:00:00Z"   labels.station="kfjc"   labels.station:*
NOT a AND (b OR c)           OR binds more closely than AND, as AIP-160 has it
"""

import re
from collections.abc import Callable
from fnmatch import translate
from typing import Any

from emulator.errors import ApiError, invalid

Shown = dict[str, Any]  # a job as it goes out
Test = Callable[[Shown], bool]

TOKEN = re.compile(
    r"""\s*(?:(?P<sign>!=|<=|>=|[=<>:()])|"(?P<quoted>(?:\\.|[^"\\])*)"|'(?P<single>[^']*)'"""
    r"""|(?P<word>-|[^\s"'()=<>:!]+))"""
)
FIELDS = {
    "displayName": ("=", "!=", ":"),
    "state": ("=", "!="),
    "createTime": ("=", "!=", "<", "<=", ">", ">="),
    "modelDisplayName": ("=", "!="),  # a published model has none
}


def wanted(text: str) -> Test:
    """The test that a filter makes of a job. Raises ApiError 400."""
    if not text.strip():
        return lambda _: True
    reader = _Reader(text)
    test = reader.all_of()
    if reader.tokens:
        raise _wrong(text)
    return test


def _wrong(text: str) -> ApiError:
    return invalid(f"Invalid filter: {text}")


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []  # (kind, text)
        at = 0
        text = text.rstrip()
        while at < len(text):
            found = TOKEN.match(text, at)
            if not found:
                raise _wrong(text)
            kind = str(found.lastgroup)
            self.tokens.append(("text" if kind in ("quoted", "single") else kind, found[kind]))
            at = found.end()

    def all_of(self) -> Test:
        tests = [self._any_of()]
        while self.tokens and self.tokens[0] != ("sign", ")"):
            self._skip("AND")  # two beside each other are an AND as well
            tests.append(self._any_of())
        return lambda job: all(test(job) for test in tests)

    def _any_of(self) -> Test:
        tests = [self._one()]
        while self._skip("OR"):
            tests.append(self._one())
        return lambda job: any(test(job) for test in tests)

    def _one(self) -> Test:
        if self._skip("NOT") or self._skip("-"):
            test = self._one()
            return lambda job: not test(job)
        kind, word = self._next()
        if (kind, word) == ("sign", "("):
            inner = self.all_of()
            if self._next() != ("sign", ")"):
                raise _wrong(self.text)
            return inner
        if kind != "word":
            raise _wrong(self.text)
        sign_kind, sign = self._next()
        value_kind, value = self._next()
        if sign_kind != "sign" or value_kind == "sign":
            raise _wrong(self.text)
        if value_kind == "text":
            value = re.sub(r"\\(.)", r"\1", value)
        return self._comparison(word, sign, value)

    def _comparison(self, word: str, sign: str, value: str) -> Test:
        if word.startswith("labels."):
            return _label(word.removeprefix("labels."), sign, value)
        name = re.sub(r"_([a-z])", lambda found: found[1].upper(), word)
        if sign not in FIELDS.get(name, ()):
            raise _wrong(self.text)
        if sign == ":":
            pattern = _pattern(value)
            return lambda job: pattern.match(job.get(name) or "") is not None
        compare = COMPARISONS[sign]
        if name.endswith("Time"):
            return lambda job: compare(_padded(job.get(name, "")), _padded(value))
        return lambda job: compare(job.get(name) or "", value)

    def _skip(self, word: str) -> bool:
        if self.tokens and self.tokens[0] == ("word", word):
            self.tokens.pop(0)
            return True
        return False

    def _next(self) -> tuple[str, str]:
        if not self.tokens:
            raise _wrong(self.text)
        return self.tokens.pop(0)


COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda held, value: held == value,
    "!=": lambda held, value: held != value,
    "<": lambda held, value: held < value,
    "<=": lambda held, value: held <= value,
    ">": lambda held, value: held > value,
    ">=": lambda held, value: held >= value,
}


def _label(name: str, sign: str, value: str) -> Test:
    if sign == ":" and value == "*":
        return lambda job: name in (job.get("labels") or {})
    if sign not in ("=", ":"):
        raise _wrong(f"labels.{name}{sign}")
    return lambda job: (job.get("labels") or {}).get(name) == value


def _pattern(value: str) -> re.Pattern[str]:
    """`*` stands for anything, every other sign for itself."""
    return re.compile(translate(re.sub(r"([\[\]?])", r"[\1]", value)))


def _padded(time: str) -> str:
    """A time with nine digits of a second, so that texts compare as times do."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    return f"{whole}.{fraction:0<9}"
