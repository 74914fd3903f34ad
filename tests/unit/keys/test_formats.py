from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.conformance.jitsi_keys import document_of_jitsi, key_of_jitsi
from tests.support.keys import RSA_KEY, certificate, pem, rsa_jwk
from tests.support.paths import VECTORS
from verifier.keys.formats import (
    MAX_DOCUMENT_BYTES,
    MAX_DOCUMENT_KEYS,
    parse_document,
    parse_key_file,
    parse_public_key,
    parse_secret,
    split_secrets,
    to_pem,
)
from verifier.keys.model import SKIP_REASONS, InvalidKeyError, VerificationKey
from verifier.tokens import jws

RSA_ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
SMALL_RSA_KEY = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505  # on purpose
EC_KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
ED_KEY = ed25519.Ed25519PrivateKey.generate().public_key()


def private_pem(key: Any) -> str:
    text: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return text.decode()


def ec_jwk(**members: Any) -> dict[str, Any]:
    return {**ECAlgorithm.to_jwk(EC_KEY, as_dict=True), "kid": "ec", **members}


def ed_jwk(**members: Any) -> dict[str, Any]:
    return {**OKPAlgorithm.to_jwk(ED_KEY, as_dict=True), "kid": "ed", **members}


def jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


def reasons(body: bytes) -> list[tuple[str, str | None]]:
    document = parse_document(body, "document")
    return [(skipped.reason, skipped.key_id) for skipped in document.skipped]


# Recorded answers of Jitsi


def recorded() -> Iterator[dict[str, Any]]:
    with VECTORS.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def keys_of_case(case: dict[str, Any], key_id: Any, *, as_jitsi: bool) -> list[VerificationKey]:
    config = case["config"]
    try:
        if "cache_keys_url" in config and case["jwks"] is not None:
            found = document_of_jitsi(case["jwks"]) if as_jitsi else case["jwks"]
            body = found if isinstance(found, str) else json.dumps(found)
            document = parse_document(body.encode(), "document")
            return [document.keys[key_id]]
        if "asap_key_server" in config:
            body = (case["keys"] or {})[key_id]
            key = key_of_jitsi(body) or "" if as_jitsi else body
            return [parse_public_key(key, key_id, "asap")]
        if config.get("signature_algorithm", "HS256").startswith("HS"):
            return [parse_secret(config["app_secret"])]
        return [parse_public_key(config["app_secret"], None, "file")]
    except (InvalidKeyError, KeyError, TypeError):
        return []


def verifies(case: dict[str, Any], *, as_jitsi: bool = True) -> bool:
    try:
        encoded_header, _, encoded_signature = case["token"].encode().split(b".")
        header = jws.decode_object(encoded_header)
        signature = jws.decode_base64url(encoded_signature)
    except (ValueError, AttributeError):
        return False
    by_url = {"cache_keys_url", "asap_key_server"} & case["config"].keys()
    pinned = case["config"].get("signature_algorithm", "RS256" if by_url else "HS256")
    if header.get("alg") != pinned or (by_url and "kid" not in header):
        return False
    signing_input = case["token"].rpartition(".")[0].encode()
    keys = keys_of_case(case, header.get("kid"), as_jitsi=as_jitsi)
    return any(key.verify(pinned, signing_input, signature) for key in keys)


def test_every_key_that_jitsi_uses_is_usable() -> None:
    strict = [
        case
        for case in recorded()
        if case["expect"]["decision"] == "allow" and not case["expect"].get("may_deny")
    ]
    with_token = [case for case in strict if case["token"] is not None and "uncertain" not in case]
    assert len(with_token) > 500
    assert [case["id"] for case in with_token if not verifies(case)] == []


@pytest.mark.parametrize("category", ["keys", "alg-confusion", "signature"])
def test_no_key_is_usable_where_jitsi_refuses(category: str) -> None:
    refused = [
        case
        for case in recorded()
        if case["category"] == category
        and case["expect"]["decision"] == "deny"
        and (case["expect"]["crash"] or case["expect"]["auth"]["reason"] != "Invalid typ")
    ]
    assert len(refused) > 50
    assert [(case["id"], case["note"]) for case in refused if verifies(case)] == []


def test_all_differences_from_jitsi_are_listed() -> None:
    """Unlike Jitsi, the service uses keys next to a bad entry, and it respects a key's ``alg``."""
    refused, allowed = set(), set()
    for case in recorded():
        if case["token"] is None or "uncertain" in case or case["jwks"] is None:
            continue
        expect, usable = case["expect"], verifies(case, as_jitsi=False)
        if expect["decision"] == "allow" and not expect.get("may_deny") and not usable:
            refused.add(
                case["jwks"]["keys"][0]["alg"] + " for " + case["config"]["signature_algorithm"]
            )
        if expect["decision"] == "deny" and case["category"] == "keys" and usable:
            allowed.add(case["note"])
    assert refused == {"RS256 for RS384", "RS256 for RS512"}
    assert allowed == {
        "jwks256: oct key first",
        "cert256: public PEM, not certificate",
        "cert256: leading newline before certificate; upper-case room claim",
    }


# Secrets


@pytest.mark.parametrize(
    "text", ["short", "пароль", "a" * 5000, "with spaces ", "MIIB", '{"a": 1}']
)
def test_text_that_is_not_a_key_is_a_secret(text: str) -> None:
    key = parse_secret(text)
    assert key.algorithms == {"HS256", "HS384", "HS512"}
    assert (key.key_id, key.source, key.fingerprint) == (None, "secret", "")
    assert text not in repr(key)


@pytest.mark.parametrize(
    "text",
    [
        pem(RSA_KEY),
        pem(EC_KEY),
        certificate(RSA_KEY),
        "  \n" + pem(RSA_KEY),
        "-----BEGIN PUBLIC KEY-----",
        "---- BEGIN SSH2 PUBLIC KEY ----",
        "ssh-rsa AAAAB3NzaC1yc2E= someone@example.org",
        json.dumps(rsa_jwk()),
        json.dumps({"kty": "oct", "k": "AAAA"}),
        RSA_KEY.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        "",
        b"",
    ],
)
def test_public_key_is_refused_as_a_secret(text: str | bytes) -> None:
    with pytest.raises(InvalidKeyError, match="expected a shared secret"):
        parse_secret(text)


def test_file_of_secrets_has_lines_or_pem_blocks() -> None:
    block = pem(RSA_KEY).strip()
    assert split_secrets("one\r\n\n  \n two \n") == ["one", " two "]
    assert split_secrets(f"{block}\nlast") == [block, "last"]
    assert split_secrets("\n") == []


# Single public keys


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (RSA_KEY, RSA_ALGORITHMS),
        (EC_KEY, {"ES256"}),
        (ec.generate_private_key(ec.SECP384R1()).public_key(), {"ES384"}),
        (ec.generate_private_key(ec.SECP521R1()).public_key(), {"ES512"}),
        (ED_KEY, {"EdDSA"}),
        (ed448.Ed448PrivateKey.generate().public_key(), {"EdDSA"}),
    ],
    ids=["rsa", "p-256", "p-384", "p-521", "ed25519", "ed448"],
)
def test_key_is_bound_to_the_algorithms_of_its_type(key: Any, algorithms: set[str]) -> None:
    assert parse_public_key(pem(key), "k", "file").algorithms == algorithms


def test_rsassa_pss_key_is_bound_to_ps_algorithms() -> None:
    spki = bytearray(
        RSA_KEY.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    # rsaEncryption with NULL becomes RSASSA-PSS without parameters: 2 bytes less, twice.
    start = spki.index(bytes.fromhex("300d06092a864886f70d0101010500"))
    spki[start : start + 15] = bytes.fromhex("300b06092a864886f70d01010a")
    spki[2:4] = (int.from_bytes(spki[2:4]) - 2).to_bytes(2)
    text = "-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(spki).decode()
    key = parse_public_key(text + "-----END PUBLIC KEY-----\n", "k", "file")
    assert key.algorithms == {"PS256", "PS384", "PS512"}


def test_pem_certificate_and_jwk_give_the_same_key() -> None:
    keys = [
        parse_public_key(text, "good", "file")
        for text in (pem(RSA_KEY), certificate(RSA_KEY), json.dumps(rsa_jwk()))
    ]
    assert keys[1].validity is not None
    assert keys[0] == replace(keys[1], validity=None) == keys[2]
    assert len(keys[0].fingerprint) == 64


@pytest.mark.parametrize(
    "form",
    [
        lambda text: text.strip(),
        lambda text: "\n\n" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "Bag Attributes: none\n" + text + "trailing words\n",
        lambda text: text.replace("-----\n", "----- \n"),
    ],
)
def test_pem_may_have_text_around_it(form: Callable[[str], str]) -> None:
    assert parse_public_key(form(pem(RSA_KEY)), "k", "asap").algorithms == RSA_ALGORITHMS


PRIVATE = private_pem(ec.generate_private_key(ec.SECP256R1()))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "malformed"),
        ("not a key", "malformed"),
        ("<html>not found</html>", "malformed"),
        (pem(RSA_KEY)[:200], "malformed"),
        (pem(RSA_KEY) + pem(EC_KEY), "malformed"),
        (pem(RSA_KEY) * 21, "malformed"),
        (pem(RSA_KEY).replace("MIIB", "!!!!"), "malformed"),
        (pem(RSA_KEY).replace("MIIB", "AAAA"), "malformed"),
        (pem(RSA_KEY).replace("IDAQAB", "IDAQABAAAA"), "malformed"),
        (PRIVATE, "private"),
        (pem(EC_KEY) + PRIVATE, "private"),
        (PRIVATE.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), "private"),
        (certificate(RSA_KEY).replace("CERTIFICATE", "CERTIFICATE REQUEST"), "key-type"),
        (pem(SMALL_RSA_KEY), "key-size"),
        (pem(rsa.RSAPublicNumbers(3, (1 << 8999) + 1).public_key()), "key-size"),
        (
            pem(rsa.RSAPublicNumbers((1 << 80) + 1, RSA_KEY.public_numbers().n).public_key()),
            "key-size",
        ),
        (pem(ec.generate_private_key(ec.SECP256K1()).public_key()), "key-type"),
        (pem(x25519.X25519PrivateKey.generate().public_key()), "key-type"),
        (pem(dsa.generate_private_key(2048).public_key()), "key-type"),
        ('{"kty": "RSA"}', "malformed"),
        ("{", "malformed"),
        (json.dumps(rsa_jwk(kid="other")), "key-id"),
    ],
)
def test_other_text_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidKeyError) as refusal:
        parse_public_key(text, "good", "asap")
    assert refusal.value.reason == reason
    assert refusal.value.reason in SKIP_REASONS


def test_error_does_not_quote_the_key() -> None:
    with pytest.raises(InvalidKeyError) as refusal:
        parse_public_key(PRIVATE, "k", "file")
    assert not any(line in str(refusal.value) for line in PRIVATE.splitlines())
    assert refusal.value.__cause__ is None


def test_dates_of_a_certificate_are_ignored() -> None:
    text = certificate(RSA_KEY, 100, 200)
    assert parse_public_key(text, "k", "asap").algorithms == RSA_ALGORITHMS


def test_only_public_keys_are_written_as_pem() -> None:
    key = parse_public_key(certificate(EC_KEY), "k", "document")
    assert to_pem(key).decode() == pem(EC_KEY)
    with pytest.raises(InvalidKeyError, match="found a shared secret"):
        to_pem(parse_secret("secret"))


# Documents

BAD_JWKS: list[tuple[dict[str, Any], str]] = [
    ({"kty": "oct", "kid": "bad", "k": "AAAA"}, "symmetric"),
    (rsa_jwk(kid="bad", d="AAAA"), "private"),
    (rsa_jwk(kid="bad", p="AAAA", q="AAAA"), "private"),
    (ec_jwk(kid="bad", d="AAAA"), "private"),
    (rsa_jwk(kid="bad", use="enc"), "use"),
    (rsa_jwk(kid="bad", use=["sig", "enc"]), "use"),
    (rsa_jwk(kid="bad", key_ops=["encrypt"]), "use"),
    (rsa_jwk(kid="bad", key_ops="encrypt"), "use"),
    (rsa_jwk(kid="bad", key_ops=["sign", "encrypt"]), "use"),
    (RSAAlgorithm.to_jwk(SMALL_RSA_KEY, as_dict=True) | {"kid": "bad"}, "key-size"),
    (rsa_jwk(kid="bad", kty="AKP"), "key-type"),
    (rsa_jwk(kid="bad", kty="EC"), "key-type"),
    (rsa_jwk(kid="bad", kty=5), "key-type"),
    (ec_jwk(kid="bad", crv="secp256k1"), "key-type"),
    (ed_jwk(kid="bad", crv="X25519"), "key-type"),
    (rsa_jwk(kid="bad", alg="RSA-OAEP"), "algorithm"),
    (rsa_jwk(kid="bad", alg="HS256"), "algorithm"),
    (rsa_jwk(kid="bad", alg="ES256"), "algorithm"),
    (rsa_jwk(kid="bad", alg="none"), "algorithm"),
    (rsa_jwk(kid="bad", alg=5), "malformed"),
    (ec_jwk(kid="bad", alg="ES384"), "algorithm"),
    (rsa_jwk(kid="bad", n="AAAA=A"), "malformed"),
    (rsa_jwk(kid="bad", n="AAAAA"), "malformed"),
    (rsa_jwk(kid="bad", n=""), "malformed"),
    (rsa_jwk(kid="bad", n="a*b/"), "malformed"),
    (rsa_jwk(kid="bad", n=5), "malformed"),
    (rsa_jwk(kid="bad", n=None), "malformed"),
    (rsa_jwk(kid="bad", e="é"), "malformed"),
    (ec_jwk(kid="bad", x="AAAA"), "malformed"),
    (ec_jwk(kid="bad", y=ec_jwk()["x"]), "malformed"),
    (ec_jwk(kid="bad", x="A" + ec_jwk()["x"] + "AAAA"), "malformed"),
    (ed_jwk(kid="bad", x="AAAA"), "malformed"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_JWKS)
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_bad_entry_is_skipped_and_the_others_are_used(
    bad: dict[str, Any], reason: str, *, first: bool
) -> None:
    body = jwks(bad, rsa_jwk()) if first else jwks(rsa_jwk(), bad)
    document = parse_document(body, "document")
    assert list(document.keys) == ["good"]
    assert [(skipped.reason, skipped.key_id) for skipped in document.skipped] == [(reason, "bad")]
    assert document.skipped[0].detail
    assert reason in SKIP_REASONS


@pytest.mark.parametrize("kid", [None, 5.5, True, [], {}, "\ud800", 10**20, ...])
def test_key_without_a_key_id_is_skipped(kid: Any) -> None:
    nameless = rsa_jwk(kid=kid)
    if kid is ...:
        del nameless["kid"]
    assert [reason for reason, _ in reasons(jwks(nameless, ec_jwk()))] == ["key-id"]


def test_entry_that_is_not_an_object_is_skipped() -> None:
    assert reasons(jwks("x", None, 5, [], rsa_jwk())) == [("malformed", None)] * 4


@pytest.mark.parametrize("key_id", ["", "a b", "a/b?c", "\0", "ключ", "k" * 5000, "keys"])
def test_any_text_is_a_key_id(key_id: str) -> None:
    assert list(parse_document(jwks(rsa_jwk(kid=key_id)), "document").keys) == [key_id]
    body = json.dumps({key_id: certificate(RSA_KEY)}).encode()
    assert list(parse_document(body, "document").keys) == [key_id]


def test_key_is_bound_to_its_own_algorithm() -> None:
    body = jwks(rsa_jwk(alg="RS512"))
    assert parse_document(body, "document").keys["good"].algorithms == {"RS512"}
    body = jwks(rsa_jwk())
    assert parse_document(body, "document").keys["good"].algorithms == RSA_ALGORITHMS


def test_keys_after_one_that_stops_jitsi_are_used() -> None:
    body = jwks(rsa_jwk(kid="first"), ec_jwk(), rsa_jwk(kid="last"))
    assert list(parse_document(body, "document").keys) == ["first", "ec", "last"]


def test_certificate_map_is_parsed_and_bad_entries_skipped() -> None:
    body = json.dumps(
        {
            "certificate": certificate(RSA_KEY),
            "expired": certificate(RSA_KEY, 1, 2),
            "key": pem(EC_KEY),
            "number": 5,
            "null": None,
            "object": {},
            "garbage": "x",
            "weak": pem(SMALL_RSA_KEY),
            "private": PRIVATE,
        }
    ).encode()
    document = parse_document(body, "document")
    assert list(document.keys) == ["certificate", "expired", "key"]
    assert {skipped.key_id: skipped.reason for skipped in document.skipped} == {
        **dict.fromkeys(["number", "null", "object", "garbage"], "malformed"),
        "weak": "key-size",
        "private": "private",
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"5",
        b"null",
        b'"text"',
        b'{"keys": [}',
        b'{"keys": [], "keys": [5]}',
        b'{"keys": []} {}',
        b'{"keys": []}\0',
        '{"keys": []}'.encode("utf-16"),
        '{"keys": []}'.encode("utf-16-be"),
        b'{"a": ' + b"[" * 501 + b"]" * 501 + b"}",
        b'{"a": ' + b"[" * 100_000,
        b" " * MAX_DOCUMENT_BYTES + b"{}",
        jwks(*[rsa_jwk()] * (MAX_DOCUMENT_KEYS + 1)),
        json.dumps(dict.fromkeys(map(str, range(MAX_DOCUMENT_KEYS + 1)), "")).encode(),
    ],
)
def test_document_outside_json_or_limits_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidKeyError) as refusal:
        parse_document(body, "document")
    assert refusal.value.__cause__ is None


def test_document_of_a_thousand_keys_is_parsed() -> None:
    body = jwks(*[ec_jwk(kid=str(number)) for number in range(MAX_DOCUMENT_KEYS)])
    assert len(parse_document(body, "document").keys) == MAX_DOCUMENT_KEYS


def test_empty_document_is_valid() -> None:
    for body in (b'{"keys": []}', b'{"keys": null}', b'{"keys": [], "keys": []}', b"[]", b"{}"):
        assert parse_document(body, "document").keys == {}


# Files


def test_single_key_in_file_has_given_key_id() -> None:
    for text in (pem(RSA_KEY), certificate(RSA_KEY), json.dumps(rsa_jwk())):
        document = parse_key_file(text.encode(), "good")
        assert list(document.keys) == ["good"]
        assert document.static == ()


def test_key_without_key_id_serves_any_token() -> None:
    assert [key.key_id for key in parse_key_file(pem(RSA_KEY).encode(), None).static] == [None]
    assert list(parse_key_file(json.dumps(rsa_jwk()).encode(), None).keys) == ["good"]
    nameless = {name: value for name, value in rsa_jwk().items() if name != "kid"}
    assert len(parse_key_file(json.dumps(nameless).encode(), None).static) == 1


def test_jwk_set_in_a_file_keeps_its_key_ids() -> None:
    document = parse_key_file(jwks(rsa_jwk(), ec_jwk(), rsa_jwk(kid="e", use="enc")), "label")
    assert list(document.keys) == ["good", "ec"]
    assert [skipped.reason for skipped in document.skipped] == ["use"]


@pytest.mark.parametrize("body", [b"", b"\xff", b"{}", jwks(), jwks({}), b"-----BEGIN "])
def test_file_without_a_usable_key_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidKeyError):
        parse_key_file(body, "k")
