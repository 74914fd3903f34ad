"""One public key bound to what it may be used for; the only place that decides whether it is fit.

Knows ``cryptography``'s key objects and nothing of how they were written down.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from verifier.keys.model import ALGORITHMS, Source, VerificationKey

PublicKey: TypeAlias = (
    rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
)
SkipReason = Literal[
    "malformed",
    "key-id",
    "duplicate-key-id",
    "symmetric",
    "private",
    "use",
    "key-type",
    "key-size",
    "algorithm",
]
SKIP_REASONS: Final[tuple[SkipReason, ...]] = get_args(SkipReason)
"""Every word that may say why a key was not taken; all of them fit for a metric's label."""

# NIST SP 800-131A ends at 2,048; beyond 8,192 a signature costs the gate more than it proves.
_RSA_BITS: Final = range(2048, 8193)
# OpenSSL's own bound for large moduli: a huge exponent makes every verification slow.
_RSA_EXPONENT_BITS: Final = 64
_PSS: Final = frozenset({"PS256", "PS384", "PS512"})
_RSA: Final = _PSS | {"RS256", "RS384", "RS512"}
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


class InvalidKeyError(ValueError):
    """A text is not a key that signatures may be checked with.

    Its message names what is wrong and what was expected, never key material.

    Attributes:
        reason: The same as one of a few fixed words, for counters.
    """

    def __init__(self, message: str, reason: SkipReason = "malformed") -> None:
        super().__init__(message)
        self.reason: SkipReason = reason


@dataclass(frozen=True, slots=True)
class KeyMetadata:
    """What the text that a key was found in says besides.

    Attributes:
        algorithm: The key's own ``alg``, which narrows the choice to one.
        pss_only: The key says that it is for RSASSA-PSS (RFC 4055, section 1.2).
        doubt: What other programs might read differently.
        validity: Its certificate's first and last moment, Unix seconds; None without one.
    """

    algorithm: str | None = None
    pss_only: bool = False
    doubt: str = ""
    validity: tuple[float, float] | None = None


def bind(
    key: object, key_id: str | None, source: Source, written: KeyMetadata | None = None
) -> VerificationKey:
    """Bind a public key to the algorithms of its type (RFC 8725, section 3.1).

    Args:
        key: A ``cryptography`` public key of any type.
        key_id: The ``kid`` that names it; None for a key that serves any token.
        source: Where it came from.
        written: What else was written there; None for nothing.

    Raises:
        InvalidKeyError: not a signing key, too weak, or its ``alg`` does not fit its type.
    """
    checked, fitting = _fitting(key)
    written = written or KeyMetadata()
    if written.pss_only:
        fitting &= _PSS
    if written.algorithm is not None:
        fitting &= {written.algorithm}
    if not fitting:
        raise InvalidKeyError(
            "the key's alg does not fit its type: expected one of " + ", ".join(ALGORITHMS),
            "algorithm",
        )
    return VerificationKey(
        key_id, fitting, checked, source, fingerprint(checked), written.doubt, written.validity
    )


def fingerprint(key: PublicKey) -> str:
    """SHA-256 of the DER ``SubjectPublicKeyInfo``, lower-case hex."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def _fitting(key: object) -> tuple[PublicKey, frozenset[str]]:
    if isinstance(key, rsa.RSAPublicKey):
        _check_rsa(key)
        return key, _RSA
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return key, frozenset({_CURVES[key.curve.name]})
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return key, frozenset({"EdDSA"})
    raise InvalidKeyError(
        "unknown type of key: expected RSA, EC on P-256, P-384 or P-521, Ed25519 or Ed448",
        "key-type",
    )


def _check_rsa(key: rsa.RSAPublicKey) -> None:
    if key.key_size not in _RSA_BITS:
        raise InvalidKeyError(
            f"RSA key of {key.key_size} bits: expected {_RSA_BITS[0]} to {_RSA_BITS[-1]}",
            "key-size",
        )
    exponent = key.public_numbers().e
    if exponent.bit_length() > _RSA_EXPONENT_BITS or exponent % 2 == 0:
        raise InvalidKeyError(
            f"RSA exponent of {exponent.bit_length()} bits: expected an odd one of at most"
            f" {_RSA_EXPONENT_BITS} bits",
            "key-size",
        )
