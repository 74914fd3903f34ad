"""Tokens for the hosts of the tests' Prosody, and the files of a key server."""

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
OTHER_KEY_ID = "jitsi/nobody"
SECOND_SECRET = "the-secret-of-the-second-host-0123456789"


def claims(**changes: Any) -> dict[str, Any]:
    """Make claims that hold for an hour; ``...`` leaves one out."""
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
    """Sign with the shared secret."""
    return sign(claims(**changes), header)


def second_token(**changes: Any) -> str:
    """Sign with the shared secret of another host of the same verifier."""
    return sign(claims(**{"sub": "second.test", **changes}), key=SECOND_SECRET)


def rs_token(header: dict[str, Any] | None = None, **changes: Any) -> str:
    """Sign with the key that the key server knows."""
    parameters = {"kid": KEY_ID} | (header or {})
    return sign(claims(**{"sub": "rs.test", **changes}), parameters, private_key(), "RS256")


@cache
def private_key(_number: int = 0) -> RSAPrivateKey:
    """Give a private key; another number is another key."""
    return generate_private_key(65537, 2048)


def key_file(key_id: str = KEY_ID) -> tuple[str, bytes]:
    """Give the path and content of the key server's file."""
    path = f"/asap/{hashlib.sha256(key_id.encode()).hexdigest()}.pem"
    public = private_key().public_key()
    return path, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
