"""What the house and strict rules ask, as an explanation says it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.explanations import KEYS, NOW, POLICY, cure, signed
from verifier.explain import Explanation, Step, explain
from verifier.rules.model import AccessRequest
from verifier.rules.policy import OperatorPolicy

ROOM = "standup@conference.meet.jitsi"
STRICT = replace(POLICY, strict=True)


def told(token: str | None, policy: Any, **request: Any) -> Explanation:
    return explain(AccessRequest(token, ROOM, "", **request), policy, KEYS, NOW)


def under(**rules: Any) -> Any:
    return replace(POLICY, operator_policy=OperatorPolicy(**rules))


def step(explanation: Explanation, name: str) -> Step:
    return next(each for each in explanation.steps if each.name == name)


def test_each_refusal_of_the_house_says_what_to_change_and_which_option_asks() -> None:
    operator_policy = under(forbid_wildcard_room=True)
    cure(
        "policy-wildcard-room",
        signed(room="*"),
        '"standup"',
        "forbid_wildcard_room",
        policy=operator_policy,
    )
    cure("policy-wildcard-room", signed(room="*"), "room's name", policy=operator_policy, room=None)
    operator_policy = under(forbid_wildcard_sub=True)
    cure("policy-wildcard-sub", signed(sub="*"), '"meet.jitsi"', policy=operator_policy)
    cure(
        "policy-wildcard-sub",
        signed(sub="*"),
        '"acme"',
        policy=operator_policy,
        room="[acme]standup",
    )
    operator_policy = under(forbid_room_patterns=True)
    pattern = signed(context={"room": {"regex": True}})
    cure("policy-room-pattern", pattern, '"standup"', "context.room.regex", policy=operator_policy)
    operator_policy = under(max_token_lifetime=1800)
    words = ("30 min", "1800 s", "max_token_lifetime")
    assert "iat" in cure("policy-token-lifetime", signed(), *words, policy=operator_policy)
    assert "iat" not in cure(
        "policy-token-lifetime", signed(iat=NOW), *words, policy=operator_policy
    )
    cure("policy-jti-missing", signed(), "jti", policy=under(require_jti=True))
    cure("policy-expiry-missing", signed(exp=...), "exp", policy=under(require_expiry=True))
    operator_policy = under(require_user_id=True)
    cure("policy-user-id-missing", signed(context={}), "context.user", policy=operator_policy)
    operator_policy = under(moderators_create_rooms=True)
    cure(
        "policy-moderator-required",
        signed(),
        "moderator",
        policy=operator_policy,
        creates_room=True,
    )


def test_a_step_of_the_house_says_what_was_expected_and_found() -> None:
    explanation = told(signed(iat=NOW - 60), under(max_token_lifetime=7200, require_jti=True))
    lifetime = step(explanation, "policy: lifetime")
    assert (lifetime.expected, lifetime.found, lifetime.result) == (
        "at most 7200 s",
        "3660 s",
        "pass",
    )
    failed = step(explanation, "policy: jti")
    assert (failed.expected, failed.found) == ("a string that is not empty", None)
    assert failed.result == "fail"
    assert step(explanation, "room").result == "not-reached"
    endless = told(signed(exp=...), under(max_token_lifetime=7200))
    assert step(endless, "policy: lifetime").found == "no end"
    assert (endless.prosody.error, endless.prosody.reason) == (
        "not-allowed",
        "the token is valid for too long",
    )


def test_who_could_not_open_a_room_is_told_so_where_it_is_open() -> None:
    operator_policy = under(moderators_create_rooms=True)
    assert "No moderator" in " ".join(told(signed(), operator_policy).notes)
    moderator = signed(context={"user": {"id": "7", "moderator": True}})
    assert "No moderator" not in " ".join(told(moderator, operator_policy).notes)
    assert "No moderator" not in " ".join(told(signed(), POLICY).notes)


def test_strict_rules_name_what_to_change() -> None:
    cure("audience-not-accepted", signed(aud=["account"]), "list in aud", '"jitsi"', policy=STRICT)
    cure("audience-not-accepted", signed(aud=[]), "not empty", policy=STRICT)
    cure("claim-malformed", signed(iat="1"), "iat", policy=STRICT)
    cure("room-address-invalid", signed(), "lower case", policy=STRICT, room="Standup")
    optional = replace(STRICT, asap_require_room_claim=False)
    pattern = signed(room="stand.*", context={"room": {"regex": True}})
    cure("room-pattern-invalid", pattern, "asap_require_room_claim = true", policy=optional)
    several = replace(STRICT, signature_algorithm="ES256", other_algorithms=("RS256",))
    cure("algorithm-not-allowed", signed(), "ES256 or RS256", '"HS256"', policy=several)


def test_an_allowed_list_of_audiences_is_one_that_prosody_would_refuse() -> None:
    explanation = told(signed(aud=["account", "jitsi"]), STRICT)
    assert explanation.allowed
    assert "Prosody would refuse" in " ".join(explanation.notes)
    anyone = replace(STRICT, asap_accepted_audiences=("*",))
    assert "Prosody would refuse" not in " ".join(told(signed(aud=["account"]), anyone).notes)


def test_a_refusal_for_iat_is_one_that_jitsi_would_not_give() -> None:
    assert "Jitsi never reads iat" in " ".join(told(signed(iat="1"), STRICT).notes)
