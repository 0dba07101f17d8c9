"""A page in the hands of a person: what the page view needs to correct it, and the one POST.

Only `make browse REVIEWER="your name"` loads this. A save is let through with the token that this
process gave to its own pages, and from them alone (Origin, Fetch Metadata); the wrapper in `hooks`
has kept other machines' names out before. Nothing else of Datasette becomes writable.
"""

import asyncio
import hashlib
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote

import orjson
import pluggy
from datasette import NotFound, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from browser import desk, front, hooks, sheet
from browser.front import rows
from flowsheets import display, settings
from flowsheets.errors import Problem
from flowsheets.index import saves, tables, update
from flowsheets.index.saves import Opened, Stale, Unfit, Wanted
from flowsheets.jobs import database
from flowsheets.page import shapes
from flowsheets.page.schema import POSITIONS, Position
from flowsheets.page.shapes import KeptPage
from flowsheets.page.verified import NAME_LETTERS
from flowsheets.paths import PageId

hookimpl = pluggy.HookimplMarker("datasette")

BODY_BYTES = 4_000_000  # of a save; a page has some 20,000
FARTHEST_ROW = 2**31  # a printed row's number, either way: what was on the page may stay
PATIENCE = 1.0  # seconds that the response waits for the index, which then goes on by itself
SAVES = "/save/"
NO_PAGE = "This is not a page that can be saved"


class Sent(BaseModel):
    """The body of a save: the whole page, and the version that it was made from."""

    model_config = ConfigDict(extra="forbid")
    version: str = Field(max_length=100)
    page: KeptPage
    checked: list[Position] = Field(max_length=len(POSITIONS))
    mark: Literal["draft", "complete"] | None


class Editing:
    """Datasette's hooks for one person's session."""

    __name__ = "editing"  # as Datasette lists a plugin, which is a module elsewhere

    def __init__(self, reviewer: str) -> None:
        self.reviewer = reviewer
        self.token = secrets.token_urlsafe(32)
        self.indexer = ThreadPoolExecutor(1)  # one page after the other

    @hookimpl(tryfirst=True)
    def register_routes(self) -> list[tuple[str, Any]]:
        """The page view with editing, before the one without, and the save."""
        return [
            (r"^/check$", self._check),
            (r"^/page/(?P<page>.+)$", self._page),
            (rf"^{SAVES}(?P<page>.+)$", self._save),
        ]

    @hookimpl
    def skip_csrf(self, scope: dict[str, Any]) -> bool:
        """A save has a token of its own."""
        return bool(scope["type"] == "http" and scope["path"].startswith(SAVES))

    async def _check(self, datasette: Any, request: Any) -> Any:
        db = datasette.get_database("flowsheets")
        found = {"reasons": await front.to_check(db), "by_gain": await front.by_gain(db)}
        return await hooks._html(datasette, request, "check.html", found)

    async def _page(self, datasette: Any, request: Any) -> Any:
        name = unquote(request.url_vars["page"])
        db, data_root = datasette.get_database("flowsheets"), settings.load().data_root
        found = await sheet.read(db, data_root, name)
        if found is None:
            raise NotFound(f"No page {name}")
        page = PageId(found["page"]["pdf_path"], found["page"]["page_number"])
        try:
            opened = await asyncio.to_thread(_open, data_root, page)
        except Problem as problem:
            return Response.text(_said(problem), status=503)
        shown = found | {
            "opened": opened,
            "reviewer": self.reviewer,
            "to_check": await next_to_check(db, name),
        }
        given = {
            "url": f"{SAVES}{quote(name)}",
            "token": self.token,
            "store": f"{_short(str(data_root.resolve()))}/{name}",
            "scan": f"/scan/{quote(name)}.png" if found["image"] else None,
            "blocks": {block["position"]: block["title"] for block in found["blocks"]}
            or sheet.IN_WORDS,
            "places": await sheet.places(db, name),
            "opened": desk.as_shown(opened),
            "second": desk.second_in_words(found["second"]["of_row"]),
            "elsewhere": desk.elsewhere_in_words(found["second"]),
            "next": shown["to_check"] and hooks.page_url(shown["to_check"]),
        }
        return await hooks._html(
            datasette, request, "edit.html", shown | {"desk": desk.in_html(given)}
        )

    async def _save(self, datasette: Any, request: Any) -> Any:
        if refusal := self._refusal(request):
            return refusal
        name = unquote(request.url_vars["page"])
        db, config = datasette.get_database("flowsheets"), settings.load()
        found = await rows(
            db, "SELECT pdf_path, page_number FROM pages WHERE page = :p", {"p": name}
        )
        if not found:
            return _error(404, f"No page {display.shortened(name, 200)}")
        page = PageId(**found[0])
        try:
            sent = _read(await _body(request))
        except ValueError as error:
            return _error(413 if isinstance(error, TooLarge) else 400, f"{NO_PAGE}: {error}")
        try:
            opened = await asyncio.to_thread(self._write, config.data_root, page, sent)
        except Unfit as error:
            return _error(400, f"{NO_PAGE}: {error}")
        except Stale as stale:
            who = stale.opened.by or "another person"
            said = f"{who} saved this page meanwhile; nothing of it was overwritten."
            return _json(409, {"error": said, "opened": desk.as_shown(stale.opened)})
        except Problem as problem:
            return _error(507 if "cannot be written" in problem.message else 503, _said(problem))
        note = await self._index(config, page)
        following = await next_to_check(db, name)
        return _json(
            200,
            {
                "version": opened.version,
                "status": opened.status,
                "checked": opened.checked,
                "by": opened.by,
                "at": opened.at,
                "note": note,
                "next": following and hooks.page_url(following),
            },
        )

    def _write(self, data_root: Path, page: PageId, sent: Sent) -> Opened:
        checked = tuple(p for p in POSITIONS if p in sent.checked)
        wanted = Wanted(sent.version, sent.page, checked, sent.mark)
        with closing(database.connect(data_root, database.QUIET_SECONDS)) as jobs_db:
            return saves.save(data_root, jobs_db, page, wanted, self.reviewer)

    async def _index(self, config: Any, page: PageId) -> str | None:
        """Bring the index up to date for the page; a word where that did not succeed in time."""
        done = asyncio.wrap_future(self.indexer.submit(_index, config, page))
        try:
            return await asyncio.wait_for(asyncio.shield(done), PATIENCE)
        except TimeoutError:
            return None  # it goes on by itself

    def _refusal(self, request: Any) -> Any:
        """The response to a request that no page of this process sent, or None."""
        if request.method != "POST":
            return _error(405, "A page is saved by a POST")
        headers = request.headers
        if headers.get("origin") != f"http://{headers.get('host', '')}":
            return _error(403, "A page is saved from its own address alone")
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return _error(403, "A page is saved from its own address alone")
        token = headers.get("x-flowsheets-token", "")
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode()):
            said = "make browse was started again since this page was loaded. Load the page again"
            return _error(403, said)
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _error(415, "A page is saved as application/json")
        return None


class TooLarge(ValueError):
    """A body beyond `BODY_BYTES`."""


def reviewer(name: str) -> str | None:
    """The name as it is kept: one line of letters; None where none was given.

    Raises `Problem` where nothing of it can be shown, or where it is too long.
    """
    if not name:
        return None
    fix = 'Give your name: make browse REVIEWER="Ada L."'
    shown = display.plain(name)
    if not shown:
        raise Problem("REVIEWER", "is blank", fix)
    if len(shown) > NAME_LETTERS:
        raise Problem("REVIEWER", f"has {len(shown):,} letters, more than {NAME_LETTERS}", fix)
    return shown


async def next_to_check(db: Any, name: str) -> str | None:
    """The page to go on with: the next with a text on the list of make review after this one."""
    after = (
        "(g.gain, -r.rank) < (SELECT o.gain, -min(s.rank) FROM gains o JOIN reviews s"
        " ON s.page = o.page WHERE o.page = :page)"
    )
    found = await rows(
        db,
        "SELECT g.page FROM gains g"
        " JOIN (SELECT page, min(rank) AS rank FROM reviews GROUP BY page) r ON r.page = g.page"
        " JOIN pages p ON p.page = g.page WHERE g.page <> :page AND p.entry_count IS NOT NULL"
        f" ORDER BY coalesce({after}, 1) DESC, g.gain DESC, r.rank LIMIT 1",
        {"page": name},
    )
    return str(found[0]["page"]) if found else None


def _open(data_root: Path, page: PageId) -> Opened:
    with closing(database.connect(data_root, database.QUIET_SECONDS)) as jobs_db:
        return saves.open_page(data_root, jobs_db, page)


def _index(config: Any, page: PageId) -> str | None:
    try:
        with (
            closing(database.connect(config.data_root, database.QUIET_SECONDS)) as jobs_db,
            tables.writing(config.data_root) as db,
        ):
            update.update_page(config, jobs_db, db, page)
    except Problem as problem:
        return f"Saved; search and review do not show it yet. {_said(problem)}"
    return None


def _said(problem: Problem) -> str:
    """A problem's line for who is not at a terminal."""
    return problem.message.replace("run the command again", "try again")


async def _body(request: Any) -> bytes:
    body = bytearray()
    while True:
        message = await request.receive()
        if message["type"] != "http.request":
            raise ValueError("the connection ended")
        body += message.get("body", b"")
        if len(body) > BODY_BYTES:
            raise TooLarge(f"it has more than {BODY_BYTES:,} bytes")
        if not message.get("more_body", False):
            return bytes(body)


def _read(body: bytes) -> Sent:
    """Raises `ValueError` with one line."""
    try:
        sent = Sent.model_validate_json(shapes.mended(body))
    except ValidationError as error:
        raise ValueError(display.shortened(shapes.why(error), 300)) from error
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    for quadrant in sent.page.quadrants:
        quadrant.entries.sort(key=lambda entry: entry.row_index)
        for entry in quadrant.entries:
            if abs(entry.row_index) > FARTHEST_ROW:
                raise ValueError(f"no form has a row {display.shortened(str(entry.row_index), 20)}")
    return sent


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]


def _json(status: int, content: Any) -> Any:
    headers = {"cache-control": "no-store"}
    body = orjson.dumps(content, default=list).decode()
    return Response(body, status=status, headers=headers, content_type="application/json")


def _error(status: int, said: str) -> Any:
    return _json(status, {"error": said})
