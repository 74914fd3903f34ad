"""The keys that Jitsi itself had in a recorded case.

Jitsi's Lua reads key material otherwise than the verifier's own sources do. It crashes on some that
they accept (an EC key besides the right one, a certificate from a key server). It picks one key
where they accept none (two keys in one file, two keys with one kid), and it ignores a JWK's alg.
The cases are about tokens, so that they get the keys that Jitsi had.
``tests/unit/keys/test_formats.py`` tests how the verifier reads the material, and names the cases
in which that makes a difference.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Any

_PUBLIC_KEY = re.compile(
    r"\s*-----BEGIN PUBLIC KEY-----\r?\n.*?-----END PUBLIC KEY-----", re.DOTALL
)


def key_of_jitsi(body: str) -> str | None:
    """Return the one key that OpenSSL would read from a key server's answer."""
    found = _PUBLIC_KEY.match(body)
    return found[0] if found else None


def document_of_jitsi(document: Any) -> Any:
    """Return what Jitsi has of a key document: all entries up to the first that crashes it."""
    if not isinstance(document, dict):
        return document
    if isinstance(document.get("keys"), list):
        loaded = takewhile(_has_rsa_members, document["keys"])
        keys = {str(key.get("kid")): key for key in loaded}
        return {"keys": [_without_alg(key) for key in keys.values()]}
    certificates = takewhile(_is_certificate, document.items())
    return {key_id: _first_certificate(pem) for key_id, pem in certificates}


def _without_alg(key: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name != "alg"}


def _has_rsa_members(key: Any) -> bool:
    return isinstance(key, dict) and {"n", "e"} <= set(key)


def _is_certificate(entry: tuple[str, Any]) -> bool:
    return str(entry[1]).startswith("-----BEGIN CERTIFICATE")


def _first_certificate(pem: str) -> str:
    head, end, _ = pem.partition("-----END CERTIFICATE-----")
    return head + end
