"""Notes: facts for operators besides the decision."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.explanations import (
    GOOD,
    KEYS,
    NOW,
    PLAIN,
    POLICY,
    check_suggestion,
    signed,
)
from tests.support.tokens import sign
from verifier.explain import explain
from verifier.keys.model import KeyLookup, KeySet, bind
from verifier.rules.model import AccessRequest
from verifier.rules.policy import Policy

ROOM = "standup@conference.meet.jitsi"


def notes(
    token: str | None,
    policy: Policy = POLICY,
    *,
    allowed: bool = True,
    keys: KeyLookup = KEYS,
) -> str:
    explanation = explain(AccessRequest(token, ROOM, ""), policy, keys, NOW)
    assert explanation.allowed is allowed
    return "\n".join(explanation.notes)


def test_ordinary_token_has_no_notes() -> None:
    assert notes(signed()) == ""


def test_top_level_moderator_is_noted_as_ignored() -> None:
    found = notes(signed(moderator=True))
    assert "moderator is at the top level" in found
    assert "context.user" in found
    assert "makes its user a moderator" not in found
    assert "affiliation is at the top level" in notes(signed(affiliation="owner"))


def test_top_level_moderator_is_noted_on_denials() -> None:
    assert "top level" in notes(signed(moderator=True, exp=NOW - 1), allowed=False)


@pytest.mark.parametrize("flag", ["yes", 1, "True"])
def test_unsuitable_moderator_flag_is_noted(flag: object) -> None:
    assert "makes no moderator" in notes(signed(context={"user": {"id": "7", "moderator": flag}}))


@pytest.mark.parametrize("flag", [False, "false", "", None, 0])
def test_negative_moderator_flag_is_not_noted(flag: object) -> None:
    assert notes(signed(context={"user": {"id": "7", "moderator": flag}})) == ""


def test_moderator_is_noted() -> None:
    user = {"id": "7", "moderator": "true"}
    assert "makes its user a moderator" in notes(signed(context={"user": user}))


def test_expiry_in_milliseconds_is_noted() -> None:
    for milliseconds in (98753496345768, NOW * 1000):
        found = notes(signed(exp=milliseconds))
        assert "milliseconds" in found
        assert "never expires" in found


def test_token_without_expiry_is_noted() -> None:
    assert "no exp" in notes(signed(exp=...))


def test_effective_wildcards_are_noted() -> None:
    assert "every room" in notes(signed(room="*"))
    assert "every tenant" in notes(signed(sub="*"))
    assert notes(signed(sub="*"), PLAIN) == ""


def test_allowed_audience_list_is_noted() -> None:
    policy = replace(POLICY, asap_accepted_audiences=("*",))
    assert "aud is a list" in notes(signed(aud=["a", "b"]), policy)


def test_ineffective_pattern_flag_is_noted() -> None:
    flagged = signed(context={"user": {"id": "7"}, "room": {"regex": True}})
    assert "context.room.regex is ignored" in notes(flagged, PLAIN)


def test_missing_user_data_is_noted() -> None:
    assert "no context" in notes(signed(context=...))
    assert "no id" in notes(signed(context={"user": {"name": "Ada"}}))
    assert notes(signed(context=..., user_id="7")) == ""


def test_token_from_the_future_is_noted() -> None:
    assert "iat is in the future" in notes(signed(iat=NOW + 60))
    assert notes(signed(iat="yesterday")) == ""


def test_flagged_context_tenant_is_noted() -> None:
    assert "context.tenant" in notes(signed(context={"user": {"id": "7"}, "tenant": "other"}))


def test_guest_is_noted() -> None:
    assert "guest" in notes(None, replace(POLICY, allow_empty_token=True))


def test_denial_that_jitsi_would_allow_is_noted() -> None:
    found = notes(signed(context={"user": "Ada"}), allowed=False)
    assert "Jitsi's own plugins" in found


def test_algorithm_unknown_to_jitsi_is_noted() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    keys = KeySet((bind(private.public_key(), None, "file"),))
    policy = replace(POLICY, signature_algorithm="ES256")
    found = notes(sign(GOOD, key=private, algorithm="ES256"), policy, keys=keys)
    assert "Prosody would refuse" in found


def test_expiry_behind_the_failed_step_is_noted() -> None:
    assert "has expired, too" in notes(signed(exp=NOW - 1, nbf="x"), allowed=False)


def test_unreadable_token_has_no_notes() -> None:
    assert notes("garbage", allowed=False) == ""


def test_explaining_single_use_token_does_not_use_it() -> None:
    policy = replace(POLICY, single_use="jti")
    found = notes(signed(jti="a"), policy)
    assert "opens its room once (single_use)" in found
    assert notes(signed(jti="a"), policy) == found
    assert "single_use" not in notes(signed(exp=NOW - 1), policy, allowed=False)


@pytest.mark.parametrize(
    ("factor", "unit"), [(10**3, "milliseconds"), (10**6, "microseconds"), (10**9, "nanoseconds")]
)
def test_unit_of_a_large_time_is_named(factor: int, unit: str) -> None:
    assert f"looks like {unit}, and Jitsi reads seconds" in notes(signed(exp=(NOW + 60) * factor))
    assert f"looks like {unit}. Jitsi ignores it." in notes(signed(iat=NOW * factor))
    check_suggestion("token-not-yet-valid", signed(nbf=NOW * factor), f"looks like {unit}")


@pytest.mark.parametrize("affiliation", ["Owner", "admin"])
def test_affiliation_without_effect_is_noted(affiliation: str) -> None:
    found = notes(signed(context={"user": {"id": "7", "affiliation": affiliation}}))
    assert "makes no moderator: only owner, moderator and teacher do" in found


def test_affiliation_that_means_no_moderator_is_not_noted() -> None:
    assert notes(signed(context={"user": {"id": "7", "affiliation": "member"}})) == ""
