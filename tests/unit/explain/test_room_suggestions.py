"""Suggestions about room, tenant and domain: one sentence for each mistake."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.explanations import KEYS, NOW, PLAIN, POLICY, check_suggestion, signed
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
def test_room_claim_is_shown_in_the_clients_form(claimed: str, room: str, policy: Policy) -> None:
    words = (f'"{room}"', f'"{claimed}"', "percent-encoded")
    check_suggestion("room-mismatch", signed(room=claimed), *words, room=room, policy=policy)


@pytest.mark.parametrize(
    "claimed",
    ["https://meet.example.org/standup?x=1", "acme/standup", "standup@muc.x.org", "standup "],
)
def test_room_claim_with_more_than_a_name_is_shortened(claimed: str) -> None:
    check_suggestion("room-mismatch", signed(room=claimed), "only the room's name", '"standup"')


def test_another_room_differs_from_a_partial_wildcard() -> None:
    check_suggestion("room-mismatch", signed(room="retro"), '"standup"', '"retro"', '"*"')
    check_suggestion("room-mismatch", signed(room="stand*"), "context.room.regex", "Lua pattern")
    check_suggestion("room-mismatch", signed(room=["standup"]), "one string", policy=PLAIN)
    check_suggestion("room-mismatch", signed(room=""), "Name the room", policy=PLAIN)
    check_suggestion("room-mismatch", signed(room="standup"), "lower case", room="StandUp")


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
def test_pattern_without_match_gets_a_hint(claimed: str, word: str) -> None:
    check_suggestion("room-mismatch", pattern(claimed), word)


def test_pattern_needs_domain_verification() -> None:
    words = ("enable_domain_verification", '"standup"', "off here")
    check_suggestion("room-mismatch", pattern("^stand.*$"), *words, policy=PLAIN)


def test_refused_pattern_names_the_limit() -> None:
    code = "room-pattern-invalid"
    check_suggestion(code, pattern("(stand"), "valid Lua pattern", "unfinished capture")
    check_suggestion(code, pattern(".*.*.*.*"), "simpler", "3")
    check_suggestion(code, pattern(".*"), "shorter", "128", room="x" * 129)
    disabled = replace(POLICY, token_regex_enabled=False)
    check_suggestion(code, pattern(".*"), "token_regex_enabled", policy=disabled)


def test_public_name_as_subject_suggests_xmpp_domain() -> None:
    words = ('Set sub to "meet.jitsi"', '"*"', "XMPP_DOMAIN", "public name", '"meet.example.org"')
    check_suggestion("domain-mismatch", signed(sub="meet.example.org"), *words)
    check_suggestion("domain-mismatch", signed(sub="acme"), '"meet.jitsi"', "/acme/ROOM")


def test_subject_below_a_tenant_suggests_the_tenant() -> None:
    tenant = "[acme]standup"
    check_suggestion("tenant-mismatch", signed(), 'Set sub to "acme"', "the domain", room=tenant)
    check_suggestion("tenant-mismatch", signed(sub="other"), '"acme"', '"*"', room=tenant)
    check_suggestion("tenant-mismatch", signed(sub="acme"), "lower case", room="[ACME]standup")


def test_other_context_tenant_is_named() -> None:
    token = signed(context={"tenant": "other"})
    check_suggestion(
        "tenant-mismatch", token, "leave context.tenant out", room_requires_authentication=True
    )
    tenant = signed(sub="acme", context={"tenant": "other"})
    room = "[acme]standup"
    check_suggestion(
        "tenant-mismatch",
        tenant,
        'context.tenant to "acme"',
        room=room,
        prefix="acme",
        room_requires_authentication=True,
    )


def test_other_muc_domain_is_named() -> None:
    policy = replace(POLICY, muc_mapper_domain="rooms.meet.jitsi")
    check_suggestion("domain-mismatch", signed(sub="*"), "rooms.meet.jitsi", policy=policy)
    bare = replace(POLICY, muc_mapper_domain_base=None, muc_mapper_domain=None)
    check_suggestion("domain-mismatch", signed(sub="*"), "muc_mapper_domain_base", policy=bare)
    check_suggestion(
        "server-misconfigured", signed(), "XMPP_DOMAIN", policy=bare, room="[acme]standup"
    )


def test_address_without_room_explains_addresses() -> None:
    explanation = explain(AccessRequest(signed(), ""), POLICY, KEYS, NOW)
    assert explanation.code is DenialCode.ROOM_ADDRESS_INVALID
    assert any("https://HOST/ROOM" in (step.cure or "") for step in explanation.steps)
    check_suggestion("room-address-invalid", signed(), "Open the room first", room_exists=False)


def test_claim_with_several_rooms_is_named() -> None:
    for claimed in ("standup,retro", "retro; standup", "retro standup"):
        check_suggestion("room-mismatch", signed(room=claimed), "names several rooms", '"standup"')


def test_room_that_no_link_opens_is_not_suggested() -> None:
    assert "or open the room" in check_suggestion("room-mismatch", signed(room="retro"))
    assert "or open the room" not in check_suggestion("room-mismatch", signed(room="Team Sync"))


def test_removed_characters_of_a_room_are_named() -> None:
    check_suggestion("room-mismatch", signed(room="stand+up"), "without characters such as + and /")


def test_empty_subject_is_named() -> None:
    check_suggestion("domain-mismatch", signed(sub=""), "The claim sub is empty.")
