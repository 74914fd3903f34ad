"""JSON in tokens and bodies, and key documents."""

from __future__ import annotations

import json
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.fuzz.harness import Harness
from tests.fuzz.keys import public_pem, rsa_key
from verifier.keys.document import Document
from verifier.keys.formats import parse_document
from verifier.keys.model import ALGORITHMS, InvalidKeyError, VerificationKey
from verifier.tokens.jws import MAX_DEPTH, MalformedError, parse_object

_LONGEST_REFUSAL: Final = 300  # characters; an error quotes a URL at most
_SET: Final = b'{"keys": ['
_KEY_SECONDS: Final = 0.05  # a key document is read only when it has changed


def read_json(data: bytes) -> dict[str, Any] | str:
    """Return a strict JSON object, or the error."""
    try:
        return parse_object(data)
    except MalformedError as error:
        return str(error)


def check_json(data: bytes, found: dict[str, Any] | str) -> None:
    """Assert that Python's own parser reads the same value, and that it is strict JSON."""
    if isinstance(found, str):
        assert len(found) < _LONGEST_REFUSAL
        return
    assert repr(found) == repr(json.loads(data.decode("utf-8")))
    assert repr(found) == repr(json.loads(json.dumps(found, allow_nan=False)))
    json.dumps(found, ensure_ascii=False).encode("utf-8")
    assert _depth(found) <= MAX_DEPTH


def _depth(value: Any) -> int:
    children = list(value.values() if isinstance(value, dict) else value)
    nested = [each for each in children if isinstance(each, dict | list)]
    return 1 + max(map(_depth, nested), default=0)


def read_keys(data: bytes) -> Document | str:
    """Return a key document, or the error."""
    try:
        return parse_document(data, "document")
    except InvalidKeyError as error:
        return str(error)


def check_keys(data: bytes, found: Document | str) -> None:
    """Assert that all keys are public, and that no key accepts a trivial signature.

    Also assert that a good key beside the entries of a set is used, whatever the entries are.
    """
    if isinstance(found, str):
        assert len(found) < _LONGEST_REFUSAL
        return
    assert not found.static
    for key_id, named in found.keys.items():
        names = [name for key in named.all for name in key.algorithms]
        assert len(names) == len(set(names))
        for key in named.all:
            assert key.key_id == key_id
            _check_key(key)
    for entry in found.skipped:
        assert entry.detail.isascii()
        assert entry.detail.isprintable()
        assert len(entry.detail) < _LONGEST_REFUSAL
    if data.startswith(_SET) and found.skipped:
        beside = json.dumps(_NEIGHBOUR).encode()
        both = read_keys(data.replace(_SET, _SET + beside + b",", 1))
        assert isinstance(both, Document)
        assert "a neighbour" in both.keys


def _check_key(key: VerificationKey) -> None:
    assert key.algorithms <= ALGORITHMS.keys()
    assert not any(name.startswith("HS") for name in key.algorithms)
    assert not isinstance(key.material, bytes | str)
    assert key.fingerprint
    for algorithm in sorted(key.algorithms):
        for signature in (b"", bytes(64), bytes(256)):
            assert not key.verify(algorithm, b"e30.e30", signature)


def _key_seeds() -> list[bytes]:
    jwk = RSAAlgorithm.to_jwk(rsa_key().public_key(), as_dict=True)
    curve = {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}
    point = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret_pem = rsa_key().private_bytes(serialization.Encoding.PEM, *private).decode()
    sets: list[list[Any]] = [
        [jwk | {"kid": "a", "use": "sig"}, jwk | {"kid": "b", "alg": "RS256"}],
        [curve | {"y": point, "kid": "c"}, curve | {"y": point[::-1], "kid": "d"}],
        [{"kty": "oct", "kid": "e", "k": "c2VjcmV0"}, {"kty": "OKP", "crv": "Ed25519", "kid": "f"}],
        [jwk | {"kid": "g", "n": "AQAB", "e": "AA"}, jwk | {"kid": "h", "use": "enc"}],
        [jwk | {"kid": "i", "d": None, "oth": []}, curve | {"y": point, "kid": "i"}, 5, None],
        [jwk | {"kid": 7}, {"kid": "x5c", "kty": "RSA", "x5c": ["AAAA"]}, jwk | {"d": "AAAA"}],
    ]
    maps = [{"k": public_pem()}, {"k": secret_pem[:60]}, {"k": "-----BEGIN CERTIFICATE-----\nAA=="}]
    capitals = {name.upper(): value for name, value in jwk.items()}
    objects = [{"Keys": [capitals | {"Kid": "j"}]}, {"keys": {"1": jwk | {"kid": "k"}, "2": 5}}]
    maps.append({"k": public_pem().replace("\n", "\\n")})
    documents: list[Any] = [*({"keys": keys} for keys in sets), *objects, *maps]
    written = [json.dumps(document).encode() for document in documents]
    odd = b'{"keys": [{"kid": "a", "kid": "b", "x": 1e999, "y": 99999999999999999999, "z": NaN}]}'
    return [*written, odd, b'{"jwks_uri": "https://sso.example.org/certs"}', b"\xef\xbb\xbf[]"]


# A key of its own: an entry that publishes the private half of the seeds' key makes that unusable.
_NEIGHBOUR: Final = {
    **RSAAlgorithm.to_jwk(rsa.generate_private_key(65_537, 2_048).public_key(), as_dict=True),
    "kid": "a neighbour",
}


JSON: Final = Harness(
    read_json,
    check_json,
    [
        b'{"a": [1, -2.5e3, "x\\u00e9", null, true], "b": {"c": {}}}',
        b'{"a": 1, "a": 2}',
        b'{"a": NaN, "b": 9223372036854775808}',
        '{"é": "\\ud800", "ü": "😀"}'.encode(),
        b"[" * 70,
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b"\xef\xbb\xbf{}",
    ],
    longest=17_000,
)
KEYS: Final = Harness(read_keys, check_keys, _key_seeds(), _KEY_SECONDS, 8_192)
