from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.rules import CLAIMS, HS, KEYS, NOW, POLICY, ROOM, ask, code_of, mint
from tests.support.tokens import SECRET, sign
from verifier import AccessRequest, Allow, Claims, Deny, KeySet, Policy, decide
from verifier.keys.model import VerificationKey
from verifier.rules.denials import ANSWERS
from verifier.rules.model import STEPS


def test_a_good_token_enters_its_room_as_a_member() -> None:
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
        ({"context": {"room": []}}, "claim-malformed"),
        ({"room": "other"}, "room-mismatch"),
        ({"room": "standup "}, "room-mismatch"),
        ({"sub": "other.example.org"}, "domain-mismatch"),
        ({"room": "[", "context": {"room": {"regex": True}}}, "room-pattern-invalid"),
        ({"room": "a-b-c-d-e", "context": {"room": {"regex": True}}}, "room-pattern-invalid"),
        ({"room": "other", "context": {"room": {"regex": "true"}}}, "room-mismatch"),
    ],
)
def test_each_refusal_has_its_code(claims: dict[str, Any], code: str) -> None:
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
    ],
)
def test_what_jitsi_means_to_allow_is_allowed(claims: dict[str, Any]) -> None:
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
def test_the_header_is_judged_too(header: dict[str, Any], code: str | None) -> None:
    decision = ask(mint(header))
    assert (decision.code if isinstance(decision, Deny) else None) == code


def test_an_expired_token_is_denied_before_its_issuer_is_read() -> None:
    assert code_of(ask(mint(exp=0, iss="other"))) == "token-expired"


def test_both_times_types_are_judged_before_either_time() -> None:
    assert code_of(ask(mint(exp=0, nbf="now"))) == "not-before-malformed"


def test_a_signature_by_another_secret_is_invalid_whatever_the_claims_say() -> None:
    forged = mint(secret="another-secret-of-more-than-32-bytes", exp=0)
    assert code_of(ask(forged)) == "signature-invalid"


def test_any_of_several_secrets_verifies() -> None:
    old = VerificationKey(None, HS, b"another-secret-of-more-than-32-bytes", "secret")
    keys = KeySet(static=(old, *KEYS.static))
    assert isinstance(decide(AccessRequest(mint(), ROOM), POLICY, keys, NOW), Allow)


def test_a_token_cannot_choose_its_algorithm() -> None:
    assert code_of(ask(sign(CLAIMS, algorithm="HS384"))) == "algorithm-not-allowed"
    assert code_of(ask(mint({"alg": "none"}))) == "algorithm-not-allowed"
    assert code_of(ask(mint({"alg": ["HS256"]}))) == "algorithm-not-allowed"
    assert code_of(ask(mint({"alg": "none"}).rpartition(".")[0] + ".")) == "token-malformed"


def test_no_token_is_refused_unless_guests_are_allowed() -> None:
    guests = replace(POLICY, allow_empty_token=True)
    assert code_of(ask(None)) == "token-missing"
    assert ask(None, guests) == Allow()
    assert code_of(ask("", guests)) == "token-malformed"
    assert code_of(ask(None, guests, room_requires_authentication=True)) == (
        "authentication-required"
    )
    assert code_of(ask(None, guests, room="")) == "room-address-invalid"


@pytest.mark.parametrize("room", ["", "conference.meet.example.org", "@host", "a@", "a@b@c"])
def test_an_address_that_names_no_room_is_invalid(room: str) -> None:
    assert code_of(ask(mint(room="*"), room=room)) == "room-address-invalid"


def test_an_empty_room_claim_is_malformed_also_where_no_room_is_asked_for() -> None:
    assert code_of(ask(mint(room=""), room=None)) == "claim-malformed"


def test_leeway_moves_both_times() -> None:
    late = replace(POLICY, leeway=5)
    assert isinstance(ask(mint(exp=NOW - 4), late), Allow)
    assert isinstance(ask(mint(nbf=NOW + 5), late), Allow)
    assert code_of(ask(mint(exp=NOW - 5), late)) == "token-expired"
    decision = ask(mint(nbf=NOW + 6), late)
    assert isinstance(decision, Deny)
    assert (decision.code, decision.until) == ("token-not-yet-valid", NOW + 1)


def test_a_denied_room_names_the_key_that_signed() -> None:
    decision = ask(mint({"kid": "k"}, room="other"))
    assert isinstance(decision, Deny)
    assert (decision.code, decision.key_id) == ("room-mismatch", "k")


def test_a_detail_names_few_of_many_accepted_values() -> None:
    many = replace(POLICY, asap_accepted_issuers=tuple("abcde"))
    decision = ask(mint(), many)
    assert isinstance(decision, Deny)
    assert decision.detail == "expected iss to be one of a, b, c and 2 more; found another string"


def test_a_string_in_the_place_of_a_list_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="found a string"):
        Policy(asap_accepted_issuers="my_app")  # type: ignore[arg-type]  # the mistake


def test_a_named_key_stands_beside_the_static_ones() -> None:
    named = VerificationKey("k", HS, b"another-secret-of-more-than-32-bytes", "file")
    keys = KeySet(KEYS.static, {"k": named})
    for secret in (SECRET, "another-secret-of-more-than-32-bytes"):
        request = AccessRequest(mint({"kid": "k"}, secret), ROOM)
        assert isinstance(decide(request, POLICY, keys, NOW), Allow)


def test_without_a_room_address_only_the_token_is_judged() -> None:
    assert isinstance(ask(mint(room="elsewhere"), room=None), Allow)
    assert code_of(ask(mint(exp=0), room=None)) == "token-expired"


def test_a_tenant_is_entered_with_its_name_as_subject() -> None:
    room = "[acme]" + ROOM
    assert isinstance(ask(mint(sub="ACME"), room=room), Allow)
    assert isinstance(ask(mint(sub="*"), room=room), Allow)
    assert code_of(ask(mint(sub="other"), room=room)) == "tenant-mismatch"
    unknown_base = replace(POLICY, muc_mapper_domain_base=None)
    assert code_of(ask(mint(sub="acme"), unknown_base, room)) == "server-misconfigured"


def test_without_domain_verification_only_the_name_counts() -> None:
    policy = replace(POLICY, enable_domain_verification=False)
    assert isinstance(ask(mint(sub="whatever"), policy, "[acme]standup@elsewhere"), Allow)
    decision = ask(mint(room="^stand%a+$", context={"room": {"regex": True}}), policy)
    assert code_of(decision) == "room-mismatch"


def test_an_optional_room_claim_opens_every_room_to_a_token_without_one() -> None:
    policy = replace(POLICY, asap_require_room_claim=False)
    assert isinstance(ask(mint(room=...), policy), Allow)
    pattern = mint(room="other", context={"room": {"regex": True}})
    assert code_of(ask(pattern, policy)) == "room-mismatch"


def test_a_context_tenant_that_is_not_the_urls_is_flagged_or_refused() -> None:
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
def test_the_users_claims_make_the_affiliation(user: dict[str, Any], affiliation: str) -> None:
    decision = ask(mint(context={"user": user}, moderator=True))
    assert isinstance(decision, Allow)
    assert decision.affiliation == affiliation


def test_with_a_key_server_the_key_comes_before_the_token() -> None:
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


def test_a_denial_that_time_turns_says_when() -> None:
    decision = ask(mint(nbf=NOW + 5))
    assert isinstance(decision, Deny)
    assert decision.until == NOW + 5


def test_every_step_that_is_recorded_is_one_of_the_listed_ones_and_in_order() -> None:
    seen: list[str] = []
    decide(
        AccessRequest(mint(), ROOM), POLICY, KEYS, NOW, record=lambda step, *_: seen.append(step)
    )
    assert seen == sorted(seen, key=STEPS.index)
    assert len(seen) >= 14


def test_every_answer_is_in_jitsis_words() -> None:
    for code, (error, reason) in ANSWERS.items():
        assert (error is None) == (reason is None), code


def test_nothing_of_the_token_is_in_a_denial_or_a_repr() -> None:
    token = mint(iss="other")
    request = AccessRequest(token, ROOM)
    decision = decide(request, POLICY, KEYS, NOW)
    shown = repr((request, decision, Claims(CLAIMS), KEYS, POLICY))
    assert token not in shown
    assert SECRET not in shown
    assert "Ada" not in shown


@given(st.text(max_size=60), st.text(max_size=40))
def test_no_text_makes_the_rules_raise(token: str, room: str) -> None:
    assert isinstance(ask(token, room=room), Deny)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["user", "room", "tenant", "regex", "id"]), inner)
    ),
)


@given(JSON, st.sampled_from(["iss", "aud", "sub", "room", "exp", "nbf", "context", "user_id"]))
def test_no_claim_of_any_type_makes_the_rules_raise(value: Any, name: str) -> None:
    policy = replace(POLICY, asap_accepted_issuers=("*",), asap_accepted_audiences=("*",))
    assert isinstance(ask(mint(**{name: value}), policy), Allow | Deny)
