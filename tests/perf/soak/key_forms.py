"""Forms in which identity providers write the same keys; a rotation may bring any of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

Jwks = Sequence[dict[str, Any]]

_ODD = '{"kid": "odd", "kty": "RSA", "x": 99999999999999999999, "use": "sig", "use": "enc"}'
_NULLS: dict[str, Any] = {"d": None, "oth": [], "key_ops": [], "x5c": [], "p": ""}


def _document(jwks: Jwks) -> bytes:
    return json.dumps({"keys": jwks}).encode()


def _with_encryption_keys(jwks: Jwks) -> bytes:
    return _document(
        [entry for jwk in jwks for entry in (jwk, jwk | {"use": "enc", "alg": "RSA-OAEP"})]
    )


def _for_each_algorithm(jwks: Jwks) -> bytes:
    return _document([jwk | {"alg": alg} for jwk in jwks for alg in ("RS512", "RS256")])


def _padded(jwks: Jwks) -> bytes:
    standard = str.maketrans("-_", "+/")
    return _document([jwk | {"n": jwk["n"].translate(standard) + "=="} for jwk in jwks])


def _beside_odd_entries(jwks: Jwks) -> bytes:
    entries = ", ".join([_ODD, *map(json.dumps, jwks), "5", '{"kty": "oct", "k": "AAAA"}'])
    return f'{{"keys": [{entries}], "issuer": "https://sso.example.org"}}'.encode()


DOCUMENTS: Sequence[Callable[[Jwks], bytes]] = (
    _document,
    _with_encryption_keys,
    lambda jwks: _document([jwk | _NULLS for jwk in jwks]),
    _for_each_algorithm,
    _padded,
    lambda jwks: _document([*jwks, *reversed(jwks)]),
    _beside_odd_entries,
    lambda jwks: b"\xef\xbb\xbf" + _document(jwks),
)
"""Ways to write a key set."""

PEMS: Sequence[Callable[[bytes], bytes]] = (
    lambda pem: pem,
    lambda pem: b"\xef\xbb\xbf" + pem.replace(b"\n", b"\r\n"),
    lambda pem: b"Bag Attributes: none\n" + pem,
    lambda pem: pem + pem,
)
"""Ways to write the key of a key server."""
