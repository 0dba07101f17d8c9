"""The settings of a comparison, by letter: A="" B="GEMINI_THINKING=low WAY=realtime".

Each letter's words are read as a shell reads them, and what they leave out is as it is set. Once a
comparison has begun, its own file says what each letter means, and nothing else does.
"""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from flowsheets import settings
from flowsheets.errors import Problem
from flowsheets.money import prices
from flowsheets.page.request import identity
from flowsheets.settings import Settings

LETTERS = "ABCDEFGH"
WAY = "WAY"
# Name of a setting that changes the request -> its field in `Settings`.
FIELDS = {
    "GEMINI_MODEL": "model",
    "GEMINI_THINKING": "thinking",
    "GEMINI_MEDIA_RESOLUTION": "media_resolution",
    "MAX_OUTPUT_TOKENS": "max_output_tokens",
    "GEMINI_ANSWER": "answer",
    "PAGE_ENCODING": "page_encoding",
}
NAMES = (*FIELDS, WAY)


@dataclass(frozen=True)
class Setting:
    """What a letter stands for: the words it was given, all settings with them, and the mode."""

    letter: str
    given: dict[str, str]  # name -> value
    config: Settings
    mode: str
    request: str  # its digest, with the prompt in it; see `request.identity`

    @property
    def facts(self) -> dict[str, Any]:
        """All that tells it from another letter; as the comparison's file has it."""
        own = {field: getattr(self.config, field) for field in FIELDS.values()}
        return {**own, "mode": self.mode, "request": self.request}

    def __str__(self) -> str:
        return " ".join(f"{name}={shlex.quote(value)}" for name, value in self.given.items())


def read(words: Iterable[str]) -> list[Setting]:
    """The settings of the `A=…` that were given, in the order of the letters; [] without any.

    Raises `Problem` for a word that makes no sense, and for letters that cannot be compared.
    """
    given: dict[str, dict[str, str]] = {}
    for word in words:
        letter, _, text = word.partition("=")
        if letter not in LETTERS or len(letter) != 1:
            raise Problem("compare", f"{letter!r} is not a letter from A to H", 'Give A="" B="…"')
        given[letter] = _names(letter, text)
    if not given:
        return []
    if "A" not in given:
        raise Problem("A", "is missing, and the others are compared with it", 'Give A="" as well')
    if len(given) < 2:
        raise Problem("A", "is alone", 'Give B="GEMINI_THINKING=low", say, or no letter')
    found = [_setting(letter, names) for letter, names in sorted(given.items())]
    for number, one in enumerate(found):
        for other in found[:number]:
            if one.facts == other.facts:
                raise Problem(one.letter, f"is the same as {other.letter}", "Change one of them")
    return found


def stated(facts: dict[str, Any], config: Settings) -> Setting:
    """The setting that a comparison's file has: {letter, given, and its `facts`}.

    Raises `KeyError` where one of these is missing. Older ones do not name the page's encoding,
    which is in the digest of the request all the same.
    """
    facts = {"page_encoding": "png", **facts}
    own = {field: facts[field] for field in FIELDS.values()}
    names = ("letter", "given", "mode", "request")
    letter, given, mode, request = (facts[name] for name in names)
    return Setting(letter, given, replace(config, **own), mode, request)


def _names(letter: str, text: str) -> dict[str, str]:
    """The names and values of one letter. Raises `Problem`."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Problem(letter, f"{_shown(text)}: {error}", "Close the quote") from error
    found: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise Problem(
                letter, f"{_shown(word)} is not NAME=VALUE", f'Give {letter}="NAME=VALUE"'
            )
        if name not in NAMES:
            *others, last = NAMES
            known = f"{', '.join(others)} or {last}"
            raise Problem(letter, f"{_shown(name)} changes no request", f"Give {known}")
        if name in found:
            raise Problem(letter, f"{name} is there twice", "Give it once")
        found[name] = value
    return found


def _setting(letter: str, given: dict[str, str]) -> Setting:
    mode = given.get(WAY, "").strip().lower() or "batch"
    if mode not in prices.MODES:
        known = "batch, realtime or flex"
        raise Problem(f"{letter}: {WAY}", f"{_shown(given[WAY])} is unknown", f"Give {known}")
    try:
        config = settings.load({name: given[name] for name in given if name != WAY})
    except Problem as problem:
        where, what, fix = problem.told
        raise Problem(f"{letter}: {where}", what, fix) from problem
    if not re.fullmatch(r"[\w.-]{1,100}", config.model, re.ASCII):
        what = f"{_shown(config.model)} is not a model's name"
        raise Problem(f"{letter}: GEMINI_MODEL", what, "Give one as Google writes it")
    return Setting(letter, given, config, mode, identity(config)["request"])


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}...")
