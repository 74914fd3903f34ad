"""The keys of the harnesses, and PyJWT's check of a signature."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.types import Options

from tests.support.tokens import SECRET, segment

NOW: Final = 1_800_000_000
OTHER_SECRET: Final = "another-secret-of-more-than-32-bytes"
_SIGNED: Final[Options] = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
"""Options with which PyJWT checks the signature only."""


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    """Return the key pair that signs RS256 tokens."""
    return rsa.generate_private_key(65_537, 2_048)


@cache
def public_pem() -> str:
    """Return the public key of the pair, which any client may know."""
    form, kind = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.Encoding.PEM
    return rsa_key().public_key().public_bytes(kind, form).decode()


def signed(header: bytes, claims: bytes, algorithm: str, key: Any) -> str:
    """Return a token of exactly these bytes."""
    head = f"{segment(header)}.{segment(claims)}"
    signer = jwt.get_algorithm_by_name(algorithm)
    return f"{head}.{segment(signer.sign(head.encode(), key))}"


def is_signed(token: str, algorithm: str) -> bool:
    """Return whether PyJWT accepts a token's signature by the one key of the algorithm."""
    key = SECRET if algorithm == "HS256" else rsa_key().public_key()
    try:
        jwt.decode(token, key, algorithms=[algorithm], options=_SIGNED)
    except jwt.PyJWTError:
        return False
    return True
