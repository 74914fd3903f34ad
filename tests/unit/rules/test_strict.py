from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.keys import RSA_KEY, RSA_PRIVATE_KEY, certificate, pem, rsa_jwk
from tests.support.paths import VECTORS
from tests.support.rules import CLAIMS, KEYS, NOW, POLICY, ROOM, ask, code_of, mint
from tests.support.tokens import SECRET, segment, sign
from verifier import AccessRequest, Allow, Decision, Deny, KeySet, decide
from verifier.explain import explain
from verifier.keys.formats import parse_public_key, parse_secret
from verifier.keys.model import bind
from verifier.rooms.address import parse_jid
from verifier.rules.strict import is_prepared, why_unused

STRICT = replace(POLICY, strict=True)
RS256 = replace(STRICT, signature_algorithm="RS256", key_server=True)


@pytest.mark.parametrize(
    ("accepted", "audience", "allowed"),
    [
        (("jitsi",), ["jitsi"], True),
        (("jitsi",), ["account", "jitsi"], True),
        (("jitsi", "other"), ["other", "account"], True),
        (("*",), ["account"], True),
        (("*",), "anything", True),
        (("jitsi",), "jitsi", True),
        (("jitsi",), ["account"], False),
        (("jitsi",), "JITSI", False),
        (("jitsi",), [], False),
        (("*",), [], False),
        (("*",), ["jitsi", 5], False),
        (("*",), [["jitsi"]], False),
        (("*",), None, False),
        (("*",), True, False),
        (("*",), {"jitsi": True}, False),
    ],
)
def test_audience_list_passes_with_one_accepted_value(
    accepted: tuple[str, ...], audience: Any, allowed: bool
) -> None:
    decision = ask(mint(aud=audience), replace(STRICT, asap_accepted_audiences=accepted))
    assert isinstance(decision, Allow) is allowed
    if not allowed:
        assert code_of(decision) == "audience-not-accepted"


@pytest.mark.parametrize("issued_at", ["1", None, True, False, [], {}])
def test_iat_is_a_number_or_absent(issued_at: Any) -> None:
    assert code_of(ask(mint(iat=issued_at), STRICT)) == "claim-malformed"
    assert isinstance(ask(mint(iat=issued_at)), Allow)
    assert isinstance(ask(mint(iat=NOW + 1.5), STRICT), Allow)


def test_tenant_and_host_are_always_compared() -> None:
    unverified = replace(STRICT, enable_domain_verification=False)
    assert code_of(ask(mint(sub="other"), unverified)) == "domain-mismatch"
    optional = replace(STRICT, asap_require_room_claim=False)
    assert code_of(ask(mint(room=..., sub="other"), optional)) == "domain-mismatch"
    elsewhere = "standup@conference.other.example.org"
    assert code_of(ask(mint(room=...), optional, elsewhere)) == "domain-mismatch"
    assert isinstance(ask(mint(room=...), optional), Allow)
    tenant = "[acme]standup@conference.meet.example.org"
    assert code_of(ask(mint(room=..., sub="globex"), optional, tenant)) == "tenant-mismatch"


def test_pattern_requires_asap_require_room_claim() -> None:
    token = mint(room="stand.*", context={"room": {"regex": True}})
    assert isinstance(ask(token, STRICT), Allow)
    optional = replace(STRICT, asap_require_room_claim=False)
    assert isinstance(ask(token, replace(optional, strict=False)), Allow)
    assert code_of(ask(token, optional)) == "room-pattern-invalid"


def test_leeway_extends_both_times() -> None:
    lenient = replace(STRICT, leeway=10)
    for token in mint(exp=NOW - 9), mint(nbf=NOW + 9):
        assert isinstance(ask(token, lenient), Allow)
        assert isinstance(ask(token, STRICT), Deny)
    assert code_of(ask(mint(exp=NOW - 10), lenient)) == "token-expired"


@pytest.mark.parametrize(
    ("address", "prepared"),
    [
        (ROOM, True),
        ("стендап@conference.example.org", True),
        ("[acme]room@conference.example.org", True),
        ("%d0%bf%20@conference.example.org", True),
        ("Standup@conference.example.org", False),
        ("Стендап@conference.example.org", False),
        ("straße@conference.example.org", False),
        ("standup@Conference.example.org", False),
        ("standup@conference.example.org.", False),
        ("stand up@conference.example.org", False),
        ("stand&up@conference.example.org", False),
        ("stand\u00adup@conference.example.org", False),
        ("stand\u0627a@conference.example.org", False),
    ],
)
def test_address_has_to_be_prepared(address: str, prepared: bool) -> None:
    jid = parse_jid(address)
    assert jid is not None
    assert is_prepared(jid) is prepared
    code = ask(mint(room="*", sub="*"), STRICT, address)
    assert ("as XMPP prepares" in str(code)) is not prepared


def test_preparation_agrees_with_every_recorded_address() -> None:
    seen = set()
    for line in VECTORS.read_text("utf-8").splitlines():
        case = json.loads(line)
        jid = parse_jid(case["room_jid"] or "")
        if jid is not None and jid.node is not None:
            expected = case["expect"]["prepped_room_jid"] == case["room_jid"]
            assert is_prepared(jid) is expected, case["id"]
            seen.add(expected)
    assert seen == {True, False}


def ask_with(key: Any, policy: Any = RS256, now: float = NOW) -> Decision:
    token = sign(
        CLAIMS | {"nbf": now - 60, "exp": now + 60}, {"kid": "k"}, RSA_PRIVATE_KEY, "RS256"
    )
    return decide(AccessRequest(token, ROOM), policy, KeySet((), {"k": key}), now)


def test_key_with_an_interop_warning_is_not_used() -> None:
    padded = rsa_jwk(kid="k", e="AAEAAQ")
    for text in pem(RSA_KEY) + "trailing", "Bag Attributes\n" + pem(RSA_KEY), json.dumps(padded):
        key = parse_public_key(text, "k", "document")
        refused = ask_with(key)
        assert code_of(refused) == "key-unknown"
        assert "is not used" in str(refused)
        assert isinstance(ask_with(key, replace(RS256, strict=False)), Allow)
    plain = parse_public_key("\n" + pem(RSA_KEY) + "\n", "k", "document")
    assert isinstance(ask_with(plain), Allow)


def test_key_is_used_while_its_certificate_is_valid() -> None:
    begins, ends = NOW - 1000.0, NOW + 1000.0
    key = parse_public_key(certificate(RSA_KEY, int(begins), int(ends)), "k", "document")
    assert key.validity == (begins, ends)
    # RFC 5280, section 4.1.2.5: both ends are included.
    for moment in (begins, ends):
        assert isinstance(ask_with(key, now=moment), Allow)
    for moment in (begins - 1, ends + 1):
        assert why_unused(key, moment)
        assert not why_unused(key, NOW)
        assert isinstance(ask_with(key, now=moment), Deny)
        assert isinstance(ask_with(key, replace(RS256, strict=False), moment), Allow)


def test_expired_certificate_is_named_in_the_denial() -> None:
    text = certificate(RSA_KEY, NOW - 1000, NOW - 500)
    policy = replace(RS256, key_server=False)
    for kid, keys in (
        ({"kid": "k"}, KeySet((), {"k": parse_public_key(text, "k", "file")})),
        ({}, KeySet((parse_public_key(text, None, "file"),))),
    ):
        request = AccessRequest(sign(CLAIMS, kid, RSA_PRIVATE_KEY, "RS256"), ROOM)
        refused = decide(request, policy, keys, NOW)
        assert code_of(refused) == "key-unknown"
        assert "its certificate is not valid now" in str(refused)
        found = explain(request, policy, keys, NOW)
        assert "Publish the key" in str(found.steps)
        assert "with a valid certificate" in str(found.steps)


def test_each_accepted_algorithm_needs_its_kind_of_key() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    public = bind(private.public_key(), None, "file")
    keys = KeySet((parse_secret(SECRET), public))
    policy = replace(STRICT, signature_algorithm="HS256", other_algorithms=("ES256",))
    for token in mint(), sign(CLAIMS, key=private, algorithm="ES256"):
        assert isinstance(decide(AccessRequest(token, ROOM), policy, keys, NOW), Allow)
    other = decide(AccessRequest(sign(CLAIMS, algorithm="HS384"), ROOM), policy, keys, NOW)
    assert code_of(other) == "algorithm-not-allowed"
    assert "HS256 or ES256" in str(other)
    one = replace(policy, other_algorithms=())
    es256 = AccessRequest(sign(CLAIMS, key=private, algorithm="ES256"), ROOM)
    assert code_of(decide(es256, one, keys, NOW)) == "algorithm-not-allowed"


def test_public_key_is_never_used_as_a_secret() -> None:
    public = parse_public_key(pem(RSA_KEY), None, "file")
    policy = replace(STRICT, signature_algorithm="RS256", other_algorithms=("HS256",))
    for forged in (pem(RSA_KEY).encode(), pem(RSA_KEY).strip().encode()):
        token = _hmac(forged)
        for keys in KeySet((public,)), KeySet((*KEYS.static, public)):
            decision = decide(AccessRequest(token, ROOM), policy, keys, NOW)
            assert code_of(decision) == "signature-invalid"


def _hmac(secret: bytes) -> str:
    """Return a token signed with a secret that PyJWT would refuse to sign with."""
    head, claims, _ = mint().split(".")
    digest = hmac.new(secret, f"{head}.{claims}".encode(), hashlib.sha256).digest()
    return f"{head}.{claims}.{segment(digest)}"
