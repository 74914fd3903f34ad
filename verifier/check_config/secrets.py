"""How a shared secret is shown, and whether it is one: never the secret itself."""

from __future__ import annotations

import hashlib
from typing import Final

STRONG: Final = 32
"""Bytes; RFC 7518, section 3.2: no less than the hash's output."""

_WORDS: Final = """
    example_app_secret my_jitsi_app_secret demo-secret-that-everybody-knows app_secret
    my_app_secret your_app_secret yourappsecret your-app-secret jitsi jitsi-secret secret
    mysecret my_secret my-secret supersecret super-secret your_secret your-secret password
    passw0rd changeme change_me change-me test admin your-256-bit-secret
    a-string-secret-at-least-256-bits-long a-string-secret-at-least-512-bits-long keepthissecret
"""
_FROM_EXAMPLES: Final = frozenset(_WORDS.split())


def fingerprint(secret: str) -> str:
    """Give what two people can compare without telling each other the secret.

    Slow on purpose: 32 bits of a plain hash would be enough to find a weak secret by trying.
    """
    raw = secret.encode("utf-8", "surrogateescape")
    salt = b"jitsi-verifier check-config"
    return hashlib.scrypt(raw, salt=salt, n=2**13, r=8, p=1, dklen=4).hex()


def weakness(secret: str, app_id: object) -> str:
    """Say what makes a secret easy to guess; empty if nothing is known to."""
    if not secret:
        return "is empty: anybody can sign tokens"
    if secret.lower() in _FROM_EXAMPLES:
        return "is one from an example, which everybody knows"
    if secret == app_id:
        return "is the app_id"
    length = len(secret.encode("utf-8", "surrogateescape"))
    return f"is weak: {length} bytes, expected {STRONG} or more" if length < STRONG else ""
