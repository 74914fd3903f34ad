"""What to change about room, tenant and domain: each mistake its sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.explanations import KEYS, NOW, PLAIN, POLICY, cure, signed
from verifier.explain import explain
from verifier.rules.model import AccessRequest, DenialCode
from verifier.rules.policy import Policy


@pytest.mark.parametrize(
    ("claimed", "room"),
    [
        ("Команда", "%d0%ba%d0%be%d0%bc%d0%b0%d0%bd%d0%b4%d0%b0"),
        ("Team Sync", "team%20sync"),
        ("Straße", "stra%c3%9fe"),
        ("%D0%9A", "%d0%ba"),
        ("a:b", "ab"),
    ],
)
@pytest.mark.parametrize("policy", [POLICY, PLAIN])
def test_a_room_claim_that_is_not_in_the_client_s_form_is_given_in_it(
    claimed: str, room: str, policy: Policy
) -> None:
    words = (f'"{room}"', f'"{claimed}"', "percent-encoded")
    cure("room-mismatch", signed(room=claimed), *words, room=room, policy=policy)


@pytest.mark.parametrize(
    "claimed",
    ["https://meet.example.org/standup?x=1", "acme/standup", "standup@muc.x.org", "standup "],
)
def test_a_room_claim_that_says_too_much_is_cut_down_to_the_name(claimed: str) -> None:
    cure("room-mismatch", signed(room=claimed), "only the room's name", '"standup"')


def test_another_room_and_a_partial_wildcard_are_told_apart() -> None:
    cure("room-mismatch", signed(room="retro"), '"standup"', '"retro"', '"*"')
    cure("room-mismatch", signed(room="stand*"), "context.room.regex", "Lua pattern")
    cure("room-mismatch", signed(room=["standup"]), "one string", policy=PLAIN)
    cure("room-mismatch", signed(room=""), "Name the room", policy=PLAIN)
    cure("room-mismatch", signed(room="standup"), "lower case", room="StandUp")


def pattern(room: str) -> str:
    return signed(room=room, context={"user": {}, "room": {"regex": True}})


@pytest.mark.parametrize(
    ("claimed", "word"),
    [
        (r"^stand\w+$", "%w"),
        ("(standup|retro)", "neither |"),
        ("^команда.*$", "%%"),
        ("^STAND.*$", "lower case"),
        ("^team-1$", "%-"),
        ("retro", ".*"),
        ("stand", "whole name"),
        ("^stand(.*)$", '"up"'),
    ],
)
def test_a_pattern_that_does_not_match_gets_the_hint_for_its_mistake(
    claimed: str, word: str
) -> None:
    cure("room-mismatch", pattern(claimed), word)


def test_a_pattern_without_domain_verification_is_told_that_it_is_none() -> None:
    words = ("enable_domain_verification", '"standup"', "off here")
    cure("room-mismatch", pattern("^stand.*$"), *words, policy=PLAIN)


def test_a_pattern_that_is_refused_unmatched_says_by_which_limit() -> None:
    code = "room-pattern-invalid"
    cure(code, pattern("(stand"), "valid Lua pattern", "unfinished capture")
    cure(code, pattern(".*.*.*.*"), "simpler", "3")
    cure(code, pattern(".*"), "shorter", "128", room="x" * 129)
    disabled = replace(POLICY, token_regex_enabled=False)
    cure(code, pattern(".*"), "token_regex_enabled", policy=disabled)


def test_a_subject_that_is_the_public_name_is_given_the_xmpp_domain() -> None:
    words = ('Set sub to "meet.jitsi"', '"*"', "XMPP_DOMAIN", "public name", '"meet.example.org"')
    cure("domain-mismatch", signed(sub="meet.example.org"), *words)
    cure("domain-mismatch", signed(sub="acme"), '"meet.jitsi"', "/acme/ROOM")


def test_a_subject_below_a_tenant_is_given_the_tenant() -> None:
    tenant = "[acme]standup"
    cure("tenant-mismatch", signed(), 'Set sub to "acme"', "the domain", room=tenant)
    cure("tenant-mismatch", signed(sub="other"), '"acme"', '"*"', room=tenant)
    cure("tenant-mismatch", signed(sub="acme"), "lower case", room="[ACME]standup")


def test_a_context_tenant_that_is_not_the_url_s_is_named() -> None:
    token = signed(context={"tenant": "other"})
    cure("tenant-mismatch", token, "leave context.tenant out", room_requires_authentication=True)
    tenant = signed(sub="acme", context={"tenant": "other"})
    room = "[acme]standup"
    cure(
        "tenant-mismatch",
        tenant,
        'context.tenant to "acme"',
        room=room,
        prefix="acme",
        room_requires_authentication=True,
    )


def test_an_address_at_another_muc_domain_is_named() -> None:
    policy = replace(POLICY, muc_mapper_domain="rooms.meet.jitsi")
    cure("domain-mismatch", signed(sub="*"), "rooms.meet.jitsi", policy=policy)
    bare = replace(POLICY, muc_mapper_domain_base=None, muc_mapper_domain=None)
    cure("domain-mismatch", signed(sub="*"), "muc_mapper_domain_base", policy=bare)
    cure("server-misconfigured", signed(), "XMPP_DOMAIN", policy=bare, room="[acme]standup")


def test_an_address_that_names_no_room_says_how_rooms_are_named() -> None:
    explanation = explain(AccessRequest(signed(), ""), POLICY, KEYS, NOW)
    assert explanation.code is DenialCode.ROOM_ADDRESS_INVALID
    assert any("https://HOST/ROOM" in (step.cure or "") for step in explanation.steps)
    cure("room-address-invalid", signed(), "Open the room first", room_exists=False)
