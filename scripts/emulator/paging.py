"""Pages of a listing: pageSize and pageToken, newest first."""

import base64
import binascii
from typing import Any

from starlette.datastructures import QueryParams

from emulator.errors import invalid


def page(
    records: list[dict[str, Any]], params: QueryParams, default: int, most: int
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Cuts one page out of `records` (each with `createTime` in ns and `id`).

    Returns them and `{"nextPageToken": ...}`, empty on the last page. The token names the last
    record shown, not a position: what is made between two calls doubles and hides nothing.
    """
    size = params.get("pageSize") or params.get("page_size") or "0"
    token = params.get("pageToken") or params.get("page_token")
    if not size.isdigit():
        raise invalid("Invalid value for page_size.")
    count = min(int(size) or default, most)
    ordered = sorted(records, key=_place, reverse=True)
    if token:
        after = _place_of(token)
        ordered = [record for record in ordered if _place(record) < after]
    shown = ordered[:count]
    if len(ordered) <= count:
        return shown, {}
    time, identifier = _place(shown[-1])
    text = base64.urlsafe_b64encode(f"{time}:{identifier}".encode()).decode()
    return shown, {"nextPageToken": text}


def _place(record: dict[str, Any]) -> tuple[int, str]:
    return record["createTime"], record["id"]


def _place_of(token: str) -> tuple[int, str]:
    try:
        time, _, identifier = base64.urlsafe_b64decode(token).decode().partition(":")
        return int(time), identifier
    except (binascii.Error, ValueError) as error:
        raise invalid("Invalid page token.") from error
