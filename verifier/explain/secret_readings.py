"""Other readings of a shared secret under which a token's signature would have been right.

For explanations alone: no verdict ever tries these.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from verifier.keys.model import VerificationKey
from verifier.tokens.jws import Token

_DECODED: Final = (
    "The token was signed with app_secret decoded from {}, but Jitsi takes the secret as text: sign"
    " with the text of app_secret (JWT_APP_SECRET) as it stands, without decoding it."
)
_ENCODED: Final = (
    "The token was signed with app_secret encoded in {0}: sign with the text of app_secret"
    " (JWT_APP_SECRET) as it stands, or configure its {0} text as app_secret."
)
_TRIMMED: Final = (
    "The token was signed with app_secret but for blanks or a line break at its end: give both"
    " sides the same bytes."
)


def other_reading(token: Token, algorithm: str, keys: Sequence[VerificationKey]) -> str | None:
    """Say what to change where one of the secrets, read otherwise, made the signature.

    Args:
        token: A token with a wrong signature.
        algorithm: The one that is accepted.
        keys: The keys that were tried; only shared secrets have other readings.
    """
    for key in keys:
        if key.source != "secret":
            continue
        for cure, material in _readings(key.material):
            other = replace(key, material=material)
            if material and other.verify(algorithm, token.signing_input, token.signature):
                return cure
    return None


def _readings(secret: bytes) -> Iterator[tuple[str, bytes]]:
    yield _DECODED.format("base64"), _from_base64(secret)
    yield _DECODED.format("hexadecimal"), _from_hex(secret)
    for encoded in (base64.b64encode(secret), base64.urlsafe_b64encode(secret)):
        yield _ENCODED.format("base64"), encoded
        yield _ENCODED.format("base64"), encoded.rstrip(b"=")
    yield _ENCODED.format("hexadecimal"), secret.hex().encode()
    for trimmed in (secret.strip(), secret + b"\n", secret + b"\r\n"):
        yield _TRIMMED, trimmed


def _from_base64(secret: bytes) -> bytes:
    standard = secret.strip().rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    try:
        return base64.b64decode(standard + b"=" * (-len(standard) % 4), validate=True)
    except binascii.Error:
        return b""


def _from_hex(secret: bytes) -> bytes:
    try:
        return bytes.fromhex(secret.decode("ascii"))
    except ValueError:
        return b""
