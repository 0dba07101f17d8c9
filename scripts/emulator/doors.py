"""Which door a call comes in by, and what it must show there: a key, or a bearer token."""

import re

from starlette.datastructures import Headers, QueryParams, State
from starlette.types import Scope

from emulator.errors import ApiError, no_key, wrong_key
from emulator.refusals import anonymous, no_token, not_enabled, wrong_storage_token, wrong_token

VERTEX = re.compile(r"/v1(beta1)?/projects/")
BUCKET = re.compile(r"/((upload|download)/)?storage/v1/")


def refusal(scope: Scope) -> ApiError | None:
    """Why a call does not get in, None where it does."""
    path = scope["path"]
    state: State = scope["app"].state
    query = QueryParams(scope["query_string"])
    opens = BUCKET.match(path) and scope["method"] == "POST"
    if path.startswith("/upload/") and "upload_id" in query and not opens:
        return None  # an upload URL is a secret of its own
    if path == "/token":
        return None
    headers = Headers(scope=scope)
    if BUCKET.match(path):
        return _bearer(state, headers, anonymous(), wrong_storage_token())
    if VERTEX.match(path):
        refused = _bearer(state, headers, no_token(), wrong_token())
        if not refused and state.faults.take("vertex_403"):
            return not_enabled(path.split("/")[3])
        return refused
    key = headers.get("x-goog-api-key") or query.get("key")
    if not key:
        return no_key()
    return wrong_key() if state.key not in (None, key) else None


def _bearer(state: State, headers: Headers, missing: ApiError, wrong: ApiError) -> ApiError | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return missing
    if not state.tokens.valid(token) or state.faults.take("bearer_401"):
        return wrong
    return None
