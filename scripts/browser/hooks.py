"""Datasette's hooks: our own addresses, links in its tables, and who may load what."""

import calendar
import re
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pluggy
from datasette import NotFound, Response
from datasette.utils import tilde_encode
from markupsafe import Markup

from browser import bounds, front, search, served, sheet, table
from flowsheets import settings
from flowsheets.errors import Problem
from flowsheets.index.reviews import REASONS
from flowsheets.page.verified import DRAFT

hookimpl = pluggy.HookimplMarker("datasette")
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Our pages run our own scripts alone; Datasette's bring theirs along inside the page. Neither may
# load anything from, or send anything to, another machine.
OURS = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
DATASETTES = (
    f"{OURS}; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'"
    "; img-src 'self' data:"
)
# Another site can have its name point at this machine; it then asks for that name.
HOSTS = ("127.0.0.1", "localhost", "[::1]")
OUR_PATHS = ("/page/", "/scan/", "/search", "/check", "/month/")
THREADS = 3  # Datasette's own number


@hookimpl
def register_routes() -> list[tuple[str, Any]]:
    """Our own addresses; they win over Datasette's."""
    return [
        (r"^/$", _front),
        (r"^/month/(?P<month>[0-9]{4}-(0[1-9]|1[0-2])|unknown)$", _month),
        (r"^/check$", _check),
        (r"^/search$", _search),
        (r"^/page/(?P<page>.+)$", _page),
        (r"^/scan/(?P<page>.+)\.png$", _scan),
    ]


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    """Bounds for each connection of Datasette's."""
    bounds.set_limits(conn)


@hookimpl
def extra_template_vars() -> dict[str, Any]:
    """What the templates call."""
    return {
        "page_url": page_url,
        "entry_url": entry_url,
        "record_url": lambda page: f"/flowsheets/pages/{tilde_encode(page)}",
        "scan_url": lambda page: f"/scan/{quote(page)}.png",
        "verified_in_words": _verified_in_words,
        "reason_in_words": lambda reason: REASONS.get(reason, reason.replace("_", " ")),
    }


@hookimpl
def render_cell(row: Any, value: Any, column: str, table: str | None) -> Markup | None:
    """In Datasette's tables, a page and an entry link to the scan and its transcription."""
    if table is None or value is None:  # in a query of your own, such a name may be anything
        return None
    there = row.keys()  # columns may have been picked
    entry = row["entry"] if "entry" in there else None
    if column in ("entry", "continues"):
        url = entry_url(_plain(value))
    elif column in ("page", "page_number") and (entry or "page" in there):
        url = entry_url(_plain(entry)) if entry else page_url(_plain(row["page"]))
    else:
        return None
    return Markup('<a href="{}">{}</a>').format(url, _plain(value))


@hookimpl
def asgi_wrapper(datasette: Any) -> Callable[[Any], Any]:
    """Other sites kept out, headers on every response, an index that was built again noticed."""

    def wrap(app: Any) -> Any:
        index = Path(datasette.get_database("flowsheets").path)
        seen = served.file_id(index)

        async def wrapped(scope: dict[str, Any], receive: Any, send: Send) -> None:
            nonlocal seen
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            send = _with_headers(_without_formulas(send, scope), scope["path"])
            if refusal := _refusal(scope, index):
                await refusal.asgi_send(send)
                return
            if (now := served.file_id(index)) != seen:
                # Each of Datasette's threads keeps its connection, and so the deleted file, open.
                datasette.executor.shutdown(wait=False)
                datasette.executor = ThreadPoolExecutor(THREADS)
                seen = now
            await app(scope, receive, send)

        return wrapped

    return wrap


def _refusal(scope: dict[str, Any], index: Path) -> Any:
    """The response to a request that is not let through, or None."""
    if not _asks_for_this_machine(scope):
        said = "This server answers to this machine's own name alone: http://127.0.0.1"
        return Response.text(said, status=421)
    if _is_sent_by_another_site(scope):
        said = "Another site's page may not ask for this. Open it from http://127.0.0.1"
        return Response.text(said, status=403)
    try:
        served.check(index)
    except Problem as problem:
        return Response.text(problem.message, status=503)
    return None


def _asks_for_this_machine(scope: dict[str, Any]) -> bool:
    host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    return re.sub(r":[0-9]*$", "", host).lower() in HOSTS


def _is_sent_by_another_site(scope: dict[str, Any]) -> bool:
    """Whether a browser sends this for another site's page, other than to open a page of ours.

    A link may lead a person to a page. Anything else, a query in an image's address say, would let
    any page on the web hold this server. Source: Fetch Metadata, W3C; curl sends no such header.
    """
    headers = dict(scope["headers"])
    if headers.get(b"sec-fetch-site", b"none") in (b"none", b"same-origin"):
        return False
    opens = (headers.get(b"sec-fetch-mode"), headers.get(b"sec-fetch-dest"))
    return not (opens == (b"navigate", b"document") and _is_ours(scope["path"]))


def _is_ours(path: str) -> bool:
    return path == "/" or path.startswith(OUR_PATHS)


def _without_formulas(send: Send, scope: dict[str, Any]) -> Send:
    is_csv = False

    async def guarding_send(message: dict[str, Any]) -> None:
        nonlocal is_csv
        if message["type"] == "http.response.start":
            is_csv = table.is_csv(scope, message)
        elif is_csv and message.get("body"):
            message = message | {"body": table.guarded(message["body"])}
        await send(message)

    return guarding_send


def _with_headers(send: Send, path: str) -> Send:
    policy = OURS if _is_ours(path) else DATASETTES
    headers = [
        (b"content-security-policy", policy.encode()),
        (b"referrer-policy", b"same-origin"),
        (b"x-content-type-options", b"nosniff"),
    ]

    async def send_with_headers(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *headers]
        await send(message)

    return send_with_headers


def page_url(page: str) -> str:
    """The address of a page beside its scan."""
    return f"/page/{quote(page)}"


def entry_url(entry: str) -> str:
    """The address of an entry on its page."""
    page, position, row = entry.rsplit("/", 2)
    return f"{page_url(page)}#{quote(sheet.anchor(position, row))}"


def _verified_in_words(row: dict[str, Any]) -> str:
    """`Verified by Ada on 2026-03-01`, as far as it is known."""
    by = f" by {row['verified_by']}" if row["verified_by"] else " by a person"
    on = f" on {row['verified_at'][:10]}" if row["verified_at"] else ""
    return f"{'Draft' if row['verified'] == DRAFT else 'Verified'}{by}{on}"


def _plain(value: Any) -> str:
    """Datasette gives a foreign key as a dict, with its label."""
    return str(value["value"] if isinstance(value, dict) else value)


async def _front(datasette: Any, request: Any) -> Any:
    found = await front.glance(datasette.get_database("flowsheets"), settings.load().data_root)
    return await _html(datasette, request, "front.html", found)


async def _month(datasette: Any, request: Any) -> Any:
    month = request.url_vars["month"]
    pages = await front.month(datasette.get_database("flowsheets"), month)
    title = "an unknown month"
    if month != "unknown":
        year, number = map(int, month.split("-"))
        title = f"{calendar.month_name[number]} {year}"
    return await _html(datasette, request, "month.html", {"title": title, "pages": pages})


async def _check(datasette: Any, request: Any) -> Any:
    found = await front.to_check(datasette.get_database("flowsheets"))
    return await _html(datasette, request, "check.html", {"reasons": found})


async def _search(datasette: Any, request: Any) -> Any:
    wanted = search.Wanted.of(request.args)
    found = await search.found(datasette.get_database("flowsheets"), wanted)
    return await _html(datasette, request, "search.html", {"wanted": wanted, "found": found})


async def _page(datasette: Any, request: Any) -> Any:
    name = unquote(request.url_vars["page"])
    found = await sheet.read(datasette.get_database("flowsheets"), settings.load().data_root, name)
    if found is None:
        raise NotFound(f"No page {name}")
    return await _html(datasette, request, "sheet.html", found)


async def _scan(datasette: Any, request: Any) -> Any:
    """The PNG of a page that is in the database: its name alone makes no path."""
    name = unquote(request.url_vars["page"])
    path = await sheet.image(datasette.get_database("flowsheets"), settings.load().data_root, name)
    if path is None:
        raise NotFound(f"No scan of {name}")
    status = path.stat()
    tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
    headers = {"etag": tag, "cache-control": "private, no-cache"}  # checked, rarely sent again
    if request.headers.get("if-none-match") == tag:
        return Response("", status=304, headers=headers)
    return Response(path.read_bytes(), headers=headers, content_type="image/png")


async def _html(datasette: Any, request: Any, template: str, context: dict[str, Any]) -> Any:
    return Response.html(await datasette.render_template(template, context, request=request))
