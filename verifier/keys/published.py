"""Which keys of a document any program can sign with, because the document has their private keys.

=============================================  ===================================================
entry with a private key                       keys that are not used
=============================================  ===================================================
of a key that another entry names, in any      this key, under every ``kid``
form
with a private member that is too short to     this key under the ``kid`` of the entry; under
be real                                        others it is used
whose public key cannot be read, or in which   every key with the ``kid`` of the entry
a name has two values
=============================================  ===================================================

This module is pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from verifier.keys.document_json import DoubledObject
from verifier.keys.jwk import PRIVATE_MEMBERS, public_part
from verifier.keys.model import InvalidKeyError, VerificationKey, bind
from verifier.keys.pem import with_line_breaks

_UNREADABLE: Final = ""
_PRIVATE_BLOCK: Final = re.compile(
    r"-----BEGIN (?P<label>[A-Z ]*PRIVATE KEY)-----[^-]+-----END (?P=label)-----"
)


class PublishedKeys:
    """The private keys of one document.

    Args:
        parse: Parses an entry that is a JWK.
    """

    def __init__(self, parse: Callable[[Any, str | None], VerificationKey]) -> None:
        self._parse = parse
        self._everywhere: set[str] = set()
        self._by_key_id: dict[str, set[str]] = {}

    def add(self, key_id: str | None, entry: Any) -> None:
        """Note an entry with a private key: a JWK or PEM text."""
        fingerprint, is_real = self._find(entry)
        if fingerprint and is_real:
            self._everywhere.add(fingerprint)
        if key_id is not None:
            self._by_key_id.setdefault(key_id, set()).add(fingerprint)
            if isinstance(entry, DoubledObject):
                self._by_key_id[key_id].add(_UNREADABLE)

    def contain(self, key_id: str, key: VerificationKey) -> bool:
        """Return whether any program may be able to sign with this key."""
        named = self._by_key_id.get(key_id, set())
        return key.fingerprint in self._everywhere or bool(named & {key.fingerprint, _UNREADABLE})

    def _find(self, entry: Any) -> tuple[str, bool]:
        """Return the fingerprint of the public key, and whether the private key may be real."""
        try:
            if isinstance(entry, Mapping):
                return self._parse(public_part(entry), None).fingerprint, _is_real(entry)
            return bind(_from_pem(entry), None, "document").fingerprint, True
        # What OpenSSL says of a broken or encrypted key; the message may quote it.
        except (ValueError, TypeError, UnsupportedAlgorithm):
            return _UNREADABLE, False


def _is_real(jwk: Mapping[str, Any]) -> bool:
    """Return whether a private member is as long as a real one: half of the public key, or more."""
    public = max((len(jwk[name]) for name in "nx" if isinstance(jwk.get(name), str)), default=0)
    private = [jwk[name] for name in PRIVATE_MEMBERS if isinstance(jwk.get(name), str)]
    # A shorter private exponent of RSA is found out from the public key alone.
    return any(3 * len(value) >= public for value in private)


def _from_pem(text: str) -> object:
    block = _PRIVATE_BLOCK.search(with_line_breaks(text)[0])
    if block is None:
        raise InvalidKeyError("expected a private key")
    # The check of the numbers takes a second, and this key is not used.
    return load_pem_private_key(
        block[0].encode(), None, unsafe_skip_rsa_key_validation=True
    ).public_key()
