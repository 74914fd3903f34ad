from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from tests.support.rules import CLAIMS, HS, KEYS, NOW, POLICY, ROOM, ask, code_of, mint
from tests.support.tokens import SECRET, sign
from verifier import AccessRequest, Allow, Claims, Deny, KeySet, Policy, decide
from verifier.keys.model import VerificationKey
from verifier.rules import engine
from verifier.rules.denials import ANSWERS
from verifier.rules.model import STEPS
from verifier.rules.token import read_token


def test_good_token_enters_its_room_as_member() -> None:
    decision = ask(mint())
    assert isinstance(decision, Allow)
    assert (decision.affiliation, decision.expires_at) == ("member", NOW + 60)
    assert decision.session["jitsi_meet_context_user"] == {"id": "u-1", "name": "Ada"}


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": "soon"}, "expiry-malformed"),
        ({"exp": None}, "expiry-malformed"),
        ({"exp": True}, "expiry-malformed"),
        ({"exp": False}, "expiry-malformed"),
        ({"nbf": "now"}, "not-before-malformed"),
        ({"nbf": [1]}, "not-before-malformed"),
        ({"nbf": False}, "not-before-malformed"),
        ({"exp": NOW}, "token-expired"),
        ({"exp": 0}, "token-expired"),
        ({"exp": -1.5}, "token-expired"),
        ({"nbf": NOW + 1}, "token-not-yet-valid"),
        ({"iss": ...}, "issuer-missing"),
        ({"iss": "other"}, "issuer-not-accepted"),
        ({"iss": None}, "issuer-not-accepted"),
        ({"iss": ["app"]}, "issuer-not-accepted"),
        ({"iss": "APP"}, "issuer-not-accepted"),
        ({"aud": ...}, "audience-missing"),
        ({"aud": "other"}, "audience-not-accepted"),
        ({"aud": ["jitsi"]}, "audience-not-accepted"),
        ({"room": ...}, "room-claim-missing"),
        ({"sub": ...}, "subject-missing"),
        ({"sub": 5}, "claim-malformed"),
        ({"room": 5}, "claim-malformed"),
        ({"room": ""}, "room-mismatch"),
        ({"context": None}, "claim-malformed"),
        ({"context": "user"}, "claim-malformed"),
        ({"context": {"user": "Ada"}}, "claim-malformed"),
        ({"context": {"tenant": None}}, "claim-malformed"),
        ({"context": {"room": [1]}}, "claim-malformed"),
        ({"context": {"group": []}}, "claim-malformed"),
        ({"context": [{}]}, "claim-malformed"),
        ({"context": {"features": ["recording"]}}, "claim-malformed"),
        ({"room": "other"}, "room-mismatch"),
        ({"room": "standup "}, "room-mismatch"),
        ({"sub": "other.example.org"}, "domain-mismatch"),
        ({"room": "[", "context": {"room": {"regex": True}}}, "room-pattern-invalid"),
        ({"room": "a-b-c-d-e", "context": {"room": {"regex": True}}}, "room-pattern-invalid"),
        ({"room": "other", "context": {"room": {"regex": "true"}}}, "room-mismatch"),
    ],
)
def test_each_denial_has_its_code(claims: dict[str, Any], code: str) -> None:
    assert code_of(ask(mint(**claims))) == code


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": ...},
        {"nbf": ...},
        {"iat": "whenever"},
        {"exp": 98753496345768},
        {"exp": NOW + 0.5},
        {"nbf": NOW},
        {"room": "*"},
        {"room": "StandUp"},
        {"sub": "*"},
        {"sub": "MEET.example.org"},
        {"room": "^stand%a+$", "context": {"room": {"regex": True}}},
        {"room": "standup", "context": ...},
        {"user_id": "u", "context": ...},
        {"context": []},
        {"context": {"user": [], "features": [], "room": []}},
    ],
)
def test_claims_that_jitsi_accepts_are_allowed(claims: dict[str, Any]) -> None:
    assert isinstance(ask(mint(**claims)), Allow)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"typ": "jwt"}, "type-not-jwt"),
        ({"typ": None}, "type-not-jwt"),
        ({"crit": ["exp"]}, "token-malformed"),
        ({"zip": "DEF"}, "token-malformed"),
        ({"kid": "a"}, None),
    ],
)
def test_header_parameters_are_checked(header: dict[str, Any], code: str | None) -> None:
    decision = ask(mint(header))
    assert (decision.code if isinstance(decision, Deny) else None) == code


def test_expiry_comes_before_the_issuer() -> None:
    assert code_of(ask(mint(exp=0, iss="other"))) == "token-expired"


def test_types_of_both_times_come_before_either_time() -> None:
    assert code_of(ask(mint(exp=0, nbf="now"))) == "not-before-malformed"


def test_signature_by_another_secret_is_invalid() -> None:
    forged = mint(secret="another-secret-of-more-than-32-bytes", exp=0)
    assert code_of(ask(forged)) == "signature-invalid"


def test_any_configured_secret_verifies() -> None:
    old = VerificationKey(None, HS, b"another-secret-of-more-than-32-bytes", "secret")
    keys = KeySet(static=(old, *KEYS.static))
    assert isinstance(decide(AccessRequest(mint(), ROOM), POLICY, keys, NOW), Allow)


def test_token_cannot_choose_its_algorithm() -> None:
    assert code_of(ask(sign(CLAIMS, algorithm="HS384"))) == "algorithm-not-allowed"
    assert code_of(ask(mint({"alg": "none"}))) == "algorithm-not-allowed"
    assert code_of(ask(mint({"alg": ["HS256"]}))) == "algorithm-not-allowed"
    assert code_of(ask(mint({"alg": "none"}).rpartition(".")[0] + ".")) == "token-malformed"


def test_guest_is_denied_unless_guests_are_allowed() -> None:
    guests = replace(POLICY, allow_empty_token=True)
    assert code_of(ask(None)) == "token-missing"
    assert ask(None, guests) == Allow()
    assert code_of(ask("", guests)) == "token-malformed"
    assert code_of(ask(None, guests, room_requires_authentication=True)) == (
        "authentication-required"
    )
    assert code_of(ask(None, guests, room="")) == "room-address-invalid"


@pytest.mark.parametrize("room", ["", "conference.meet.example.org", "@host", "a@", "a@b@c"])
def test_address_without_a_room_is_invalid(room: str) -> None:
    assert code_of(ask(mint(room="*"), room=room)) == "room-address-invalid"


def test_empty_room_claim_is_malformed_without_room_address() -> None:
    assert code_of(ask(mint(room=""), room=None)) == "claim-malformed"


def test_leeway_extends_both_times() -> None:
    late = replace(POLICY, leeway=5)
    assert isinstance(ask(mint(exp=NOW - 4), late), Allow)
    assert isinstance(ask(mint(nbf=NOW + 5), late), Allow)
    assert code_of(ask(mint(exp=NOW - 5), late)) == "token-expired"
    decision = ask(mint(nbf=NOW + 6), late)
    assert isinstance(decision, Deny)
    assert (decision.code, decision.until) == ("token-not-yet-valid", NOW + 1)


def test_denial_of_a_room_carries_the_key_id() -> None:
    decision = ask(mint({"kid": "k"}, room="other"))
    assert isinstance(decision, Deny)
    assert (decision.code, decision.key_id) == ("room-mismatch", "k")


def test_detail_lists_at_most_three_accepted_values() -> None:
    many = replace(POLICY, asap_accepted_issuers=tuple("abcde"))
    decision = ask(mint(), many)
    assert isinstance(decision, Deny)
    assert decision.detail == "expected iss to be one of a, b, c and 2 more; found another string"


def test_policy_refuses_a_string_in_place_of_a_list() -> None:
    with pytest.raises(TypeError, match="found a string"):
        Policy(asap_accepted_issuers="my_app")  # type: ignore[arg-type]  # the mistake


def test_named_key_is_tried_besides_static_keys() -> None:
    named = VerificationKey("k", HS, b"another-secret-of-more-than-32-bytes", "file")
    keys = KeySet(KEYS.static, {"k": named})
    for secret in (SECRET, "another-secret-of-more-than-32-bytes"):
        request = AccessRequest(mint({"kid": "k"}, secret), ROOM)
        assert isinstance(decide(request, POLICY, keys, NOW), Allow)


def test_without_a_room_address_only_the_token_counts() -> None:
    assert isinstance(ask(mint(room="elsewhere"), room=None), Allow)
    assert code_of(ask(mint(exp=0), room=None)) == "token-expired"


def test_subject_must_name_the_tenant() -> None:
    room = "[acme]" + ROOM
    assert isinstance(ask(mint(sub="ACME"), room=room), Allow)
    assert isinstance(ask(mint(sub="*"), room=room), Allow)
    assert code_of(ask(mint(sub="other"), room=room)) == "tenant-mismatch"
    unknown_base = replace(POLICY, muc_mapper_domain_base=None)
    assert code_of(ask(mint(sub="acme"), unknown_base, room)) == "server-misconfigured"


def test_without_domain_verification_only_the_room_name_counts() -> None:
    policy = replace(POLICY, enable_domain_verification=False)
    assert isinstance(ask(mint(sub="whatever"), policy, "[acme]standup@elsewhere"), Allow)
    decision = ask(mint(room="^stand%a+$", context={"room": {"regex": True}}), policy)
    assert code_of(decision) == "room-mismatch"


def test_token_without_an_optional_room_claim_opens_every_room() -> None:
    policy = replace(POLICY, asap_require_room_claim=False)
    assert isinstance(ask(mint(room=...), policy), Allow)
    pattern = mint(room="other", context={"room": {"regex": True}})
    assert code_of(ask(pattern, policy)) == "room-mismatch"


def test_other_context_tenant_is_flagged_or_denied() -> None:
    token = mint(context={"tenant": "Acme"})
    same = ask(token, query_prefix="acme")
    assert isinstance(same, Allow)
    assert same.tenant_mismatch is False
    flagged = ask(token, query_prefix="other")
    assert isinstance(flagged, Allow)
    assert flagged.tenant_mismatch
    strict = ask(token, query_prefix="other", room_requires_authentication=True)
    assert code_of(strict) == "tenant-mismatch"


@pytest.mark.parametrize(
    ("user", "affiliation"),
    [
        ({"affiliation": "owner"}, "owner"),
        ({"affiliation": "teacher"}, "owner"),
        ({"affiliation": "moderator"}, "owner"),
        ({"moderator": True}, "owner"),
        ({"moderator": "true"}, "owner"),
        ({"moderator": 1}, "member"),
        ({"moderator": "True"}, "member"),
        ({"affiliation": "Owner"}, "member"),
        ({"affiliation": ["owner"]}, "member"),
        ({}, "member"),
    ],
)
def test_user_claims_decide_the_affiliation(user: dict[str, Any], affiliation: str) -> None:
    decision = ask(mint(context={"user": user}, moderator=True))
    assert isinstance(decision, Allow)
    assert decision.affiliation == affiliation


def test_with_a_key_server_the_key_comes_first() -> None:
    policy = replace(POLICY, key_server=True, signature_algorithm="RS256")
    assert code_of(ask("no-dot", policy)) == "token-malformed"
    assert code_of(ask(mint(), policy)) == "key-id-missing"
    assert code_of(ask(mint({"kid": 5}), policy)) == "key-id-missing"
    assert code_of(ask(mint({"kid": "a"}), policy)) == "algorithm-not-allowed"
    assert code_of(ask(mint({"kid": "a", "alg": "RX256"}), policy)) == "algorithm-not-allowed"
    assert code_of(ask(mint({"kid": "a", "alg": "RS256"}), policy)) == "key-unknown"
    unavailable = KeySet(unavailable=True)
    request = AccessRequest(mint({"kid": "a", "alg": "RS256"}), ROOM)
    decision = decide(request, policy, unavailable, NOW)
    assert isinstance(decision, Deny)
    assert (decision.code, decision.key_id) == ("keys-unavailable", "a")


def test_numeric_key_id_names_no_key_of_a_server() -> None:
    policy = replace(POLICY, key_server=True, signature_algorithm="RS256")
    for key_id in (5, 7.5):
        decision = ask(mint({"kid": key_id, "alg": "RS256"}), policy)
        assert isinstance(decision, Deny)
        assert (decision.code, decision.reason) == ("key-id-missing", "could not obtain public key")
        assert decision.key_id is None
        other = ask(mint({"kid": key_id}), policy)
        assert isinstance(other, Deny)
        assert other.reason == "'kid' claim only support with RS family"
    missing = ask(mint({"kid": True, "alg": "RS256"}), policy)
    assert isinstance(missing, Deny)
    assert missing.reason == "'kid' claim is missing"


def test_numeric_subject_below_a_tenant_needs_the_domain_base() -> None:
    policy = replace(POLICY, muc_mapper_domain_base=None)
    room = "[acme]standup@conference.meet.example.org"
    decision = ask(mint(sub=5), policy, room)
    assert isinstance(decision, Deny)
    assert decision.code == "server-misconfigured"
    assert decision.answer == ("server-missing-config", "Misconfiguration of server")
    for subject in (True, None, ["acme"]):
        assert code_of(ask(mint(sub=subject), policy, room)) == "claim-malformed"
    assert code_of(ask(mint(sub=5), policy)) == "claim-malformed"


def test_empty_list_binds_as_an_empty_object() -> None:
    found = ask(mint(context={"user": [], "features": [], "room": []}))
    assert isinstance(found, Allow)
    assert found.session["jitsi_meet_context_user"] == {}
    assert found.session["jitsi_meet_context_features"] == {}
    assert found.session["jitsi_meet_context_room"] == {}
    assert found.claims is not None
    assert found.claims.user == {}
    beside = ask(mint(context=[], user_id="u-1"))
    assert isinstance(beside, Allow)
    assert "jitsi_meet_context_user" not in beside.session


@pytest.mark.parametrize("context", [[], {"user": []}, {"features": []}, {"room": []}])
def test_empty_list_is_no_object_to_strict_rules(context: Any) -> None:
    assert code_of(ask(mint(context=context), replace(POLICY, strict=True))) == "claim-malformed"


def test_false_user_id_makes_no_user() -> None:
    found = ask(mint(context=..., user_id=False))
    assert isinstance(found, Allow)
    assert "jitsi_meet_context_user" not in found.session
    null = ask(mint(context=..., user_id=None))
    assert isinstance(null, Allow)
    assert null.session["jitsi_meet_context_user"] == {"id": None}


def test_denial_that_time_ends_says_when() -> None:
    decision = ask(mint(nbf=NOW + 5))
    assert isinstance(decision, Deny)
    assert decision.until == NOW + 5


def test_steps_are_recorded_in_their_order() -> None:
    seen: list[str] = []
    decide(
        AccessRequest(mint(), ROOM), POLICY, KEYS, NOW, record=lambda step, *_: seen.append(step)
    )
    assert seen == sorted(seen, key=STEPS.index)
    assert len(seen) >= 14


def test_each_answer_has_both_error_and_reason_or_neither() -> None:
    for code, (error, reason) in ANSWERS.items():
        assert (error is None) == (reason is None), code


def test_denials_and_reprs_contain_no_token() -> None:
    token = mint(iss="other")
    request = AccessRequest(token, ROOM)
    decision = decide(request, POLICY, KEYS, NOW)
    shown = repr((request, decision, Claims(CLAIMS), KEYS, POLICY))
    assert token not in shown
    assert SECRET not in shown
    assert "Ada" not in shown


@given(st.text(max_size=60), st.text(max_size=40))
def test_no_text_raises(token: str, room: str) -> None:
    assert isinstance(ask(token, room=room), Deny)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["user", "room", "tenant", "regex", "id"]), inner)
    ),
)


@given(JSON, st.sampled_from(["iss", "aud", "sub", "room", "exp", "nbf", "context", "user_id"]))
def test_no_claim_type_raises(value: Any, name: str) -> None:
    policy = replace(POLICY, asap_accepted_issuers=("*",), asap_accepted_audiences=("*",))
    assert isinstance(ask(mint(**{name: value}), policy), Allow | Deny)


def test_comments_number_the_steps_in_their_order() -> None:
    found = {
        (int(number), name)
        for path in Path(engine.__file__).parent.glob("*.py")
        for number, name in re.findall(r"# (\d+)\. ([a-z][a-z: ]+)\.", path.read_text("utf-8"))
    }
    assert found == set(enumerate(STEPS, 1))


@pytest.mark.parametrize("key_server", [True, False])
def test_suspended_check_looks_its_keys_up_again(*, key_server: bool) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    key = VerificationKey("k", frozenset({"ES256"}), private.public_key(), "asap")
    by_id = {"k": key}
    policy = replace(POLICY, key_server=key_server, signature_algorithm="ES256")
    request = AccessRequest(sign(CLAIMS, {"kid": "k"}, private, "ES256"), ROOM)
    check = engine.begin(request, policy, KeySet((), by_id), NOW)
    assert isinstance(check, engine.SignatureCheck)
    waiting = check.suspend()
    assert isinstance(waiting.finish(NOW), Allow)
    assert code_of(waiting.finish(NOW + 60)) == "token-expired"
    by_id.clear()
    denied = waiting.finish(NOW)
    assert isinstance(denied, Deny)
    assert (denied.code, denied.key_id) == ("key-unknown", "k")


MALFORMED = f"{mint()}="


def test_malformed_token_is_read_leniently_in_the_second_phase() -> None:
    request = AccessRequest(MALFORMED, ROOM)
    phase = engine.begin(request, POLICY, KEYS, NOW)
    assert isinstance(phase, engine.LenientReading)
    assert not phase.is_cheap
    assert code_of(phase.suspend().finish(NOW)) == "token-malformed"
    read = read_token(request)
    # The token is known now, so that only its signature is left to check.
    again = engine.begin(request, POLICY, KEYS, NOW)
    assert isinstance(again, engine.SignatureCheck)
    assert again.is_cheap
    assert code_of(again.finish(NOW + 10**6)) == "token-expired"
    assert request.read is read


def test_token_that_is_too_long_to_read_is_denied_in_the_first_phase() -> None:
    denied = engine.begin(AccessRequest(f"{mint()}={'=' * 9_000}", ROOM), POLICY, KEYS, NOW)
    assert isinstance(denied, Deny)
    assert denied.code == "token-malformed"


def test_decided_token_is_not_read_again() -> None:
    for token in (mint(), MALFORMED):
        request = AccessRequest(token, ROOM)
        assert isinstance(engine.decide(request, POLICY, KEYS, NOW), Allow | Deny)
        assert request.read is not None
        assert read_token(request) is request.read
        assert request == AccessRequest(token, ROOM)
        assert "read=" not in repr(request)


def test_long_token_is_forgotten_while_it_waits() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    keys = KeySet((VerificationKey(None, frozenset({"ES256"}), private.public_key(), "file"),))
    policy = replace(POLICY, signature_algorithm="ES256")
    for length, kept in ((10, True), (3_000, False)):
        claims = CLAIMS | {"x": "[]" * (length // 2)}
        request = AccessRequest(sign(claims, key=private, algorithm="ES256"), ROOM)
        check = engine.begin(request, policy, keys, NOW)
        assert isinstance(check, engine.SignatureCheck)
        waiting = check.suspend()
        assert (request.read is not None) is kept
        assert isinstance(waiting.finish(NOW), Allow)
