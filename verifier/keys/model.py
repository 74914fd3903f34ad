"""What a signature is checked with: one key, bound to its algorithms, and the set of them.

Knows PyJWT's algorithm objects and nothing of where keys come from or how they are written down
(``keyformats``, ``shell.keysource``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol

from jwt.algorithms import Algorithm, get_default_algorithms

Source = Literal["secret", "file", "document", "asap"]

JITSI_ALGORITHMS: Final = ("HS256", "HS384", "HS512", "RS256", "RS384", "RS512")
"""What upstream's ``luajwtjitsi`` can verify."""

_FAMILIES: Final = ("HS", "RS", "PS", "ES")

ALGORITHMS: Final[Mapping[str, Algorithm]] = MappingProxyType(
    {
        name: algorithm
        for name, algorithm in get_default_algorithms().items()
        if (name[:2] in _FAMILIES and name[2:] in ("256", "384", "512")) or name == "EdDSA"
    },
)
"""Every algorithm an operator may pin; ``none`` is not one of them."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key and the only algorithms that it may be used with.

    Attributes:
        key_id: The ``kid`` that names it; None for a shared secret or a static key.
        algorithms: Names from ``ALGORITHMS``, so that no token can choose another use for the key.
        material: What PyJWT's ``Algorithm.verify`` takes: bytes or a ``cryptography`` public key.
        source: Which kind of source it came from.
        fingerprint: SHA-256 of the DER ``SubjectPublicKeyInfo``, hex; empty for a secret.
        doubt: What other programs might read differently; strict rules do not use such a key.
        validity: Its certificate's first and last moment, Unix seconds; None without one.
    """

    key_id: str | None
    algorithms: frozenset[str]
    material: Any = field(repr=False)
    source: Source
    fingerprint: str = ""
    doubt: str = ""
    validity: tuple[float, float] | None = None

    def verify(self, algorithm: str, signing_input: bytes, signature: bytes) -> bool:
        """Tell whether ``signature`` is this key's over ``signing_input``; never raises."""
        if algorithm not in self.algorithms:
            return False
        return ALGORITHMS[algorithm].verify(signing_input, self.material, signature)


class KeyLookup(Protocol):
    """The keys that a decision may use."""

    @property
    def static(self) -> Sequence[VerificationKey]:
        """Keys for tokens of any key id, tried in order."""

    @property
    def unavailable(self) -> bool:
        """Whether a key that is not known may exist, but its source cannot be asked now."""

    def known(self, key_id: str) -> VerificationKey | None:
        """Give the key of this ``kid``, if it is at hand."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """A ``KeyLookup`` that is a plain value."""

    static: Sequence[VerificationKey] = ()
    by_id: Mapping[str, VerificationKey] = field(default_factory=dict)
    unavailable: bool = False

    def known(self, key_id: str) -> VerificationKey | None:
        """Give the key of this ``kid``, if it is at hand."""
        return self.by_id.get(key_id)
