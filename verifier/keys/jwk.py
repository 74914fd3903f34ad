"""A public signing key from one JSON Web Key (RFC 7517, RFC 7518 section 6, RFC 8037).

Secrets, private keys and encryption keys are refused: a server that publishes one of them has
made a mistake, and a signature by a published private key proves nothing. This module does not
know the document that contains the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from verifier.keys.model import (
    InvalidKeyError,
    KeyMetadata,
    PublicKey,
    Source,
    VerificationKey,
    bind,
)
from verifier.tokens import jws

# "k" is the value of a symmetric key; the others are private members of RSA, EC and OKP keys.
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_EDWARDS: Final[Mapping[str, type[ed25519.Ed25519PublicKey | ed448.Ed448PublicKey]]] = {
    "Ed25519": ed25519.Ed25519PublicKey,
    "Ed448": ed448.Ed448PublicKey,
}


def parse_jwk(jwk: Mapping[str, Any], key_id: str | None, source: Source) -> VerificationKey:
    """Parse one JWK.

    Args:
        jwk: The JSON object.
        key_id: The ``kid`` of the resulting key; the JWK's own ``kid`` is not read.
        source: The kind of source that the JWK came from.

    Raises:
        InvalidKeyError: The JWK is not a public key that can check signatures.
    """
    _check_purpose(jwk)
    algorithm = jwk.get("alg")
    if algorithm is not None and not isinstance(algorithm, str):
        raise InvalidKeyError("expected alg to be a string", "algorithm")
    try:
        key = _public_key(jwk)
    except (ValueError, TypeError) as error:
        if isinstance(error, InvalidKeyError):
            raise
        # The library's message may quote the members.
        raise InvalidKeyError("the members of the JWK are not a valid key of its kty") from None
    return bind(key, key_id, source, KeyMetadata(algorithm, interop_warning=_interop_warning(jwk)))


def _interop_warning(jwk: Mapping[str, Any]) -> str:
    """Return what other programs may read differently; empty if there is nothing."""
    # RFC 7518, section 2: an integer has no leading zero octets. Some programs refuse them.
    if jwk.get("kty") != "RSA":
        return ""
    padded = [name for name in ("n", "e") if _octets(jwk, name)[:1] == b"\0"]
    return f"leading zeros in {' and '.join(padded)} of its JWK" if padded else ""


def _check_purpose(jwk: Mapping[str, Any]) -> None:
    if jwk.get("kty") == "oct":
        raise InvalidKeyError("expected a public key, found a symmetric one", "symmetric")
    private = sorted(_PRIVATE_MEMBERS & jwk.keys())
    if private:
        raise InvalidKeyError(
            "expected a public key, found private members: " + ", ".join(private),
            "private",
        )
    # RFC 7517, sections 4.2 and 4.3: both members may be absent.
    if jwk.get("use", "sig") != "sig":
        raise InvalidKeyError("expected use to be sig, or absent", "use")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise InvalidKeyError("expected key_ops to contain verify, or to be absent", "use")


def _public_key(jwk: Mapping[str, Any]) -> PublicKey:
    kind, curve = jwk.get("kty"), jwk.get("crv")
    if kind == "RSA":
        return rsa.RSAPublicNumbers(e=_integer(jwk, "e"), n=_integer(jwk, "n")).public_key()
    if kind == "EC" and isinstance(curve, str) and curve in _CURVES:
        return _ec_key(jwk, _CURVES[curve])
    if kind == "OKP" and isinstance(curve, str) and curve in _EDWARDS:
        return _EDWARDS[curve].from_public_bytes(_octets(jwk, "x"))
    raise InvalidKeyError(
        "unknown kty or crv: expected RSA, EC with P-256, P-384 or P-521, OKP with Ed25519 or"
        " Ed448",
        "key-type",
    )


def _ec_key(jwk: Mapping[str, Any], curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    x, y = _octets(jwk, "x"), _octets(jwk, "y")
    # RFC 7518, section 6.2.1.2: a coordinate has its full size, with leading zeros.
    size = (curve.key_size + 7) // 8
    if len(x) != size or len(y) != size:
        raise InvalidKeyError(f"expected coordinates of {size} octets")
    # 4 marks an uncompressed point (SEC 1, section 2.3.3). A point off the curve raises ValueError.
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + x + y)


def _integer(jwk: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(_octets(jwk, name))


def _octets(jwk: Mapping[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str) or not value.isascii():
        raise InvalidKeyError(f"expected {name} to be a string of base64url")
    try:
        return jws.decode_base64url(value.encode("ascii"))
    except jws.MalformedError as error:
        raise InvalidKeyError(f"{name}: {error}") from None
