"""Suggestions about form, algorithm, key and signature: one sentence for each mistake."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.explanations import (
    GOOD,
    POLICY,
    PRIVATE_KEY,
    RS256,
    check_suggestion,
    rs256,
    signed,
)
from tests.support.tokens import SECRET, segment, sign
from verifier.keys.formats import parse_secret
from verifier.keys.model import KeySet, bind


@pytest.mark.parametrize(
    "key", [base64.b64decode("c2VjcmV0IHdpdGggMSBwYWQ="), bytes(range(200, 233))]
)
def test_secret_decoded_from_base64_is_recognised(key: bytes) -> None:
    for encoded in (base64.b64encode(key), base64.urlsafe_b64encode(key).rstrip(b"=")):
        keys = KeySet((parse_secret(encoded),))
        token = sign(GOOD, key=key)
        check_suggestion(
            "signature-invalid", token, "decoded from base64", "as it stands", keys=keys
        )


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_secret_encoded_in_base64_is_recognised(encode: Any) -> None:
    keys = KeySet((parse_secret("first secret"), parse_secret("a>?secret of 32 bytes or more?>~~")))
    encoded = encode(b"a>?secret of 32 bytes or more?>~~")
    for key in (encoded, encoded.rstrip(b"=")):
        check_suggestion(
            "signature-invalid", sign(GOOD, key=key), "encoded in base64", "configure", keys=keys
        )


def test_hexadecimal_secret_and_line_break_are_recognised() -> None:
    raw = hashlib.sha256(b"any").digest()
    keys = KeySet((parse_secret(raw.hex()),))
    check_suggestion(
        "signature-invalid", sign(GOOD, key=raw), "decoded from hexadecimal", keys=keys
    )
    check_suggestion(
        "signature-invalid", sign(GOOD, key=SECRET.encode().hex()), "encoded in hexadecimal"
    )
    check_suggestion("signature-invalid", sign(GOOD, key=f"{SECRET}\n"), "line break")


def test_other_reading_of_a_secret_stays_denied() -> None:
    encoded = base64.b64encode(SECRET.encode())
    check_suggestion("signature-invalid", sign(GOOD, key=encoded), "encoded in base64")


def test_wrong_secret_differs_from_token_for_another_server() -> None:
    found = check_suggestion(
        "signature-invalid", sign(GOOD, key="x" * 40), "app_secret", "JWT_APP_SECRET"
    )
    assert "iss" not in found
    other = sign(GOOD | {"iss": "elsewhere"}, key="x" * 40)
    check_suggestion("signature-invalid", other, "its iss", "another server")


def test_wrong_private_key_is_named() -> None:
    policy = replace(POLICY, signature_algorithm="RS256")
    key = parse_rsa(rsa.generate_private_key(65537, 2048))
    check_suggestion(
        "signature-invalid", rs256(), "private key", policy=policy, keys=KeySet((key,))
    )


def test_mixed_up_key_types_name_both_solutions() -> None:
    words = ("app_secret", "HS256", "RS256", "JWT_SIGN_TYPE", "public key", "cache_keys_url")
    check_suggestion("algorithm-not-allowed", rs256(), *words)
    reverse = ("private key", "RS256", "secret", "HS256", "JWT_SIGN_TYPE")
    check_suggestion(
        "algorithm-not-allowed", signed({"kid": "k"}), *reverse, policy=RS256, keys=KeySet()
    )
    static = replace(POLICY, signature_algorithm="RS256")
    check_suggestion("algorithm-not-allowed", signed(), *reverse, policy=static, keys=KeySet())


def test_each_other_algorithm_has_its_suggestion() -> None:
    check_suggestion(
        "algorithm-not-allowed", signed({"alg": "HS512"}), "HS256", "JWT_SIGN_TYPE", "HS512"
    )
    check_suggestion("algorithm-not-allowed", signed({"alg": "none"}), "unsigned", "HS256")
    check_suggestion("algorithm-not-allowed", signed({"alg": "hs256"}), '"alg": "HS256"')
    check_suggestion("algorithm-not-allowed", signed({"alg": 5}), '"alg": "HS256"')
    es256 = signed({"alg": "ES256", "kid": "k"})
    check_suggestion(
        "algorithm-not-allowed", es256, "RS256", "Jitsi itself", policy=RS256, keys=KeySet()
    )
    without = f"{segment({'typ': 'JWT'})}.{segment(GOOD)}.{segment(b'x')}"
    check_suggestion("algorithm-missing", without, '"alg": "HS256"')


def test_missing_and_unknown_key_id_name_key_sources() -> None:
    policy, keys = RS256, KeySet()
    check_suggestion("key-id-missing", rs256(), "kid", "asap_key_server", policy=policy, keys=keys)
    check_suggestion("key-id-missing", rs256(kid=7), "kid", "as a string", policy=policy, keys=keys)
    digest = hashlib.sha256(b"k-1").hexdigest()
    check_suggestion(
        "key-unknown", rs256(kid="k-1"), '"k-1"', f"{digest}.pem", policy=policy, keys=keys
    )
    gone = KeySet(unavailable=True)
    check_suggestion("keys-unavailable", rs256(kid="k-1"), "reachable", policy=policy, keys=gone)
    static = replace(POLICY, signature_algorithm="RS256")
    check_suggestion(
        "key-unknown", rs256(kid="k-1"), '"k-1"', "public_keys", policy=static, keys=keys
    )
    check_suggestion("key-unknown", rs256(), "kid", policy=static, keys=keys)


def test_missing_type_and_access_token_are_named() -> None:
    without = f"{segment({'alg': 'HS256'})}.{segment(GOOD)}.{segment(b'x')}"
    check_suggestion("type-not-jwt", without, '"typ": "JWT"', "header")
    check_suggestion("type-not-jwt", signed({"typ": "jwt"}), '"typ": "JWT"', "capitals")
    check_suggestion("type-not-jwt", signed({"typ": "at+jwt"}), "access token")


@pytest.mark.parametrize(
    ("mangle", "word"),
    [
        (lambda token: f"Bearer {token}", "Bearer"),
        (lambda token: f'"{token}"', "quotes"),
        (lambda token: token[:40] + "\n" + token[40:], "line breaks"),
        (lambda token: token[:-3] + "+/A", "base64url"),
        (lambda token: token.rpartition(".")[0], "has 2"),
        (lambda token: token.rpartition(".")[0] + ".", "signature, is empty"),
        (lambda token: f"{token}.x.y", "JWE"),
        (lambda _: "", "has 1"),
        (lambda token: token.replace("eyJ", "eyj", 1), "compact JWT"),
    ],
)
def test_malformed_token_is_described(mangle: Any, word: str) -> None:
    check_suggestion("token-malformed", mangle(signed()), word)


def test_padding_is_named_signed_or_added_later() -> None:
    check_suggestion("signature-invalid", signed().replace(".", "=.", 1), "padding")
    signing_input = f"{segment({'typ': 'JWT', 'alg': 'HS256'})}.{segment(GOOD)}="
    signature = hmac.digest(SECRET.encode(), signing_input.encode(), "sha256")
    check_suggestion("token-malformed", f"{signing_input}.{segment(signature)}", "padding")


def test_header_extensions_are_named() -> None:
    check_suggestion("token-malformed", signed({"crit": ["b64"]}), "crit")
    check_suggestion("token-malformed", signed({"zip": "DEF"}), "zip")


def test_missing_token_shows_where_to_add_it() -> None:
    check_suggestion("token-missing", None, "?jwt=", "JWT_ALLOW_EMPTY")
    guests = replace(POLICY, allow_empty_token=True)
    check_suggestion(
        "authentication-required", None, "?jwt=", policy=guests, room_requires_authentication=True
    )


def parse_rsa(key: rsa.RSAPrivateKey) -> Any:
    return bind(key.public_key(), None, "file")


def test_token_of_jaas_is_named() -> None:
    tenant = "vpaas-magic-cookie-1fc542a3e4414a44"
    claims = {"iss": "chat", "aud": "jitsi", "sub": tenant, "room": "*"}
    token = sign(claims, {"kid": f"{tenant}/4f4910"}, key=PRIVATE_KEY, algorithm="RS256")
    check_suggestion("algorithm-not-allowed", token, "a token for JaaS", "HS256", '"app"')
    check_suggestion("key-unknown", token, "a token for JaaS", policy=RS256)
    check_suggestion("signature-invalid", sign(claims, key="x" * 32), "a token for JaaS")
