"""Bearer tokens: issued for a service account's signed wish, and good for an hour."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.bodies import read_body, reply
from emulator.durable import write_whole
from emulator.errors import unavailable
from emulator.faults import Faults

SECONDS = 3600  # (documented)
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
NUMBER = "123456789012"  # of the project of which the buckets are


class Tokens:
    """A token carries the time of its end, sealed with a secret that outlives a restart.

    That time is the machine's, as it is for the client's library: not the emulator's clock.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            write_whole(path, secrets.token_hex(32))
        self.secret = bytes.fromhex(json.loads(path.read_text()))

    def issue(self, seconds: float) -> str:
        text = f"{int(time.time() + seconds)}-{secrets.token_hex(8)}"
        return f"ya29.{text}-{self._seal(text)}"

    def valid(self, token: str) -> bool:
        text, _, seal = token.removeprefix("ya29.").rpartition("-")
        if not hmac.compare_digest(seal.encode(), self._seal(text).encode()):
            return False
        return int(text.partition("-")[0]) > time.time()

    def _seal(self, text: str) -> str:
        return hmac.new(self.secret, text.encode(), hashlib.sha256).hexdigest()


async def token(request: Request) -> Response:
    """The JWT-bearer grant. Whose key signed is not looked at: any service account will do."""
    form = parse_qs((await read_body(request)).decode(errors="replace"))
    faults: Faults = request.app.state.faults
    if faults.take("token_503"):
        raise unavailable()
    if faults.take("token_400"):
        return _refused("invalid_grant", "Invalid JWT Signature.")  # (reported)
    if form.get("grant_type") != [GRANT]:
        return _refused("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type')}")
    claims = _claims(form.get("assertion", [""])[0])
    if not claims or not all(claims.get(name) for name in ("iss", "aud", "exp")):
        return _refused("invalid_grant", "Invalid JWT: iss, aud and exp are needed.")
    if not isinstance(claims["exp"], int | float) or claims["exp"] < time.time():
        return _refused("invalid_grant", "Invalid JWT: Token must be a short-lived token.")
    seconds = faults.get("token_seconds")
    seconds = SECONDS if seconds is None else seconds
    issued = request.app.state.tokens.issue(seconds)
    return reply({"access_token": issued, "expires_in": seconds, "token_type": "Bearer"})


def _claims(assertion: str) -> dict[str, Any] | None:
    """What a JWT claims, None where it is none."""
    parts = assertion.split(".")
    try:
        head, claims = (json.loads(_decoded(part)) for part in parts[:2])
        signed = len(parts) == 3 and bool(_decoded(parts[2])) and head["alg"] == "RS256"
        return claims if signed and isinstance(claims, dict) else None
    except (KeyError, TypeError, ValueError):
        return None


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _refused(error: str, description: str) -> Response:
    return reply({"error": error, "error_description": description}, 400)


routes = [Route("/token", token, methods=["POST"])]
