"""Suggestions about the length and the encoding of a token's signature."""

from __future__ import annotations

import base64
import re
from typing import Any, Final

from verifier.explain.decided_request import DecidedRequest
from verifier.explain.wording import COPY_AGAIN

_OCTETS: Final = {
    "HS256": 32,
    "HS384": 48,
    "HS512": 64,
    "ES256": 64,
    "ES384": 96,
    "ES512": 132,
    "EdDSA": 64,
}
_RSA_OCTETS: Final = (256, 384, 512)


def suggest_whole_signature(decided: DecidedRequest) -> str | None:
    """Return a suggestion if the signature is too short or too long for its algorithm."""
    parts = (decided.request.token or "").split(".")
    if len(parts) != 3 or not re.fullmatch(r"[\w-]+", parts[2], re.ASCII):
        return None
    expected, found = expected_octets(decided, parts[2]), len(parts[2]) * 3 // 4
    if expected is None or found == expected:
        return None
    if _is_hexadecimal(parts[2], expected):
        return (
            "The signature is written in hexadecimal. Encode its bytes with base64url, without a"
            " step between (in PHP: hash_hmac with true as its last argument)."
        )
    if found < expected:
        return f"The signature has {found} of {expected} bytes: the link was cut off. {COPY_AGAIN}"
    return (
        f"The signature has {found} bytes, and {decided.header.algorithm} makes {expected}: other"
        " text stands behind the token. Send the token alone."
    )


def _is_hexadecimal(signature: str, octets: int) -> bool:
    """Return whether a signature is so many bytes in hexadecimal, perhaps in base64url again."""
    length = 2 * octets
    if len(signature) == (4 * length + 2) // 3:
        decoded = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
        signature = decoded.decode("latin-1")
    return len(signature) == length and re.fullmatch(r"[0-9A-Fa-f]+", signature) is not None


def expected_octets(decided: DecidedRequest, signature: str) -> int | None:
    """Return how many octets the token's signature should have; None if that is not known."""
    algorithm = decided.header.algorithm
    if not isinstance(algorithm, str):
        return None
    if algorithm in _OCTETS:
        return _OCTETS[algorithm]
    if algorithm[:2] not in ("RS", "PS"):
        return None
    found = len(signature) * 3 // 4
    sizes = _RSA_OCTETS + ((size,) if (size := _key_octets(decided)) else ())
    if found in sizes:
        return found
    return size or next((usual for usual in _RSA_OCTETS if found < usual), None)


def _key_octets(decided: DecidedRequest) -> int:
    """Return the octets of the RSA key that the token names; 0 if there is no such key."""
    key_id: Any = decided.header.key_id
    named = decided.keys.get(key_id) if isinstance(key_id, str) else None
    for key in (*(named.all if named else ()), *decided.keys.static):
        if "RS256" in key.algorithms or "PS256" in key.algorithms:
            return int((getattr(key.material, "key_size", 0) + 7) // 8)
    return 0
