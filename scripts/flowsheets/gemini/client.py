"""The SDK's client: its key, its address, and what it may do by itself.

The doors go through it; no other room imports google-genai.

The SDK costs 0.6 s to import, and the HTTP client and the retries 0.1 s, so they are imported by
the first call, and not by a command that makes none.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flowsheets import settings
from flowsheets.errors import Problem
from flowsheets.gemini.problem import QUOTED, Closed, shortened
from flowsheets.gemini.problem import ApiProblem as ApiProblem  # what every call raises

if TYPE_CHECKING:
    import httpx2
    from google import genai

CLOUD_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
CALL_SECONDS = 120  # for the calls that only ask, or move one chunk of 8 MiB

# A state that the SDK does not know makes it warn on stderr; the reader of `state` reports it once.
warnings.filterwarnings("ignore", message=".* is not a valid ", category=UserWarning)
# Beside GOOGLE_API_KEY the SDK warns, at each start, that it takes that key; it takes ours.
logging.getLogger("google_genai").setLevel(logging.ERROR)


class _Last(threading.local):
    """The last reply in this thread, which `reply` reads."""

    came: str | None = None  # "200 text/html"; None without a reply
    body = b""  # but for downloads, which must not be read into memory


last = _Last()


def _paid_once() -> httpx2.Client:
    """The SDK retries every time-out, also one that came while a paid response was under way.

    As a read error it is not retried: google-genai 3.6.1 retries connect errors and time-outs, and
    never read errors (`_HTTPX_TRANSIENT_EXC` in `_api_client.py`).
    """
    import httpx2

    class PaidOnce(httpx2.Client):
        def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
            last.came, last.body = None, b""
            try:
                return super().send(request, **options)
            except httpx2.ReadTimeout as error:
                raise httpx2.ReadError(f"no answer in time ({error})", request=request) from error

    return PaidOnce(event_hooks={"response": [_look_at]}, follow_redirects=True)


def open_client() -> genai.Client:
    """The client. Raises `Problem` without a key, or with an address or proxy that cannot be."""
    key = settings.api_key()
    base_url = os.environ.get("GOOGLE_GEMINI_BASE_URL", "").strip()
    try:
        urlsplit(base_url)  # as the SDK does within each call
    except ValueError as error:
        raise Problem("GOOGLE_GEMINI_BASE_URL", str(error), "Correct it, or unset it") from error
    return _client_of(key, base_url)


def open_vertex(project: str, location: str) -> genai.Client:
    """The same for Vertex AI. Raises `Problem` without Google's credentials.

    GOOGLE_VERTEX_BASE_URL is the SDK's own variable, which it reads in some cases alone.
    """
    for name in ("GOOGLE_VERTEX_BASE_URL", "GOOGLE_GEMINI_BASE_URL"):
        base_url = os.environ.get(name, "").strip()
        try:
            urlsplit(base_url)
        except ValueError as error:
            raise Problem(name, str(error), "Correct it, or unset it") from error
        if base_url:
            break
    return _vertex_of(project, location, base_url, credentials())


def credentials() -> Any:
    """Google's own (ADC): a service account's file, or those of `gcloud auth`. Raises `Closed`."""
    return _credentials_of(os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "").strip())


@cache
def _credentials_of(file: str) -> Any:
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    logging.getLogger("google.auth").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*end user credentials", category=UserWarning)
    try:
        found, _ = google.auth.default(scopes=[CLOUD_SCOPE])
    except (GoogleAuthError, OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        what = f"cannot be used ({shortened(error, QUOTED)})" if file else "are not found"
        raise Closed(
            f"GOOGLE_APPLICATION_CREDENTIALS={file}" if file else "Google's credentials",
            what,
            "Give a service account's file in GOOGLE_APPLICATION_CREDENTIALS, or run gcloud auth"
            " application-default login",
        ) from error
    return found


@cache
def _vertex_of(project: str, location: str, base_url: str, credentials: Any) -> genai.Client:
    """All of it explicitly: what the SDK finds by itself depends on what else is set.

    With the project it takes no API key from the environment. `v1`: its default is a beta.
    """
    from google import genai
    from google.genai import types

    try:
        options = types.HttpOptions(
            api_version="v1", timeout=CALL_SECONDS * 1000, httpx_client=_paid_once()
        )
        if base_url:
            options.base_url = base_url
        return genai.Client(
            vertexai=True,
            project=project,
            location=location,
            credentials=credentials,
            http_options=options,
        )
    except Exception as error:
        raise _no_client(error) from error


@cache
def _client_of(key: str, base_url: str) -> genai.Client:
    from google import genai
    from google.genai import types

    try:
        http = _paid_once()
        options = types.HttpOptions(
            api_version="v1beta", timeout=CALL_SECONDS * 1000, httpx_client=http
        )
        if base_url:
            options.base_url = base_url
        return genai.Client(api_key=key, vertexai=False, http_options=options)
    except Exception as error:
        raise _no_client(error) from error


def _no_client(error: Exception) -> Problem:
    """httpx2 reads these variables while it is made, and names none of them in its errors."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if name in os.environ and isinstance(error, OSError):
            what = f"{os.environ[name]} cannot be used ({error.strerror or error})"
            return Problem(name, what, "Correct it, or unset it")
    for name, value in os.environ.items():
        if not re.fullmatch("(all|https?)_proxy", name, re.IGNORECASE) or not value.strip():
            continue
        scheme, colon, _ = value.partition("://")
        if colon and scheme.lower() not in ("http", "https"):
            return Problem(
                name, f"a proxy of the kind {scheme} is not supported", "Give an http:// proxy"
            )
    what = f"no HTTP client can be made ({type(error).__name__}: {error})"
    return Problem(
        "Gemini API", what, "Check HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR"
    )


def _look_at(response: httpx2.Response) -> None:
    """Called by httpx2 with every response, redirects included, before anybody reads it."""
    if response.has_redirect_location:
        _refuse_to_leave(response)
        return
    kind = response.headers.get("content-type", "").split(";")[0].strip()
    last.came = f"{response.status_code} {kind}".strip()
    if not response.request.url.path.endswith(":download"):
        last.body = response.read()


def _refuse_to_leave(response: httpx2.Response) -> None:
    """A redirect to another host would take the key along; one of a POST would lose its body."""
    here = response.request.url
    there = here.join(response.headers["location"])
    place = (there.scheme, there.host, there.port)
    if place == (here.scheme, here.host, here.port) and response.request.method == "GET":
        return
    raise ApiProblem(
        f"not an answer of the Gemini API: {response.status_code}, a redirect to"
        f" {there.scheme}://{there.netloc.decode('ascii', 'replace')}, which is not followed",
        code=None,
        unclear=True,
        kind="foreign",
    )
