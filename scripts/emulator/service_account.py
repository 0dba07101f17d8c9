"""A service account's key file, as Google gives it, for the emulator: a new key, its /token."""

import json
import secrets
from pathlib import Path
from typing import Any

PROJECT = "example-project"
KEY_BITS = 2048


def write(path: Path, base_url: str, project: str = PROJECT) -> Path:
    """Writes such a file, readable for its owner alone, and returns its path."""
    part = path.with_name(path.name + ".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(content(base_url, project), indent=2) + "\n")
    return part.replace(path)


def content(base_url: str, project: str = PROJECT) -> dict[str, Any]:
    """The file's fields. `base_url` is where the emulator is: http://127.0.0.1:PORT"""
    email = f"flowsheets@{project}.iam.gserviceaccount.com"
    return {
        "type": "service_account",
        "project_id": project,
        "private_key_id": secrets.token_hex(20),
        "private_key": _new_key(),
        "client_email": email,
        "client_id": str(10**20 + secrets.randbelow(10**20)),
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": f"{base_url.rstrip('/')}/token",
        "universe_domain": "googleapis.com",
    }


def _new_key() -> str:
    from cryptography.hazmat.primitives import serialization  # 0.1 s that only this needs
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
