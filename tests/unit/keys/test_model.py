from __future__ import annotations

import hashlib
import hmac

import pytest

from verifier.keys.formats import parse_secret

HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
DATA = (b"", b"header.payload", b"x" * 20_000)


@pytest.mark.parametrize("length", [1, 32, 64, 65, 128, 129, 1_000])
def test_secret_verifies_many_signatures_in_any_order(length: int) -> None:
    secret = bytes(index % 251 for index in range(length))
    key, other = parse_secret(secret), parse_secret(secret + b"x")
    for _ in range(2):
        for data in DATA:
            for algorithm, algorithm_hash in HASHES.items():
                signature = hmac.digest(secret, data, algorithm_hash)
                assert key.verify(algorithm, data, signature)
                assert not other.verify(algorithm, data, signature)
                assert not key.verify(algorithm, data + b"x", signature)
                assert not key.verify(algorithm, data, signature[:-1])
                assert not key.verify(algorithm, data, b"")


def test_used_secret_equals_an_unused_one_and_is_not_shown() -> None:
    used, unused = parse_secret("a-secret"), parse_secret("a-secret")
    used.verify("HS256", b"", b"")
    assert used == unused
    assert hash(used) == hash(unused)
    assert repr(used) == repr(unused)
    assert "a-secret" not in repr(used)
