"""Issuers, who write files with many different, valid tokens of one length, on all cores.

A token differs from the next in its ``jti``, and with several keys in its ``kid``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.perf.bench.load import Tokens

ISSUER: Final = "bench"
AUDIENCE: Final = "jitsi"
ROOM: Final = "standup"
SECRET: Final = "a-secret-of-more-than-thirty-two-bytes"
_LIFETIME: Final = 24 * 3600
_TOKENS_PER_JOB: Final = 2_000

Signer = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Issuer:
    """Signs tokens.

    Attributes:
        algorithm: HS256 or RS256.
        private: The private key as PEM; empty for a shared secret.
        key_ids: The key ids of the key; tokens use them in turn.
        claims: Claims that are added to the usual ones, or replace them.
        forges: Whether the RSA signatures are invalid.
    """

    algorithm: str
    private: bytes = field(default=b"", repr=False)
    key_ids: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    forges: bool = False

    @property
    def public(self) -> bytes:
        """The public key as PEM."""
        key = serialization.load_pem_private_key(self.private, None).public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return key.public_bytes(serialization.Encoding.PEM, form)

    def forging(self) -> Issuer:
        """Return an issuer of the same tokens with invalid signatures."""
        return replace(self, forges=True)

    def token(self, number: int = 0) -> str:
        """Return one token."""
        return next(_tokens(self, range(number, number + 1), self._signer())).decode()

    def mint(self, file: Path, count: int) -> Tokens:
        """Write a file with so many tokens; return them."""
        parts = [
            range(first, min(first + _TOKENS_PER_JOB, count))
            for first in range(0, count, _TOKENS_PER_JOB)
        ]
        with ProcessPoolExecutor(os.cpu_count()) as pool, file.open("wb") as out:
            out.writelines(pool.map(_tokens_of_job, repeat(self), parts))
        return Tokens(file, 0, count)

    def _signer(self) -> Signer:
        if self.forges:
            return _forge
        if not self.private:
            return partial(hmac.digest, SECRET.encode(), digest="sha256")
        key = serialization.load_pem_private_key(self.private, None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return partial(key.sign, padding=padding.PKCS1v15(), algorithm=hashes.SHA256())


def rsa_issuer(key_ids: tuple[str, ...] = ("key-1",)) -> Issuer:
    """Return an issuer with a new RSA key of 2,048 bits."""
    form = serialization.PrivateFormat.PKCS8
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return Issuer("RS256", pem, key_ids)


def _forge(data: bytes) -> bytes:
    """Return an invalid signature that is less than any modulus, so that it has to be verified."""
    return b"\x01" + (hashlib.sha512(data).digest() * 4)[1:]


def _tokens_of_job(issuer: Issuer, numbers: range) -> bytes:
    return b"".join(token + b"\n" for token in _tokens(issuer, numbers, issuer._signer()))


def _tokens(issuer: Issuer, numbers: range, sign: Signer) -> Iterator[bytes]:
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "*",
        "room": ROOM,
        "nbf": int(time.time()) - 60,
        "exp": int(time.time()) + _LIFETIME,
        "context": {
            "user": {
                "id": "0c5d9a1e-3f7b-4a8e-9d7c-2b1f6e8a4c3d",
                "name": "Ada Lovelace",
                "email": "ada.lovelace@example.org",
                "moderator": True,
            },
            "features": {"recording": True, "livestreaming": False},
        },
    } | dict(issuer.claims)
    for number in numbers:
        header = {"typ": "JWT", "alg": issuer.algorithm}
        if issuer.key_ids:
            header["kid"] = issuer.key_ids[number % len(issuer.key_ids)]
        signed = _segment(header) + b"." + _segment(claims | {"jti": f"{number:09}"})
        yield signed + b"." + _encode(sign(signed))


def _segment(value: Any) -> bytes:
    return _encode(json.dumps(value, separators=(",", ":")).encode())


def _encode(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
