"""Tokens for tests: any header over any claims, signed with PyJWT's algorithms."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt

SECRET = "a-secret-of-more-than-thirty-two-bytes"


def segment(value: Any) -> str:
    """Return bytes, or a value as JSON, encoded as one segment of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(
    claims: Any, header: dict[str, Any] | None = None, key: Any = SECRET, algorithm: str = "HS256"
) -> str:
    """Return a signed token.

    Header parameters replace the usual ones; the signature is made with ``algorithm`` all the same.
    """
    usual = {"typ": "JWT", "alg": algorithm}
    signing_input = f"{segment(usual | (header or {}))}.{segment(claims)}"
    signer = jwt.get_algorithm_by_name(algorithm)
    private = signer.prepare_key(key) if isinstance(key, str | bytes) else key
    signature = signer.sign(signing_input.encode(), private)
    return f"{signing_input}.{segment(signature)}"


def present(claims: dict[str, Any]) -> dict[str, Any]:
    """Return the claims without those whose value is ``...``."""
    return {name: value for name, value in claims.items() if value is not ...}
