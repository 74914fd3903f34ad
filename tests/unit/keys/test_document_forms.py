"""Key sets in the forms that identity providers write; each working key must be found."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.support.keys import (
    RSA_KEY,
    RSA_PRIVATE_KEY,
    certificate,
    certificate_chain,
    pem,
    rsa_jwk,
)
from verifier.keys.document import Document
from verifier.keys.formats import describe_skipped, parse_document, parse_key_file, parse_public_key
from verifier.keys.model import InvalidKeyError

RS = {"RS256", "RS384", "RS512"}
RSA_ALGORITHMS = RS | {"PS256", "PS384", "PS512"}
OTHER_KEY = rsa.generate_private_key(65537, 2048).public_key()
EC_KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
ED_KEY = ed25519.Ed25519PrivateKey.generate().public_key()
N = rsa_jwk()["n"]


def other_jwk(**members: Any) -> dict[str, Any]:
    jwk = RSAAlgorithm.to_jwk(OTHER_KEY, as_dict=True)
    return {"kty": "RSA", "n": jwk["n"], "e": jwk["e"], "kid": "good", **members}


def ec_jwk(key: ec.EllipticCurvePublicKey = EC_KEY, **members: Any) -> dict[str, Any]:
    return {**ECAlgorithm.to_jwk(key, as_dict=True), "kid": "ec", **members}


def private_jwk(**members: Any) -> dict[str, Any]:
    return {**RSAAlgorithm.to_jwk(RSA_PRIVATE_KEY, as_dict=True), "kid": "good", **members}


def read(*entries: Any) -> Document:
    return parse_document(json.dumps({"keys": entries}).encode(), "document")


def read_text(text: str | bytes) -> Document:
    return parse_document(text.encode() if isinstance(text, str) else text, "document")


def skipped(document: Document) -> list[tuple[str | None, str]]:
    return [(entry.key_id, entry.reason) for entry in document.skipped]


def is_good(document: Document, key: Any = RSA_KEY) -> bool:
    return bool(document.keys["good"].material == key)


# Several entries for one kid


@pytest.mark.parametrize(
    "entries",
    [
        [rsa_jwk(use="sig"), rsa_jwk(use="enc", alg="RSA-OAEP")],
        [rsa_jwk(use="sig"), other_jwk(use="enc")],
        [rsa_jwk(), other_jwk(alg="RSA-OAEP-256")],
        [rsa_jwk(), other_jwk(key_ops=["wrapKey"])],
        [rsa_jwk(), {"kty": "oct", "kid": "good", "k": "AAAA"}],
        [rsa_jwk(), {"kty": "XYZ", "kid": "good"}],
        [rsa_jwk(), {"kid": "good"}],
        [rsa_jwk(), {**private_jwk(), "n": other_jwk()["n"]}],
        [rsa_jwk(), rsa_jwk(n="AAAA")],
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_entry_that_cannot_sign_is_no_candidate(entries: list[Any], *, turned: bool) -> None:
    document = read(*reversed(entries) if turned else entries)
    assert is_good(document)
    assert not document.keys["good"].interop_warning
    assert [key_id for key_id, _ in skipped(document)] == ["good"]
    assert not document.ambiguous | document.refused | document.contested


@pytest.mark.parametrize(
    "entries",
    [
        [rsa_jwk()] * 2,
        [rsa_jwk(use="sig"), rsa_jwk(), rsa_jwk(key_ops=["verify"])],
        [rsa_jwk(), rsa_jwk(alg="RS256")],
        [
            rsa_jwk(),
            rsa_jwk(
                n=base64.urlsafe_b64encode(
                    b"\0" + RSA_KEY.public_numbers().n.to_bytes(256)
                ).decode()
            ),
        ],
        [rsa_jwk(), {"kty": "RSA", "kid": "good", "x5c": [certificate(RSA_KEY)[27:-27]]}],
    ],
)
def test_same_material_is_the_same_key(entries: list[Any]) -> None:
    document = read(*entries)
    key = document.keys["good"]
    assert (key.material, set(key.algorithms)) == (RSA_KEY, RSA_ALGORITHMS)
    assert not key.alternatives
    # One of the entries has the plain form, so that strict rules use the key.
    assert (key.interop_warning, key.validity, skipped(document)) == ("", None, [])


def test_key_published_for_each_algorithm_serves_all_of_them() -> None:
    document = read(*(rsa_jwk(alg=name) for name in sorted(RS)))
    assert document.keys["good"].algorithms == RS
    assert skipped(document) == []


def test_different_keys_for_different_algorithms_share_a_key_id() -> None:
    document = read(ec_jwk(kid="good"), rsa_jwk(), other_jwk(alg="HS256"))
    named = document.keys["good"].all
    assert [(key.material, set(key.algorithms)) for key in named] == [
        (RSA_KEY, RSA_ALGORITHMS),
        (EC_KEY, {"ES256"}),
    ]
    assert skipped(document) == [("good", "algorithm")]
    document = read(rsa_jwk(alg="RS256"), other_jwk(alg="PS256"))
    assert [key.algorithms for key in document.keys["good"].all] == [{"RS256"}, {"PS256"}]


def test_two_keys_for_one_key_id_and_algorithm_are_ambiguous() -> None:
    document = read(rsa_jwk(), ec_jwk(), other_jwk())
    assert list(document.keys) == ["ec"]
    assert skipped(document) == [("good", "duplicate-key-id")] * 2
    assert "2 different keys have this kid, for PS256" in document.skipped[0].detail
    assert document.ambiguous == document.contested == {"good"}
    assert not document.refused


def test_ambiguous_algorithm_leaves_the_others() -> None:
    document = read(rsa_jwk(), other_jwk(alg="RS512"), ec_jwk(kid="good"))
    first, second = document.keys["good"].all
    assert first.algorithms == RSA_ALGORITHMS - {"RS512"}
    assert second.material == EC_KEY
    assert "for RS512: expected one" in document.skipped[0].detail
    assert document.contested == {"good"}


# Private keys


@pytest.mark.parametrize(
    "private",
    [private_jwk(), rsa_jwk(d="AAAA"), {"kty": "RSA", "kid": "good", "d": "AAAA"}],
)
def test_key_whose_private_key_is_published_is_refused(private: dict[str, Any]) -> None:
    for entries in ([private], [rsa_jwk(), private], [private, rsa_jwk(), ec_jwk()]):
        document = read(*entries)
        assert "good" not in document.keys
        assert {entry.reason for entry in document.skipped} == {"private"}
        assert document.refused == {"good"}
        assert N not in repr(document.skipped)


def private_pem(form: serialization.PrivateFormat) -> str:
    encoding, unencrypted = serialization.Encoding.PEM, serialization.NoEncryption()
    return RSA_PRIVATE_KEY.private_bytes(encoding, form, unencrypted).decode()


PRIVATE = private_jwk(kid="other")
DOUBLED = json.dumps(PRIVATE)[:-1] + ', "d": null}'


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"keys": [rsa_jwk(), PRIVATE]}),
        json.dumps({"keys": [PRIVATE, rsa_jwk()]}),
        json.dumps({"keys": [rsa_jwk(), {**PRIVATE, "kid": None}]}),
        json.dumps({"keys": [rsa_jwk(), {**PRIVATE, "kid": 7}]}),
        json.dumps({"keys": [rsa_jwk(), {**PRIVATE, "use": "enc", "alg": "RSA-OAEP"}]}),
        json.dumps({"keys": [rsa_jwk(), {**PRIVATE, "n": N + "=="}]}),
        json.dumps({"keys": [rsa_jwk(), rsa_jwk(kid="other", p=PRIVATE["p"])]}),
        json.dumps({"keys": [rsa_jwk(), rsa_jwk(kid="other", dp=PRIVATE["dp"])]}),
        f'{{"keys": [{json.dumps(rsa_jwk())}, {DOUBLED}]}}',
        json.dumps({"good": pem(RSA_KEY), "other": private_pem(serialization.PrivateFormat.PKCS8)}),
        json.dumps(
            {
                "good": pem(RSA_KEY),
                "other": private_pem(serialization.PrivateFormat.PKCS8).replace("\n", "\\n"),
            }
        ),
        json.dumps({"keys": {"1": rsa_jwk(), "2": PRIVATE}}),
        json.dumps({"keys": [rsa_jwk(), {name.upper(): value for name, value in PRIVATE.items()}]}),
        json.dumps(
            {
                "other": private_pem(serialization.PrivateFormat.TraditionalOpenSSL),
                "good": certificate(RSA_KEY),
            }
        ),
    ],
)
def test_published_private_key_is_refused_under_every_key_id(text: str) -> None:
    document = read_text(text)
    assert document.keys == {}
    assert ("good", "private") in skipped(document)
    assert "good" in document.refused


@pytest.mark.parametrize(
    "other",
    [
        rsa_jwk(kid="other", d="AAAA"),
        {"kid": "other", "kty": "RSA", "d": PRIVATE["d"]},
        {**PRIVATE, "n": other_jwk()["n"]},
    ],
)
def test_private_key_that_is_not_real_does_not_harm_other_key_ids(other: dict[str, Any]) -> None:
    document = read(rsa_jwk(), other)
    assert is_good(document)
    assert skipped(document) == [("other", "private")]
    assert document.refused == {"other"}


def test_encrypted_private_key_in_a_map_does_not_harm_other_key_ids() -> None:
    encryption = serialization.BestAvailableEncryption(b"password")
    form = serialization.PrivateFormat.PKCS8
    locked = RSA_PRIVATE_KEY.private_bytes(serialization.Encoding.PEM, form, encryption).decode()
    document = read_text(json.dumps({"good": pem(RSA_KEY), "other": locked}))
    assert is_good(document)


@pytest.mark.parametrize("first", [None, "AAAA"])
def test_doubled_private_member_refuses_the_key_id(first: str | None) -> None:
    jwk = json.dumps(rsa_jwk(d=first))[:-1] + ', "d": "BBBB"}'
    for text in (f'{{"keys": [{jwk}]}}', f'{{"keys": [{json.dumps(rsa_jwk())}, {jwk}]}}'):
        document = read_text(text)
        assert not document.keys
        assert document.refused == {"good"}


# Members without a value


@pytest.mark.parametrize("empty", [None, "", [], {}])
@pytest.mark.parametrize(
    "name", ["d", "p", "oth", "k", "use", "key_ops", "alg", "x5c", "x5t", "x5u", "crv", "x", "ext"]
)
def test_member_without_a_value_is_absent(name: str, empty: Any) -> None:
    document = read(rsa_jwk(**{name: empty}))
    key = document.keys["good"]
    assert key.algorithms == RSA_ALGORITHMS
    assert not key.interop_warning


def test_every_member_of_a_serializer_may_be_null() -> None:
    rsa_members = ["d", "dp", "dq", "p", "q", "qi", "oth"]
    names = [*rsa_members, "alg", "crv", "k", "key_ops", "use", "x", "x5c", "x5t", "x5u", "y"]
    assert is_good(read(rsa_jwk(**dict.fromkeys(names), AdditionalData={}, HasPrivateKey=False)))


@pytest.mark.parametrize("value", ["AAAA", 5, False, [None], [{}], {"r": "AAAA"}])
@pytest.mark.parametrize("name", ["d", "oth", "k"])
def test_private_member_with_a_value_is_refused(name: str, value: Any) -> None:
    document = read(rsa_jwk(**{name: value}))
    assert (document.keys, skipped(document)) == ({}, [("good", "private")])


# Irregular forms


def short_ec_key(name: str) -> tuple[ec.EllipticCurvePublicKey, dict[str, Any]]:
    """Return a key whose coordinate begins with a zero octet, and its JWK without that octet."""
    for number in range(1, 5000):
        key = ec.derive_private_key(number, ec.SECP256R1()).public_key()
        octets = getattr(key.public_numbers(), name).to_bytes(32)
        if octets[0] == 0:
            short = base64.urlsafe_b64encode(octets.lstrip(b"\0")).rstrip(b"=").decode()
            return key, ec_jwk(key, **{name: short})
    raise AssertionError


@pytest.mark.parametrize("name", ["x", "y"])
def test_shortened_ec_coordinate_is_read(name: str) -> None:
    key, jwk = short_ec_key(name)
    found = read(jwk).keys["ec"]
    assert found.material == key
    assert found.interop_warning == f"{name} has 31 bytes instead of 32"
    whole = read(ec_jwk(key)).keys["ec"]
    assert (whole.material, whole.interop_warning) == (key, "")
    assert whole.fingerprint == found.fingerprint


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_ec_coordinate_with_a_sign_byte_is_read(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve).public_key()
    size = (curve.key_size + 7) // 8
    numbers = key.public_numbers()
    padded = {
        name: base64.urlsafe_b64encode(b"\0" + value.to_bytes(size)).decode()
        for name, value in (("x", numbers.x), ("y", numbers.y))
    }
    found = read(ec_jwk(key, **padded)).keys["ec"]
    assert found.material == key
    assert f"x has {size + 1} bytes instead of {size}" in found.interop_warning


STANDARD = str.maketrans("-_", "+/")


@pytest.mark.parametrize(
    ("members", "warning"),
    [
        ({"n": N + "=="}, "n is not canonical base64url"),
        ({"n": N + "="}, "n is not canonical base64url"),
        ({"n": N.translate(STANDARD) + "=="}, "n is not canonical base64url"),
        ({"n": N[:64] + "\r\n" + N[64:] + "\n"}, "n is not canonical base64url"),
        ({"e": "AQAB===="}, "e is not canonical base64url"),
        ({"e": "AAEAAQ"}, "leading zeros in e of its JWK"),
        ({"e": "AAEAAR"}, "e is not canonical base64url; leading zeros in e of its JWK"),
        ({"use": "SIG"}, "use in another case"),
        ({"kty": "rsa"}, "kty in another case"),
        ({"alg": "rs256"}, "alg in another case"),
        ({"use": " sig\n"}, "use in another form"),
        ({"use": ["SIG"]}, "use in another form"),
        ({"alg": ["RS256"]}, "alg in another form"),
        ({"alg": "RS256 "}, "alg in another form"),
        ({"e": 65537}, "e is a number"),
        ({"x5c": [certificate(OTHER_KEY)[27:-27]]}, "x5c has another key"),
        ({"x5c": [certificate(RSA_KEY)[27:-27]]}, ""),
        ({"kty": None}, "it has no kty"),
        ({"key_ops": "verify"}, "key_ops is no list"),
        ({"key_ops": ["sign"]}, "key_ops is sign"),
        ({"key_ops": ["VERIFY"]}, "key_ops in another case"),
    ],
)
def test_form_with_one_reading_is_used_and_noted(members: dict[str, Any], warning: str) -> None:
    document = read(rsa_jwk(**members))
    assert is_good(document)
    assert document.keys["good"].interop_warning == warning
    assert [key.key_id for key in document.irregular] == (["good"] if warning else [])


@pytest.mark.parametrize(
    "members",
    [
        {"use": ["enc"]},
        {"use": " enc "},
        {"use": ["sig", "enc"]},
        {"alg": ["HS256"]},
        {"alg": ["RS256", "HS256"]},
        {"kty": ["oct"]},
        {"e": 65536},
        {"e": 1},
        {"e": -65537},
        {"e": True},
        {"e": 65537.0},
    ],
)
def test_form_with_another_meaning_is_not_used(members: dict[str, Any]) -> None:
    assert not read(rsa_jwk(**members)).keys


def test_key_id_that_is_a_number_is_its_digits() -> None:
    document = read(rsa_jwk(kid=2026), ec_jwk(kid="7"))
    assert document.keys["2026"].interop_warning == "its kid is a number"
    assert list(document.keys) == ["2026", "7"]


def test_number_and_its_text_are_one_key_id() -> None:
    assert read(rsa_jwk(kid=7), other_jwk(kid="7")).ambiguous == {"7"}


@pytest.mark.parametrize(
    ("x5c", "warning"),
    [
        (lambda text: [text, "garbage"], True),
        (lambda text: ["\n".join(text[at : at + 64] for at in range(0, len(text), 64))], True),
        (lambda text: text, True),
    ],
)
def test_key_is_taken_from_x5c_if_it_is_nowhere_else(
    x5c: Callable[[str], Any], *, warning: bool
) -> None:
    text = "".join(certificate(RSA_KEY).splitlines()[1:-1])
    found = read({"kty": "RSA", "kid": "good", "x5c": x5c(text)}).keys["good"]
    assert (found.material, found.validity) == (RSA_KEY, (0, 4_000_000_000))
    assert bool(found.interop_warning) is warning
    assert is_good(read(other_jwk(x5c=x5c(text))), OTHER_KEY)


@pytest.mark.parametrize("x5c", ["garbage", ["AAAA"], [5], {"a": 1}, [""]])
def test_broken_x5c_counts_only_if_it_is_needed(x5c: Any) -> None:
    assert is_good(read(rsa_jwk(x5c=x5c)))
    assert skipped(read({"kty": "RSA", "kid": "good", "x5c": x5c})) == [("good", "malformed")]


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (ED_KEY, "EdDSA"),
        (ED_KEY, "Ed25519"),
        (ed448.Ed448PrivateKey.generate().public_key(), "Ed448"),
    ],
)
def test_edwards_key_has_the_names_of_both_rfcs(key: Any, alg: str) -> None:
    jwk = {**OKPAlgorithm.to_jwk(key, as_dict=True), "kid": "good", "alg": alg}
    found = read(jwk).keys["good"]
    assert found.algorithms == {"EdDSA"}
    assert not found.interop_warning


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "OKP", "crv": "X25519", "kid": "o", "x": "A" * 43},
        {"kty": "EC", "crv": "secp256k1", "kid": "o", "x": "A" * 43, "y": "A" * 43},
        {"kty": "EC", "crv": "BP-256", "kid": "o", "x": "A" * 43, "y": "A" * 43},
        {"kty": "AKP", "alg": "ML-DSA-44", "kid": "o", "pub": "AAAA"},
        {**OKPAlgorithm.to_jwk(ED_KEY, as_dict=True), "kid": "o", "x": "A" * 42},
        {**OKPAlgorithm.to_jwk(ED_KEY, as_dict=True), "kid": "o", "alg": "Ed448"},
        rsa_jwk(kid="o", kty="EC"),
    ],
)
def test_other_kinds_of_keys_are_passed_over(jwk: dict[str, Any]) -> None:
    document = read(rsa_jwk(), jwk)
    assert list(document.keys) == ["good"]
    assert document.skipped[0].key_id == "o"


# Odd neighbours


GOOD = json.dumps(rsa_jwk())
ODD = json.dumps(other_jwk(kid="odd"))[:-1]


@pytest.mark.parametrize(
    ("entry", "used"),
    [
        (ODD + ', "x-created": 99999999999999999999}', True),
        (ODD + ', "x-created": -1e999}', True),
        (ODD + ', "x-created": [NaN, Infinity]}', True),
        (ODD + ', "x-owner": "\\ud800"}', True),
        (ODD + ', "\\udfff": 1}', True),
        (ODD + ', "x-note": "a\nb\0"}', True),
        (ODD + ', "use": "sig", "use": "sig"}', True),
        (ODD + ', "x-deep": ' + "[" * 200 + "]" * 200 + "}", True),
        (ODD + ', "use": "sig", "use": "enc"}', False),
        (ODD + ', "kid": "odd"}', True),
        (ODD + f', "n": "{N}"' + "}", False),
        (ODD + ', "e": 65537}', False),
        (ODD + ', "e": 99999999999999999999}', False),
        ('{"kid": "odd"}', False),
        ('{"kid": "odd", "kid": "even"}', False),
        ('"odd"', False),
        ("null", False),
        ("[[]]", False),
        ("17", False),
    ],
)
def test_odd_entry_does_not_harm_its_neighbours(entry: str, *, used: bool) -> None:
    for body in (f'{{"keys": [{GOOD}, {entry}]}}', f'{{"keys": [{entry}, {GOOD}]}}'):
        document = read_text(body)
        assert is_good(document)
        assert ("odd" in document.keys) is used
        assert len(document.skipped) == (not used)


def test_bytes_that_are_no_utf8_harm_no_key() -> None:
    odd = (ODD + ', "x-owner": "Z\xfcrich"}').encode("latin-1")
    document = read_text(b'{"keys": [' + GOOD.encode() + b", " + odd + b"]}")
    assert is_good(document)
    assert document.keys["odd"].interop_warning == "it has text that is not Unicode"
    nameless = read_text(b'{"keys": [' + GOOD.replace("good", "g\xfct").encode("latin-1") + b"]}")
    assert [reason for _, reason in skipped(nameless)] == ["key-id"]


@pytest.mark.parametrize(
    "beside",
    [
        '"issuer": "https://sso.example.org"',
        '"issuer": "a", "issuer": "b"',
        '"next_update": 99999999999999999999',
        '"x": NaN',
        '"error": null',
    ],
)
def test_members_beside_the_keys_are_ignored(beside: str) -> None:
    assert is_good(read_text(f'{{{beside}, "keys": [{GOOD}]}}'))


def test_doubled_key_set_is_refused() -> None:
    with pytest.raises(InvalidKeyError, match="the member keys once"):
        read_text(f'{{"keys": [], "keys": [{GOOD}]}}')


def test_map_with_a_doubled_key_id() -> None:
    one, other = json.dumps(pem(RSA_KEY)), json.dumps(certificate(RSA_KEY))
    assert is_good(read_text(f'{{"good": {one}, "good": {other}}}'))
    document = read_text(f'{{"good": {one}, "good": {json.dumps(pem(OTHER_KEY))}}}')
    assert document.ambiguous == {"good"}


def test_map_may_have_blanks_before_pem() -> None:
    for before in ("\n", "\ufeff", "  "):
        document = read_text(json.dumps({"good": before + certificate(RSA_KEY)}))
        assert document.keys["good"].interop_warning == "its text does not start with PEM"


def test_jwks_without_their_set_are_read() -> None:
    for body, warning in ((f"[{GOOD}]", "a list without the member keys"), (GOOD, "a JWK without")):
        document = read_text(body)
        assert is_good(document)
        assert warning in document.keys["good"].interop_warning


def capitals(jwk: dict[str, Any]) -> dict[str, Any]:
    """Return a JWK with the names that .NET's properties have."""
    return {name.title().replace("_", ""): value for name, value in jwk.items()}


def test_names_in_capitals_are_read() -> None:
    key = capitals(rsa_jwk(use="sig", key_ops=["verify"], d=None, p="")) | {"KeySize": 2048}
    for body in ({"Keys": [key]}, {"keys": [key]}, [key], key):
        document = read_text(json.dumps(body))
        assert is_good(document)
        assert document.keys["good"].interop_warning
    assert read(key).keys["good"].interop_warning == "the names of its members are in capitals"
    assert is_good(parse_key_file(json.dumps(key).encode(), "good"))


def test_names_in_capitals_have_their_meaning() -> None:
    assert read(capitals(private_jwk())).refused == {"good"}
    assert skipped(read(capitals(rsa_jwk(use="enc")))) == [("good", "use")]
    assert skipped(read(capitals(rsa_jwk(key_ops=["encrypt"])))) == [("good", "use")]
    assert skipped(read(capitals(rsa_jwk()) | {"n": "AAAA"})) == [("good", "malformed")]
    # With a kty, a name in another case is a name that no standard has.
    assert is_good(read(rsa_jwk(D="x", Use="enc", N="AAAA")))


@pytest.mark.parametrize(
    "keys",
    [
        {"1": rsa_jwk(), "3": other_jwk(kid="other")},
        {"good": rsa_jwk(), "odd": 5},
        rsa_jwk(),
    ],
)
def test_key_set_that_is_an_object_is_read(keys: dict[str, Any]) -> None:
    document = read_text(json.dumps({"keys": keys}))
    assert is_good(document)
    assert document.keys["good"].interop_warning == "the member keys is an object"


def test_doubled_name_in_an_object_of_keys_loses_no_key() -> None:
    other = json.dumps(other_jwk(kid="other"))
    document = read_text(f'{{"keys": {{"a": {GOOD}, "a": {other}}}}}')
    assert list(document.keys) == ["good", "other"]


def test_file_may_have_a_map_of_certificates() -> None:
    assert is_good(parse_key_file(json.dumps({"good": certificate(RSA_KEY)}).encode(), "any"))
    with pytest.raises(InvalidKeyError, match="set cache_keys_url to its jwks_uri"):
        parse_key_file(b'{"jwks_uri": "https://sso.example.org/certs"}', "any")


def test_file_may_have_a_jwk_without_its_type() -> None:
    jwk = {"n": N, "e": "AQAB"}
    assert is_good(parse_key_file(json.dumps(jwk).encode(), "good"))


def test_five_hundred_keys_with_odd_ones_are_read() -> None:
    entries: list[Any] = [ec_jwk(kid=f"k{number}") for number in range(500)]
    odd: list[Any] = [{"kty": "oct", "kid": f"o{number}", "k": "A"} for number in range(400)]
    document = read(*odd, *entries)
    assert (len(document.keys), len(document.skipped)) == (500, 400)
    assert len(describe_skipped(document.skipped)) < 400


@pytest.mark.parametrize(
    "key_id", ["", "a/b", "ключ", "🔑", "a b", "%2F", "../x", "\n", "k" * 3000]
)
def test_any_text_is_a_key_id(key_id: str) -> None:
    assert list(read(rsa_jwk(kid=key_id)).keys) == [key_id]


# Texts


BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"keys": [rsa_jwk()]}).encode(),
        json.dumps(rsa_jwk()).encode(),
        json.dumps({"good": certificate(RSA_KEY)}).encode(),
    ],
)
def test_document_with_a_byte_order_mark_is_read(body: bytes) -> None:
    assert is_good(read_text(BOM + body))


@pytest.mark.parametrize(
    "text",
    [pem(RSA_KEY), certificate(RSA_KEY), json.dumps(rsa_jwk()), json.dumps({"keys": [rsa_jwk()]})],
)
def test_file_with_a_byte_order_mark_is_read(text: str) -> None:
    document = parse_key_file(BOM + text.encode(), "good")
    assert is_good(document)
    assert not document.keys["good"].interop_warning


def test_text_with_a_byte_order_mark_is_read() -> None:
    for text in (pem(RSA_KEY), json.dumps(rsa_jwk())):
        assert parse_public_key("\ufeff" + text, "good", "file").material == RSA_KEY


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", "nothing"),
        (b" \n", "nothing"),
        (b"<!DOCTYPE html><html>", "HTML or XML"),
        (pem(RSA_KEY).encode(), "PEM"),
        ('{"keys": []}'.encode("utf-16"), "UTF-16 or UTF-32"),
        ('{"keys": []}'.encode("utf-16-le"), "UTF-16 or UTF-32"),
        ('{"keys": []}'.encode("utf-32"), "UTF-16 or UTF-32"),
        (b'{"keys": []}<!-- 3 ms -->', "more text after its end, at character 13"),
        (b'{"keys": []}\0', "more text after its end, at character 13"),
        (b'{"keys": [] // none\n}', "an error at character 13 of 21"),
        (b'{"keys": [', "an error at character 11 of 10"),
        (b'{"keys": [],}', "an error at character"),
        (b'"text"', "found a string"),
        (b'{"data": {"keys": []}}', "a map of key ids to PEM, found an object with 'data'"),
        (b'{"error": "x", "b": 1, "c": 2, "d": 3}', "found an object with 'error', 'b', 'c', ..."),
        (b'{"' + b"x" * 5000 + b'": ""}', "found an object with 'xxxx"),
    ],
)
def test_other_text_is_refused_in_clear_words(body: bytes, found: str) -> None:
    with pytest.raises(InvalidKeyError) as refusal:
        read_text(body)
    assert found in str(refusal.value)
    assert len(str(refusal.value)) < 130


def test_discovery_document_is_named_with_its_key_address() -> None:
    address = "https://sso.example.org/realms/meet/protocol/openid-connect/certs"
    body = {"issuer": "https://sso.example.org/realms/meet", "jwks_uri": address, "scopes": ["a"]}
    with pytest.raises(InvalidKeyError) as refusal:
        read_text(json.dumps(body))
    assert str(refusal.value) == (
        f"found a discovery document: set cache_keys_url to its jwks_uri, '{address}'"
    )
    # The log cuts longer values.
    assert len(f"the response cannot be used: {refusal.value}") < 200


def test_address_of_a_discovery_document_is_bounded_and_escaped() -> None:
    with pytest.raises(InvalidKeyError) as refusal:
        read_text(json.dumps({"jwks_uri": "https://\u202e\n" + "x" * 5000}))
    assert len(str(refusal.value)) < 350
    assert str(refusal.value).isprintable()
    assert str(refusal.value).isascii()


def test_page_of_a_keycloak_realm_is_named() -> None:
    service = "https://sso.example.org/realms/meet/protocol/openid-connect"
    body = {"realm": "meet", "public_key": "MIIB", "token-service": service}
    with pytest.raises(InvalidKeyError, match=f"set cache_keys_url to '{service}/certs'"):
        read_text(json.dumps(body))


# PEM


EC_PEM = pem(EC_KEY)


CHAIN = certificate_chain(RSA_KEY)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (pem(RSA_KEY), ""),
        (pem(RSA_KEY).replace("\n", "\r\n"), ""),
        (pem(RSA_KEY) * 2, "further PEM blocks follow the first one"),
        (pem(RSA_KEY) + certificate(RSA_KEY), "further PEM blocks follow the first one"),
        ("".join(CHAIN), "further PEM blocks follow the first one"),
        (pem(RSA_KEY).replace("\n", " "), "its PEM block has no lines"),
        (pem(RSA_KEY).replace("\n", ""), "its PEM block has no lines"),
        (pem(RSA_KEY).replace("\n", "\r"), "its PEM block has no lines"),
        (pem(RSA_KEY).replace("\n", "\\n"), "its line breaks are written as backslash and n"),
        (json.dumps(certificate(RSA_KEY)), "its line breaks are written as backslash and n"),
        (
            json.dumps(pem(RSA_KEY).replace("\n", "\r\n")),
            "its line breaks are written as backslash and n",
        ),
        ("subject=CN = test\n" + pem(RSA_KEY), "there is text outside of its PEM block"),
        (
            certificate(RSA_KEY).replace("CERTIFICATE", "X509 CERTIFICATE"),
            "its PEM block has an old label",
        ),
    ],
)
def test_pem_with_one_reading_is_read(text: str, warning: str) -> None:
    key = parse_public_key(text, "k", "asap")
    assert (key.material, key.interop_warning) == (RSA_KEY, warning)


def test_pkcs1_key_is_read() -> None:
    text = RSA_KEY.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.PKCS1
    ).decode()
    key = parse_public_key(text, "k", "asap")
    assert (key.material, key.interop_warning) == (RSA_KEY, "it is in PKCS#1 form")


def test_block_without_a_key_beside_a_key_is_passed_over() -> None:
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert parse_public_key(parameters + EC_PEM, "k", "asap").material == EC_KEY


@pytest.mark.parametrize(
    "text",
    [
        pem(RSA_KEY) + EC_PEM,
        certificate(RSA_KEY) + certificate(OTHER_KEY),
        "".join(reversed(CHAIN)),
        CHAIN[0] + CHAIN[2],
        pem(RSA_KEY) + "".join(CHAIN[1:]),
    ],
)
def test_pem_with_two_readings_is_refused(text: str) -> None:
    with pytest.raises(InvalidKeyError, match="with different keys"):
        parse_public_key(text, "k", "asap")


def test_private_key_in_a_bundle_is_refused() -> None:
    private = RSA_PRIVATE_KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()
    for text in (private + certificate(RSA_KEY), certificate(RSA_KEY) + private):
        with pytest.raises(InvalidKeyError) as refusal:
            parse_public_key(text, "k", "file")
        assert refusal.value.reason == "private"


def test_pem_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidKeyError) as refusal:
        parse_public_key(pem(x25519.X25519PrivateKey.generate().public_key()), "k", "asap")
    assert refusal.value.reason == "key-type"
