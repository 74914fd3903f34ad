"""Explanations of the operator policy and of strict rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.explanations import KEYS, NOW, POLICY, check_suggestion, signed
from verifier.explain import Explanation, Step, explain
from verifier.rules.model import AccessRequest
from verifier.rules.policy import OperatorPolicy

ROOM = "standup@conference.meet.jitsi"
STRICT = replace(POLICY, strict=True)


def explained(token: str | None, policy: Any, **request: Any) -> Explanation:
    return explain(AccessRequest(token, ROOM, "", **request), policy, KEYS, NOW)


def policy_with(**rules: Any) -> Any:
    return replace(POLICY, operator_policy=OperatorPolicy(**rules))


def step(explanation: Explanation, name: str) -> Step:
    return next(step for step in explanation.steps if step.name == name)


def test_policy_denials_name_the_change_and_the_option() -> None:
    operator_policy = policy_with(forbid_wildcard_room=True)
    check_suggestion(
        "policy-wildcard-room",
        signed(room="*"),
        '"standup"',
        "forbid_wildcard_room",
        policy=operator_policy,
    )
    check_suggestion(
        "policy-wildcard-room", signed(room="*"), "room's name", policy=operator_policy, room=None
    )
    operator_policy = policy_with(forbid_wildcard_sub=True)
    check_suggestion("policy-wildcard-sub", signed(sub="*"), '"meet.jitsi"', policy=operator_policy)
    check_suggestion(
        "policy-wildcard-sub",
        signed(sub="*"),
        '"acme"',
        policy=operator_policy,
        room="[acme]standup",
    )
    operator_policy = policy_with(forbid_room_patterns=True)
    pattern = signed(context={"room": {"regex": True}})
    check_suggestion(
        "policy-room-pattern", pattern, '"standup"', "context.room.regex", policy=operator_policy
    )
    operator_policy = policy_with(max_token_lifetime=1800)
    words = ("30 min", "1800 s", "max_token_lifetime")
    assert "iat" in check_suggestion(
        "policy-token-lifetime", signed(), *words, policy=operator_policy
    )
    assert "iat" not in check_suggestion(
        "policy-token-lifetime", signed(iat=NOW), *words, policy=operator_policy
    )
    check_suggestion("policy-jti-missing", signed(), "jti", policy=policy_with(require_jti=True))
    check_suggestion(
        "policy-expiry-missing", signed(exp=...), "exp", policy=policy_with(require_expiry=True)
    )
    operator_policy = policy_with(require_user_id=True)
    check_suggestion(
        "policy-user-id-missing", signed(context={}), "context.user", policy=operator_policy
    )
    operator_policy = policy_with(moderators_create_rooms=True)
    check_suggestion(
        "policy-moderator-required",
        signed(),
        "moderator",
        policy=operator_policy,
        creates_room=True,
    )


def test_policy_step_shows_expected_and_found() -> None:
    explanation = explained(
        signed(iat=NOW - 60), policy_with(max_token_lifetime=7200, require_jti=True)
    )
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
    endless = explained(signed(exp=...), policy_with(max_token_lifetime=7200))
    assert step(endless, "policy: lifetime").found == "no end"
    assert (endless.prosody.error, endless.prosody.reason) == (
        "not-allowed",
        "the token is valid for too long",
    )


def test_note_for_users_who_cannot_open_rooms() -> None:
    operator_policy = policy_with(moderators_create_rooms=True)
    assert "makes no moderator" in " ".join(explained(signed(), operator_policy).notes)
    moderator = signed(context={"user": {"id": "7", "moderator": True}})
    assert "makes no moderator" not in " ".join(explained(moderator, operator_policy).notes)
    assert "makes no moderator" not in " ".join(explained(signed(), POLICY).notes)


def test_strict_rules_suggest_changes() -> None:
    check_suggestion(
        "audience-not-accepted", signed(aud=["account"]), "list in aud", '"jitsi"', policy=STRICT
    )
    check_suggestion("audience-not-accepted", signed(aud=[]), "not empty", policy=STRICT)
    check_suggestion("claim-malformed", signed(iat="1"), "iat", policy=STRICT)
    check_suggestion("room-address-invalid", signed(), "lower case", policy=STRICT, room="Standup")
    optional = replace(STRICT, asap_require_room_claim=False)
    pattern = signed(room="stand.*", context={"room": {"regex": True}})
    check_suggestion(
        "room-pattern-invalid", pattern, "asap_require_room_claim = true", policy=optional
    )
    several = replace(STRICT, signature_algorithm="ES256", other_algorithms=("RS256",))
    check_suggestion("algorithm-not-allowed", signed(), "ES256 or RS256", '"HS256"', policy=several)


def test_allowed_audience_list_notes_prosodys_refusal() -> None:
    explanation = explained(signed(aud=["account", "jitsi"]), STRICT)
    assert explanation.allowed
    assert "Prosody would refuse" in " ".join(explanation.notes)
    anyone = replace(STRICT, asap_accepted_audiences=("*",))
    assert "Prosody would refuse" not in " ".join(explained(signed(aud=["account"]), anyone).notes)


def test_denial_for_iat_notes_that_jitsi_allows() -> None:
    assert "Jitsi never reads iat" in " ".join(explained(signed(iat="1"), STRICT).notes)
