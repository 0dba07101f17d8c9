"""The settings: environment first, then `.env` at the top of the project, then the default."""

import os
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from dotenv import load_dotenv

from flowsheets.errors import Problem

TOP = Path(__file__).resolve().parents[2]  # where the Makefile and .env are
MEDIA_RESOLUTIONS = ("low", "medium", "high", "ultra_high")
CACHES = ("auto", "off")


@dataclass(frozen=True)
class Settings:
    """Every setting but the key and the API's address, which `gemini` alone reads.

    Folders are absolute paths. `submit_grace` is in seconds, `max_usd` in dollars (None: no limit),
    the other numbers are counts.
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


def load() -> Settings:
    """Read the settings. Raises `Problem` for a value that makes no sense."""
    _load_dotenv()
    resolution = _text("GEMINI_MEDIA_RESOLUTION", "high").lower()
    if resolution not in MEDIA_RESOLUTIONS:
        raise Problem(
            "GEMINI_MEDIA_RESOLUTION",
            f"{resolution!r} is unknown",
            f"Give one of {', '.join(MEDIA_RESOLUTIONS)}",
        )
    cache = _text("GEMINI_CACHE", "auto").lower()
    if cache not in CACHES:
        raise Problem("GEMINI_CACHE", f"{cache!r} is unknown", "Give auto or off")
    return Settings(
        model=_text("GEMINI_MODEL", "gemini-3.1-pro-preview").removeprefix("models/"),
        media_resolution=resolution,
        scans_root=_folder("SCANS_ROOT", "scans"),
        data_root=_folder("DATA_ROOT", "."),
        render_concurrency=_number("RENDER_CONCURRENCY", 4, least=1),
        process_concurrency=_number("PROCESS_CONCURRENCY", 4, least=1),
        max_attempts=_number("MAX_ATTEMPTS", 3, least=1),
        submit_grace=_number("SUBMIT_GRACE", 300, least=0),
        batch_pages=_number("BATCH_PAGES", 1000, least=1),
        max_usd=_dollars("MAX_USD"),
        cache=cache,
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
    return key


def _load_dotenv() -> None:
    load_dotenv(TOP / ".env", override=False)


def _text(name: str, default: str) -> str:
    return os.environ.get(name, "").strip() or default


def _folder(name: str, default: str) -> Path:
    """An absolute path, so that paths in jobs.db are absolute; `~` is your home folder."""
    text = _text(name, default)
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise Problem(name, f"{text!r}: {error}", "Give the folder's whole path") from error


def _number(name: str, default: int, least: int) -> int:
    text = _text(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= least):
        raise Problem(
            name, f"{text!r} is no whole number of {least} or more", f"Give {name}={default}"
        )
    return int(text)


def _dollars(name: str) -> Decimal | None:
    text = _text(name, "")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or not Decimal(text):
        raise Problem(name, f"{text!r} is no amount of dollars above 0", f"Give {name}=5.00")
    return Decimal(text)
