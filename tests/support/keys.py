"""An RSA key and its forms for tests, and a key source that has to fetch."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import RSAAlgorithm

from tests.support.tokens import SECRET
from verifier.keys.model import VerificationKey
from verifier.keys.sources.base import Missing

RSA_PRIVATE_KEY = rsa.generate_private_key(65537, 2048)

RSA_KEY = RSA_PRIVATE_KEY.public_key()


def pem(key: Any) -> str:
    written: bytes = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return written.decode()


def rsa_jwk(**members: Any) -> dict[str, Any]:
    jwk = RSAAlgorithm.to_jwk(RSA_KEY, as_dict=True)
    return {"kty": "RSA", "n": jwk["n"], "e": jwk["e"], "kid": "good", **members}


def certificate(public: Any, start: int = 0, end: int = 4_000_000_000) -> str:
    signer = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(7)
        .not_valid_before(_utc(start))
        .not_valid_after(_utc(end))
        .sign(signer, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


FETCHED = VerificationKey("k", frozenset({"HS256"}), SECRET.encode(), "asap")


@dataclass
class Keys:
    """No static keys; ``answer`` is the result of each fetch."""

    answer: VerificationKey | Missing = FETCHED
    static: tuple[VerificationKey, ...] = ()
    unavailable: bool = False
    at_once: bool = False
    fetched: list[str] = field(default_factory=list)
    published: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.published.set()

    def get(self, _key_id: str) -> VerificationKey | None:
        return None

    async def fetch(self, key_id: str) -> VerificationKey | Missing:
        self.fetched.append(key_id)
        await self.published.wait()
        return self.answer

    def answer_without_fetch(self, _key_id: str) -> Missing | None:
        return self.answer if self.at_once and isinstance(self.answer, Missing) else None

    def asks_again_in(self, _key_id: str) -> float | None:
        return None

    async def ask_again(self, _key_id: str) -> VerificationKey | Missing:
        return Missing.UNAVAILABLE

    async def find_by_digest(self, _digest: str) -> None:
        return None


def certificate_chain(public: Any) -> list[str]:
    """Return the certificate of a key, that of its issuer, and that of the issuer's issuer."""
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{n}")]) for n in range(3)]
    authorities = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    subjects = [public, *(key.public_key() for key in authorities)]
    signers = [*authorities, authorities[-1]]
    return [
        x509.CertificateBuilder(names[min(n + 1, 2)], names[n], subjects[n], n + 1)
        .not_valid_before(_utc(0))
        .not_valid_after(_utc(4_000_000_000))
        .sign(signers[n], hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
        for n in range(3)
    ]
