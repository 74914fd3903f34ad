"""Verification keys: the algorithms that each key may be used with, and the lookup of a key.

``bind`` is the only place that decides whether a public key is fit to check signatures. It knows
the key objects of ``cryptography`` and the algorithm objects of PyJWT. It does not know in which
format a key was written (``pem``, ``jwk``, ``formats``) or where the key came from (``sources``).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol, TypeAlias, get_args

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import Algorithm, get_default_algorithms

Source = Literal["secret", "file", "document", "asap"]
"""The kinds of key source; also the values of the metrics' label ``source``."""

SOURCES: Final[tuple[Source, ...]] = get_args(Source)

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
"""Every reason for which a key is not used; also the values of a metric's label."""

JITSI_ALGORITHMS: Final = ("HS256", "HS384", "HS512", "RS256", "RS384", "RS512")
"""The algorithms that Jitsi's ``luajwtjitsi`` can verify."""

_HMAC_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "HS256": hashes.SHA256(),
    "HS384": hashes.SHA384(),
    "HS512": hashes.SHA512(),
}
_FAMILIES: Final = ("HS", "RS", "PS", "ES")

ALGORITHMS: Final[Mapping[str, Algorithm]] = MappingProxyType(
    {
        name: algorithm
        for name, algorithm in get_default_algorithms().items()
        if (name[:2] in _FAMILIES and name[2:] in ("256", "384", "512")) or name == "EdDSA"
    },
)
"""Every algorithm that an operator may pin; ``none`` is not one of them."""


def is_symmetric(algorithm: str) -> bool:
    """Return whether the signer's and the verifier's key are one shared secret (HMAC)."""
    return algorithm.startswith("HS")


def key_id_digest(key_id: str) -> str:
    """Return the SHA-256 of a key id, lower-case hex: the file name on an ASAP key server."""
    # A kid may contain lone surrogates, because JSON allows their escapes.
    return hashlib.sha256(key_id.encode("utf-8", "surrogatepass")).hexdigest()


# NIST SP 800-131A requires 2,048 bits. Above 8,192 bits one verification takes so long that a
# flood of tokens could use up a core.
_RSA_BITS: Final = range(2048, 8193)
# OpenSSL's own limit for large moduli: a huge exponent makes every verification slow.
_RSA_EXPONENT_BITS: Final = 64
_PSS: Final = frozenset({"PS256", "PS384", "PS512"})
_RSA: Final = _PSS | {"RS256", "RS384", "RS512"}
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def quote(value: object, length: int = 60) -> str:
    """Return a text or a value of a key server for a message: printable ASCII, at most so long."""
    text = ascii(value)
    return text if len(text) <= length else text[: length - 3] + "..."


class InvalidKeyError(ValueError):
    """A text does not contain a key that can check signatures.

    The message names what is wrong and what was expected. It never contains key material.

    Attributes:
        reason: The cause as one of ``SKIP_REASONS``, for counters.
    """

    def __init__(self, message: str, reason: SkipReason = "malformed") -> None:
        super().__init__(message)
        self.reason: SkipReason = reason


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key and the only algorithms that it may be used with.

    Attributes:
        key_id: The ``kid`` that names the key; None for a shared secret or a static key.
        algorithms: Names from ``ALGORITHMS``. A token cannot choose another use for the key.
        material: The argument of PyJWT's ``Algorithm.verify``: bytes or a ``cryptography`` public
            key.
        source: The kind of source that the key came from.
        fingerprint: SHA-256 of the DER ``SubjectPublicKeyInfo``, hex; empty for a secret.
        interop_warning: Why other programs may read the key differently; empty if they do not.
            Strict rules do not use a key with a warning.
        validity: The first and last moment of the key's certificate, Unix seconds; None without a
            certificate.
        alternatives: Other keys with the same ``kid``, each for other algorithms (RFC 7517, section
            4.5).
    """

    key_id: str | None
    algorithms: frozenset[str]
    material: Any = field(repr=False)
    source: Source
    fingerprint: str = ""
    interop_warning: str = ""
    validity: tuple[float, float] | None = None
    alternatives: tuple[VerificationKey, ...] = ()
    _prepared: dict[str, HMAC] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def all(self) -> tuple[VerificationKey, ...]:
        """This key, followed by the other keys with its ``kid``."""
        return (self, *self.alternatives)

    def verify(self, algorithm: str, signing_input: bytes, signature: bytes) -> bool:
        """Return whether this key made ``signature`` over ``signing_input``; never raises."""
        # PyJWT alone would let a token's alg turn a public key into an HMAC secret (RFC 8725,
        # section 2.1).
        if algorithm not in self.algorithms:
            return False
        if is_symmetric(algorithm):
            return hmac.compare_digest(self._hmac(algorithm, signing_input), signature)
        return ALGORITHMS[algorithm].verify(signing_input, self.material, signature)

    def _hmac(self, algorithm: str, data: bytes) -> bytes:
        """Return the HMAC of ``data`` under this shared secret."""
        # To prepare a secret takes twice as long as the rest. So it is done once, and copied.
        if algorithm not in self._prepared:
            self._prepared[algorithm] = HMAC(self.material, _HMAC_HASHES[algorithm])
        keyed = self._prepared[algorithm].copy()
        keyed.update(data)
        return keyed.finalize()


class KeyLookup(Protocol):
    """The keys that a decision may use."""

    @property
    def static(self) -> Sequence[VerificationKey]:
        """Keys that are tried for every token, whatever its ``kid``; in this order."""

    @property
    def unavailable(self) -> bool:
        """Whether a key that ``get`` does not return may exist at a source that fails now."""

    def get(self, key_id: str) -> VerificationKey | None:
        """Return the key with this ``kid`` if it is in memory; never waits."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """A ``KeyLookup`` that is a plain value."""

    static: Sequence[VerificationKey] = ()
    by_id: Mapping[str, VerificationKey] = field(default_factory=dict)
    unavailable: bool = False

    def get(self, key_id: str) -> VerificationKey | None:
        """Return the key with this ``kid``, if the set has one."""
        return self.by_id.get(key_id)


@dataclass(frozen=True, slots=True)
class KeyMetadata:
    """What a key's text states besides the key itself.

    Attributes:
        algorithm: The key's own ``alg``, which excludes all other algorithms.
        pss_only: Whether the key is for RSASSA-PSS only (RFC 4055, section 1.2).
        interop_warning: Why other programs may read the text differently.
        validity: The first and last moment of the certificate, Unix seconds; None without one.
    """

    algorithm: str | None = None
    pss_only: bool = False
    interop_warning: str = ""
    validity: tuple[float, float] | None = None


def bind(
    key: object, key_id: str | None, source: Source, metadata: KeyMetadata | None = None
) -> VerificationKey:
    """Bind a public key to the algorithms of its type (RFC 8725, section 3.1).

    Args:
        key: A ``cryptography`` public key of any type.
        key_id: The ``kid`` that names the key; None for a key that serves any token.
        source: The kind of source that the key came from.
        metadata: What the key's text states besides; None for nothing.

    Raises:
        InvalidKeyError: The key cannot sign, is too weak, or its ``alg`` does not fit its type.
    """
    public_key, possible = _algorithms_for(key)
    metadata = metadata or KeyMetadata()
    if metadata.pss_only:
        possible &= _PSS
    algorithms = possible if metadata.algorithm is None else possible & {metadata.algorithm}
    if not algorithms:
        raise InvalidKeyError(
            f"the key's alg does not fit its type: expected one of {', '.join(sorted(possible))},"
            f" found {quote(metadata.algorithm)}",
            "algorithm",
        )
    return VerificationKey(
        key_id,
        algorithms,
        public_key,
        source,
        _fingerprint(public_key),
        metadata.interop_warning,
        metadata.validity,
    )


def _fingerprint(key: PublicKey) -> str:
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def _algorithms_for(key: object) -> tuple[PublicKey, frozenset[str]]:
    if isinstance(key, rsa.RSAPublicKey):
        _check_rsa(key)
        return key, _RSA
    # RFC 7518, section 3.4: each ES algorithm belongs to exactly one curve.
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
