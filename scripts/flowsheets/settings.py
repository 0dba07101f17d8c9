"""The settings: environment first, then `.env` at the top of the project, then the default."""

import hashlib
import io
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from dotenv import dotenv_values

from flowsheets.errors import Problem, warn

TOP = Path(__file__).resolve().parents[2]  # where the Makefile and .env are
MEDIA_RESOLUTIONS = ("low", "medium", "high", "ultra_high")
CACHES = ("auto", "off")
PAGE_ENCODINGS = ("png", "webp")
TIERS = ("1", "2", "3")
THINKING = ("minimal", "low", "medium", "high")
ANSWERS = ("full", "lean")


@dataclass(frozen=True)
class Settings:
    """Every setting but the key and the API's address, which `gemini` alone reads.

    Folders are absolute. `submit_grace` is in seconds, `max_usd` in dollars (None: no limit),
    `max_output_tokens` in tokens of one response, the other numbers are counts. `thinking` is one
    of THINKING, or None for the model's own level; `answer` is one of ANSWERS.
    `max_enqueued_tokens` None: what the tier has.
    """

    model: str
    media_resolution: str
    scans_root: Path
    data_root: Path
    render_concurrency: int
    process_concurrency: int
    max_attempts: int
    submit_grace: int
    batch_pages: int
    max_usd: Decimal | None
    cache: str
    max_output_tokens: int
    thinking: str | None
    page_encoding: str = "png"
    tier: int = 1
    max_enqueued_tokens: int | None = None
    alert_cmd: str | None = None
    answer: str = "full"


@dataclass(frozen=True)
class Vertex:
    """Where Vertex AI is asked: `bucket` is `gs://bucket/prefix`, "" where none is set."""

    project: str
    location: str
    bucket: str


def load(given: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; those `given` win. Raises `Problem` for a value that makes no sense."""
    _load_dotenv()
    before = dict(os.environ)
    try:
        os.environ.update(given or {})
        return _read()
    finally:
        for name in given or ():
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]


def _read() -> Settings:
    return Settings(
        model=_text("GEMINI_MODEL", "gemini-3.1-pro-preview").removeprefix("models/"),
        media_resolution=_one_of("GEMINI_MEDIA_RESOLUTION", "high", MEDIA_RESOLUTIONS),
        scans_root=_folder("SCANS_ROOT", "scans"),
        data_root=_folder("DATA_ROOT", "."),
        render_concurrency=_number("RENDER_CONCURRENCY", 4, least=1),
        process_concurrency=_number("PROCESS_CONCURRENCY", 4, least=1),
        max_attempts=_number("MAX_ATTEMPTS", 3, least=1),
        submit_grace=_number("SUBMIT_GRACE", 300, least=0),
        batch_pages=_number("BATCH_PAGES", 1000, least=1),
        max_usd=_dollars("MAX_USD"),
        cache=_one_of("GEMINI_CACHE", "auto", CACHES),
        # A page takes 2,600 tokens, and thinking comes on top; the models' own ceiling is 65,536.
        max_output_tokens=_number("MAX_OUTPUT_TOKENS", 32_768, least=1),
        thinking=_one_of("GEMINI_THINKING", "", ("", *THINKING)) or None,
        page_encoding=_one_of("PAGE_ENCODING", "png", PAGE_ENCODINGS),
        tier=int(_one_of("GEMINI_TIER", "1", TIERS)),
        max_enqueued_tokens=_number("MAX_ENQUEUED_TOKENS", 0, least=0) or None,
        alert_cmd=os.environ.get("ALERT_CMD", "").strip() or None,
        answer=_one_of("GEMINI_ANSWER", "full", ANSWERS),
    )


def api_key() -> str:
    """The key of the Gemini Developer API. Raises `Problem` where there is none."""
    _load_dotenv()
    key = os.environ.get("GEMINI_API_KEY", "").strip()
    if not (key and key.isascii() and key.isprintable()):
        raise Problem(
            "GEMINI_API_KEY",
            "holds letters that no key has" if key else "is not set",
            "Put your key into .env, as .env.example shows",
        )
    if dotenv().get("GEMINI_API_KEY"):
        _warn_if_others_can_read(TOP / ".env")
    return key


def vertex() -> Vertex | None:
    """Vertex AI's settings where it is asked for; None: the Developer API. Raises `Problem`.

    What the flag does not ask for is not looked at: many machines have a project set.
    """
    _load_dotenv()
    older, newer = _switch("GOOGLE_GENAI_USE_VERTEXAI"), _switch("GOOGLE_GENAI_USE_ENTERPRISE")
    if None not in (older, newer) and older != newer:
        raise Problem(
            "GOOGLE_GENAI_USE_VERTEXAI",
            f"says {older}, and GOOGLE_GENAI_USE_ENTERPRISE, which means the same, {newer}",
            "Unset one of them",
        )
    if not (older or newer):
        return None
    return Vertex(
        project=_formed("GOOGLE_CLOUD_PROJECT", "", _PROJECT, "your project's id"),
        location=_formed("GOOGLE_CLOUD_LOCATION", "global", _LOCATION, "global, or a region"),
        bucket=_formed("BATCH_BUCKET", "-", _BUCKET, "gs://bucket/prefix")
        .removeprefix("-")
        .rstrip("/"),
    )


_PROJECT = r"[a-z0-9]([a-z0-9.:-]*[a-z0-9])?"
_LOCATION = r"[a-z]+(-[a-z0-9]+)*"
# The prefix stands in URIs, which no importer is to read otherwise.
_BUCKET = r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/[A-Za-z0-9._=-]+)*/?|-"
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def _switch(name: str) -> bool | None:
    """None where it is not set."""
    word = _text(name, "").lower()
    if word and word not in _YES + _NO:
        raise Problem(name, f"{word!r} is neither true nor false", f"Give {name}=true, or unset it")
    return word in _YES if word else None


def _formed(name: str, default: str, form: str, example: str) -> str:
    text = _text(name, default)
    if not re.fullmatch(form, text):
        what = f"{text!r} cannot be one" if text else "is not set, and Vertex AI is asked for"
        raise Problem(name, what, f"Give {example}")
    return text


def new_salt() -> str:
    """Random text that makes a fingerprint its own; it is not a secret."""
    return secrets.token_hex(8)


def key_fingerprint(salt: str) -> str:
    """Tells one API key from another, and does not tell the key: a salted digest, hex."""
    return hashlib.sha256(f"{salt}:{api_key()}".encode()).hexdigest()[:16]


def _load_dotenv() -> None:
    """Settings of `.env` that the environment does not have. Raises `Problem`.

    An empty GEMINI_API_KEY, as some CI systems and shells leave one, counts as none.
    """
    for name, value in dotenv().items():
        empty_key = name == "GEMINI_API_KEY" and not os.environ.get(name, "").strip()
        if value is not None and (empty_key or name not in os.environ):
            os.environ[name] = value


def dotenv() -> dict[str, str | None]:
    """What `.env` sets, {} without one. Raises `Problem` where it is not UTF-8 text."""
    path = TOP / ".env"
    if not path.is_file():
        return {}
    try:
        text = path.read_bytes().decode("utf-8-sig")  # some editors begin a file with a BOM
    except ValueError:
        text = "\0"
    if "\0" in text:  # as every second byte of UTF-16 without a BOM is
        raise Problem(path, "is not UTF-8 text", "Save it as UTF-8")
    return dotenv_values(stream=io.StringIO(text))


@cache  # one line a command
def _warn_if_others_can_read(path: Path) -> None:
    if path.stat().st_mode & 0o044:
        warn(f"{path} holds your key, and others on this machine can read it: chmod 600 {path}")


def _text(name: str, default: str) -> str:
    return os.environ.get(name, "").strip() or default


def _one_of(name: str, default: str, words: tuple[str, ...]) -> str:
    word = _text(name, default).lower()
    if word not in words:
        *others, last = filter(None, words)
        known = f"{', '.join(others)} or {last}"
        raise Problem(
            name, f"{word!r} is unknown", f"Give {known}" + (", or unset it" if "" in words else "")
        )
    return word


def _folder(name: str, default: str) -> Path:
    """An absolute path, so that paths in jobs.db are absolute; `~` is your home folder."""
    text = _text(name, default)
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise Problem(name, f"{text!r}: {error}", "Give the folder's whole path") from error


def _number(name: str, default: int, least: int) -> int:
    text = _text(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) >= least):
        raise Problem(
            name, f"{text!r} is not a whole number of {least} or more", f"Give {name}={default}"
        )
    return int(text)


def _dollars(name: str) -> Decimal | None:
    text = _text(name, "")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or not Decimal(text):
        raise Problem(name, f"{text!r} is not an amount of dollars above 0", f"Give {name}=5.00")
    return Decimal(text)
