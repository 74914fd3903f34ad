"""Tokens for the hosts in prosody.cfg.lua, and the files of a key server."""

from __future__ import annotations

import hashlib
import time
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.tokens import present, sign

APP_ID = "booking-site"
KEY_ID = "jitsi/tests-2026"
OTHER_KEY_ID = "jitsi/unknown"
SECOND_SECRET = "the-secret-of-the-second-host-0123456789"


def claims(**changes: Any) -> dict[str, Any]:
    """Return claims that are valid for an hour; the value ``...`` leaves a claim out."""
    now = int(time.time())
    usual = {
        "iss": APP_ID,
        "aud": "jitsi",
        "sub": "hs.test",
        "room": "*",
        "nbf": now - 10,
        "exp": now + 3600,
        "context": {"user": {"id": "u-1", "name": "Ada", "email": "ada@example.org"}},
    }
    return present(usual | changes)


def hs_token(header: dict[str, Any] | None = None, **changes: Any) -> str:
    """Return a token for hs.test, signed with the shared secret."""
    return sign(claims(**changes), header)


def second_token(**changes: Any) -> str:
    """Return a token for second.test, signed with that host's secret."""
    return sign(claims(**{"sub": "second.test", **changes}), key=SECOND_SECRET)


def rs_token(header: dict[str, Any] | None = None, **changes: Any) -> str:
    """Return a token for rs.test, signed with the key that the key server has."""
    parameters = {"kid": KEY_ID} | (header or {})
    return sign(claims(**{"sub": "rs.test", **changes}), parameters, private_key(), "RS256")


@cache
def private_key(_number: int = 0) -> RSAPrivateKey:
    """Return a private key; each number has its own key."""
    return generate_private_key(65537, 2048)


def key_file(key_id: str = KEY_ID) -> tuple[str, bytes]:
    """Return the path and the content of a file of the key server."""
    path = f"/asap/{hashlib.sha256(key_id.encode()).hexdigest()}.pem"
    public = private_key().public_key()
    return path, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
