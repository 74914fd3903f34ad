"""A public signing key from one JSON Web Key (RFC 7517, RFC 7518 section 6, RFC 8037).

Secrets, private keys and encryption keys are refused: a server that publishes one of them has
made a mistake, and a signature by a published private key proves nothing. This module does not
know the document that contains the key.

Programs write more forms than the standards allow. A form that has one reading only is read, and
noted as irregular (``interop_warning``). A form with two readings is refused:

=================================  ============================  ===================================
what the JWK has                   who writes it                 the key
=================================  ============================  ===================================
a member that is null or empty     .NET, PHP, Go, serializers    the same as without the member
base64 with ``=``, ``+``, ``/``    PHP, Java, hand-made servers  irregular
EC numbers of another size         Java, Keycloak before 20      irregular
leading zeros in ``n`` or ``e``    Java (the sign byte)          irregular
``use``, ``kty``, ``alg``,         hand-made servers             irregular
``crv`` or ``key_ops`` in another
case; all but ``key_ops`` between
blanks, or as a list of one
``e`` as a number                  hand-made servers             irregular
no ``kty``, but its members        hand-made servers             irregular
names of members in capitals,      .NET, without its attributes  irregular, if no member is ``kty``
such as ``Kty`` and ``KeyOps``
``key_ops`` of the private key     exported private keys         irregular
``x5c`` without ``n`` and ``e``    older certificate servers     irregular: the first certificate
``x5c`` with another key than      a certificate that was not    irregular: ``n`` and ``e``
``n`` and ``e``                    renewed with its key
an Ed25519 or Ed448 key of         any                           refused: it is no number, so that
another size                                                     zeros could be missing at any end
=================================  ============================  ===================================
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from verifier.keys.document_json import DoubledObject, make_object
from verifier.keys.model import (
    ALGORITHMS,
    InvalidKeyError,
    KeyMetadata,
    PublicKey,
    Source,
    VerificationKey,
    bind,
    quote,
)
from verifier.keys.pem import certificate_from_der

PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""``k`` is the value of a symmetric key; the others are of RSA, EC and OKP keys."""

_PUBLIC_MEMBERS: Final = frozenset({"kty", "crv", "n", "e", "x", "y", "x5c"})
_STANDARD_NAMES: Final = {name: name for name in (*_PUBLIC_MEMBERS, *PRIVATE_MEMBERS)} | {
    "kid": "kid",
    "use": "use",
    "alg": "alg",
    "keyops": "key_ops",
}
"""The names of members in RFC 7517, by the names in lower case that .NET's properties have."""
_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_EDWARDS: Final[Mapping[str, type[ed25519.Ed25519PublicKey | ed448.Ed448PublicKey]]] = {
    "Ed25519": ed25519.Ed25519PublicKey,
    "Ed448": ed448.Ed448PublicKey,
}
_WORDS: Final = {
    word.lower(): word
    for word in ("sig", "oct", "RSA", "EC", "OKP", *_CURVES, *_EDWARDS, *ALGORITHMS)
}
_EMPTY: Final[tuple[Any, ...]] = (None, "", [], {})
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+")
_TO_STANDARD: Final = str.maketrans("-_", "+/")


def parse_jwk(
    jwk: Mapping[str, Any], key_id: str | None, source: Source, irregular: str = ""
) -> VerificationKey:
    """Parse one JWK.

    Args:
        jwk: The JSON object.
        key_id: The ``kid`` of the resulting key; the JWK's own ``kid`` is not read.
        source: The kind of source that the JWK came from.
        irregular: What other programs may refuse in the text of the JWK; empty for nothing.

    Raises:
        InvalidKeyError: The JWK is not a public key that can check signatures.
    """
    members = _Members(jwk, irregular)
    _check_purpose(members)
    try:
        key, metadata = _read_key(members)
    except (ValueError, TypeError) as error:
        if isinstance(error, InvalidKeyError):
            raise
        # The library's message may quote the members.
        raise InvalidKeyError("the members of the JWK are not a valid key of its kty") from None
    algorithm = _algorithm(members, key)
    validity = metadata.validity
    return bind(
        key,
        key_id,
        source,
        KeyMetadata(algorithm, metadata.pss_only, members.interop_warning, validity),
    )


def with_standard_names(jwk: dict[str, Any]) -> dict[str, Any]:
    """Return a JWK whose members have the names of the standard.

    .NET's own reader takes names in any case, and its serializer writes ``Kty`` and ``KeyOps``.
    """
    pairs = jwk.pairs if isinstance(jwk, DoubledObject) else list(jwk.items())
    # A name in another case is no name of the standard if there is a ``kty``.
    if "kty" in jwk or all(name.lower() != "kty" for name, _ in pairs):
        return jwk
    return make_object([(_STANDARD_NAMES.get(name.lower(), name), value) for name, value in pairs])


def public_part(jwk: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a JWK says of its public key, without its purpose."""
    return {name: value for name, value in jwk.items() if name in _PUBLIC_MEMBERS}


def has_private_member(pairs: Iterable[tuple[str, Any]]) -> bool:
    """Return whether one of these members is private and has a value."""
    return any(name in PRIVATE_MEMBERS and value not in _EMPTY for name, value in pairs)


class _Members:
    """The members of a JWK that have a value, and what is irregular about them."""

    def __init__(self, jwk: Mapping[str, Any], irregular: str) -> None:
        # A serializer writes a member that has no value as null, or as an empty text or list.
        self.values = {name: value for name, value in jwk.items() if value not in _EMPTY}
        self._irregular = [irregular] if irregular else []
        self._padded: list[str] = []
        for name in ("kty", "use", "alg", "crv"):
            self._normalize_word(name)

    @property
    def interop_warning(self) -> str:
        """What other programs may read differently; empty if there is nothing."""
        # RFC 7518, section 2: an integer has no leading zero octets. Some programs refuse them.
        names = " and ".join(self._padded)
        padded = [f"leading zeros in {names} of its JWK"] if names else []
        return "; ".join(self._irregular + padded)

    def note(self, text: str) -> None:
        """Note an irregular form, which has one reading only."""
        self._irregular.append(text)

    def octets(self, name: str) -> bytes:
        """Return a member in base64url."""
        value = self.values.get(name)
        if not isinstance(value, str):
            raise InvalidKeyError(f"expected {name} to be a string of base64url")
        octets = _decode_base64(value, name)
        if urlsafe_b64encode(octets).rstrip(b"=").decode() != value:
            self.note(f"{name} is not canonical base64url")
        return octets

    def integer(self, name: str) -> int:
        """Return a member of an RSA key."""
        value = self.values.get(name)
        if type(value) is int and value > 0:
            self.note(f"{name} is a number")
            return value
        octets = self.octets(name)
        if octets[:1] == b"\0":
            self._padded.append(name)
        return int.from_bytes(octets)

    def coordinate(self, name: str, size: int) -> bytes:
        """Return a coordinate of an EC key, in its full size (RFC 7518, section 6.2.1.2)."""
        octets = self.octets(name)
        if len(octets) != size:
            self.note(f"{name} has {len(octets)} bytes instead of {size}")
        significant = octets.lstrip(b"\0")
        if len(significant) > size:
            raise InvalidKeyError(f"expected coordinates of {size} bytes")
        return significant.rjust(size, b"\0")

    def _normalize_word(self, name: str) -> None:
        """Write a member that is one of a few words in the form of the standards."""
        value = self.values.get(name)
        text = value[0] if isinstance(value, list) and len(value) == 1 else value
        word = _WORDS.get(text.strip().lower()) if isinstance(text, str) else None
        if word is not None and word != value:
            self.values[name] = word
            same = isinstance(value, str) and len(value) == len(word)
            self.note(f"{name} in another case" if same else f"{name} in another form")


def _check_purpose(members: _Members) -> None:
    if members.values.get("kty") == "oct":
        raise InvalidKeyError("expected a public key, found a symmetric one", "symmetric")
    private = sorted(PRIVATE_MEMBERS & members.values.keys())
    if private:
        raise InvalidKeyError(
            "expected a public key, found private members: " + ", ".join(private),
            "private",
        )
    # RFC 7517, sections 4.2 and 4.3: both members may be absent.
    use = members.values.get("use")
    if use not in (None, "sig"):
        raise InvalidKeyError(f"expected use to be sig, or absent, found {quote(use)}", "use")
    _check_operations(members)


def _check_operations(members: _Members) -> None:
    operations = members.values.get("key_ops", ["verify"])
    if not isinstance(operations, list):
        members.note("key_ops is no list")
        operations = [operations]
    words = [each.lower() if isinstance(each, str) else each for each in operations]
    if words != operations:
        members.note("key_ops in another case")
    if "verify" in words:
        return
    # What its owner does with the private key: the server left out the private members only.
    if words == ["sign"]:
        members.note("key_ops is sign")
        return
    raise InvalidKeyError(
        f"expected key_ops to contain verify, or to be absent, found {quote(operations)}", "use"
    )


def _algorithm(members: _Members, key: object) -> str | None:
    algorithm = members.values.get("alg")
    if algorithm is not None and not isinstance(algorithm, str):
        raise InvalidKeyError("expected alg to be a string")
    # RFC 9864, section 2.2: other names of EdDSA on one curve.
    fits = _EDWARDS.get(algorithm) if algorithm is not None else None
    return "EdDSA" if fits is not None and isinstance(key, fits) else algorithm


def _read_key(members: _Members) -> tuple[object, KeyMetadata]:
    values = members.values
    if "x5c" in values and not values.keys() & {"n", "e", "x", "y"}:
        members.note("x5c without the members of the key")
        return _first_certificate(members)
    key = _public_key(members)
    if "x5c" in values and _has_other_key(members, key):
        members.note("x5c has another key")
    return key, KeyMetadata()


def _has_other_key(members: _Members, key: PublicKey) -> bool:
    """Return whether the first certificate can be read and has another key."""
    try:
        return _first_certificate(members)[0] != key
    except ValueError:
        return False


def _public_key(members: _Members) -> PublicKey:
    kind, curve = members.values.get("kty") or _infer_type(members), members.values.get("crv")
    if kind == "RSA":
        return rsa.RSAPublicNumbers(e=members.integer("e"), n=members.integer("n")).public_key()
    if kind == "EC" and isinstance(curve, str) and curve in _CURVES:
        return _ec_key(members, _CURVES[curve])
    if kind == "OKP" and isinstance(curve, str) and curve in _EDWARDS:
        return _EDWARDS[curve].from_public_bytes(members.octets("x"))
    raise InvalidKeyError(
        "unknown kty or crv: expected RSA, EC with P-256, P-384 or P-521, OKP with Ed25519 or"
        f" Ed448, found {quote(kind)} with {quote(curve)}",
        "key-type",
    )


def _infer_type(members: _Members) -> str | None:
    """Return the only type that has these members."""
    names = members.values.keys() & {"n", "e", "crv", "x", "y"}
    kinds = {frozenset("ne"): "RSA", frozenset(("crv", "x", "y")): "EC"}
    kind = kinds.get(frozenset(names))
    if kind is not None:
        members.note("it has no kty")
    return kind


def _ec_key(members: _Members, curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    size = (curve.key_size + 7) // 8
    x, y = members.coordinate("x", size), members.coordinate("y", size)
    # 4 marks an uncompressed point (SEC 1, section 2.3.3). A point off the curve raises ValueError.
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + x + y)


def _first_certificate(members: _Members) -> tuple[object, KeyMetadata]:
    # RFC 7517, section 4.7: the first certificate has the key.
    chain = members.values["x5c"]
    first = chain[0] if isinstance(chain, list) else chain
    if not isinstance(first, str):
        raise InvalidKeyError("expected x5c to be a list of strings")
    return certificate_from_der(_decode_base64(first, "x5c"))


def _decode_base64(value: str, name: str) -> bytes:
    text = "".join(value.split()).rstrip("=")
    # Four characters are three bytes; one character beyond that is less than a byte.
    if _BASE64.fullmatch(text) is None or len(text) % 4 == 1:
        raise InvalidKeyError(f"{name}: expected base64url")
    return binascii.a2b_base64(text.translate(_TO_STANDARD) + "=" * (-len(text) % 4))
