"""Joins: which room a token opens, exemptions, guests, and what Prosody asks the verifier."""

from __future__ import annotations

from typing import Any

import pytest

from tests.system.prosody.clients import ClientFactory
from tests.system.prosody.fake_verifier import FakeVerifier
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import Joined, Refusal
from tests.system.prosody.tokens import hs_token

HOST = "hs.test"
MUC = "conference.hs.test"
MEMBER = Joined("member", "participant")
MISMATCH = Refusal("not-allowed", "Room and token mismatched", None, "cancel")
NO_MATCH = Refusal(
    "not-allowed",
    "Room name cannot be matched to the one from token.",
    "room-name-does-not-match",
    "cancel",
)


def pattern(room: str) -> dict[str, Any]:
    return {"room": room, "context": {"room": {"regex": True}}}


@pytest.mark.parametrize(
    ("claims", "room"),
    [
        ({"room": "exact"}, "exact"),
        ({"room": "UpperCase"}, "uppercase"),
        ({"room": "*"}, "anything"),
        ({"room": "*", "sub": "*"}, "anywhere"),
        ({"room": "%d0%bf%d1%80"}, "%d0%bf%d1%80"),
        ({"room": "planning", "sub": "acme"}, "[acme]planning"),
        ({"room": "review", "sub": "ACME"}, "[acme]review"),
        ({"room": "*", "sub": "*"}, "[globex]planning"),
        (pattern("team%-%d+"), "team-42"),
        (pattern(".*"), "whatever"),
        (pattern("a*b*c+"), "aabbc"),
    ],
    ids=str,
)
async def test_token_for_the_room_opens_it(
    clients: ClientFactory, claims: dict[str, Any], room: str
) -> None:
    user = await clients.log_in(HOST, f"token={hs_token(**claims)}")
    assert await user.join(f"{room}@{MUC}") == MEMBER


@pytest.mark.parametrize(
    ("claims", "room", "refusal"),
    [
        ({"room": "mine"}, "yours", MISMATCH),
        ({"room": "mine"}, "mine2", MISMATCH),
        ({"sub": "other.test"}, "subject", MISMATCH),
        ({"sub": "acme"}, "[globex]planning-2", MISMATCH),
        ({"room": "mine", "sub": "acme"}, "[acme]yours", MISMATCH),
        (pattern("team%-%d+"), "team-x", NO_MATCH),
    ],
    ids=str,
)
async def test_token_for_another_room_or_domain_is_refused(
    clients: ClientFactory, prosody: Prosody, claims: dict[str, Any], room: str, refusal: Refusal
) -> None:
    user = await clients.log_in(HOST, f"token={hs_token(**claims)}")
    assert await user.join(f"{room}@{MUC}") == refusal
    assert prosody.affiliations(f"{room}@{MUC}") is None


@pytest.mark.parametrize(
    ("claim", "room"),
    [("(broken", "broken"), ("a*b*c*d*", "a"), (".*", "x" * 150)],
    ids=["broken", "too complex", "too long"],
)
async def test_bad_pattern_is_refused_with_jitsis_element(
    clients: ClientFactory, claim: str, room: str
) -> None:
    user = await clients.log_in(HOST, f"token={hs_token(**pattern(claim))}")
    answer = await user.join(f"{room}@{MUC}")
    assert isinstance(answer, Refusal)
    assert (answer.condition, answer.extra) == ("not-allowed", "invalid-regex")
    assert answer.text


async def test_refused_user_may_join_another_room(clients: ClientFactory) -> None:
    user = await clients.log_in(HOST, f"token={hs_token(room='second')}")
    assert await user.join(f"first@{MUC}") == MISMATCH
    assert await user.join(f"second@{MUC}") == MEMBER


async def test_bosh_user_joins_only_the_tokens_room(clients: ClientFactory) -> None:
    user = clients.bosh(HOST, f"token={hs_token(room='by-bosh')}")
    assert await user.login() is None
    assert await user.join(f"elsewhere@{MUC}") == MISMATCH
    assert await user.join(f"by-bosh@{MUC}") == MEMBER
    await user.close()


async def test_join_of_existing_room_needs_its_token(clients: ClientFactory) -> None:
    first = await clients.log_in(HOST, f"token={hs_token(room='shared')}")
    assert await first.join(f"shared@{MUC}", "first") == MEMBER
    second = await clients.log_in(HOST, f"token={hs_token(room='other')}")
    assert await second.join(f"shared@{MUC}", "second") == MISMATCH
    third = await clients.log_in(HOST, f"token={hs_token(room='shared')}")
    assert await third.join(f"shared@{MUC}", "third") == MEMBER


async def test_admin_needs_no_token(clients: ClientFactory) -> None:
    focus = clients.websocket("auth.test")
    await focus.login_as("focus")
    assert await focus.join(f"by-focus@{MUC}", "focus") == Joined("owner", "moderator")


async def test_other_user_on_the_admins_host_needs_a_token(clients: ClientFactory) -> None:
    user = clients.websocket("auth.test", "token=x.y.z")
    await user.login_as("another-user")
    answer = await user.join(f"by-another-user@{MUC}")
    assert isinstance(answer, Refusal)


async def test_domain_in_allowlist_needs_no_token(clients: ClientFactory) -> None:
    recorder = await clients.log_in("recorder.test")
    assert isinstance(await recorder.join(f"recorded@{MUC}", "recorder"), Joined)


@pytest.mark.parametrize(
    ("origin", "sender"),
    [
        ("c2s", "jigasi@guest.test/x"),
        ("c2s", "recorder@recorder.test/x"),
        ("c2s", "focus@auth.test/x"),
        ("s2sin", "visitor@v0.test/x"),
        ("module", "bot@hs.test/x"),
    ],
    ids=["listed user", "listed domain", "admin", "visitor", "module"],
)
def test_exempt_senders_join_without_the_verifier(
    prosody: Prosody, origin: str, sender: str
) -> None:
    assert prosody.inject(origin, sender, f"exempt@{MUC}/x") == ["joined"]


def test_join_that_cannot_wait_is_refused(prosody: Prosody) -> None:
    outcome = prosody.inject("component", "who@elsewhere.test/x", f"unjudged@{MUC}/x")
    assert outcome == ["remote-server-timeout"]


def test_presence_to_bare_room_jid_creates_no_room(prosody: Prosody) -> None:
    assert prosody.inject("c2s", "who@hs.test/x", f"bare@{MUC}") == ["not-allowed"]
    assert prosody.affiliations(f"bare@{MUC}") is None


async def test_decision_for_one_room_opens_no_other(
    clients: ClientFactory, prosody: Prosody
) -> None:
    requested, target = f"asked@{MUC}", f"entered@{MUC}"
    prosody.prepare_room(requested, redirect=target)
    user = await clients.log_in(HOST, f"token={hs_token(room='asked')}")
    assert await user.join(requested) == MISMATCH
    assert prosody.affiliations(target) is None


async def test_presence_inside_a_room_causes_no_request(
    clients: ClientFactory, fake_verifier: FakeVerifier
) -> None:
    user = await clients.log_in("slow.test", "token=login-allow&prefix=acme")
    room = "asked-once@conference.slow.test"
    before = len(fake_verifier.requests_with("login-allow"))
    await user.join(room)
    for nick in ("me", "renamed"):
        await user.join(room, nick)
    new_requests = fake_verifier.requests_with("login-allow")[before:]
    assert [message["room_jid"] for message in new_requests] == [room]


async def test_requests_have_all_members_of_the_api(
    clients: ClientFactory, fake_verifier: FakeVerifier, prosody: Prosody
) -> None:
    room = "[acme]told@conference.fault.test"
    prosody.prepare_room(room, closed="1")
    user = await clients.log_in("fault.test", "token=owner&prefix=acme")
    await user.join(room)
    login, join = fake_verifier.requests_with("owner")[-2:]
    common = {"token": "owner", "query_prefix": "acme", "host": "meet.example.org"}
    room_of_login: dict[str, object] = {"room_jid": None, "room_requires_authentication": False}
    room_of_login |= {"creates_room": False, "admitted_before": False}
    room_of_login |= {"authenticated_elsewhere": False}
    assert login == common | room_of_login
    room_of_join: dict[str, object] = {"room_jid": room, "room_requires_authentication": True}
    room_of_join |= {"creates_room": True, "admitted_before": False}
    room_of_join |= {"authenticated_elsewhere": False}
    assert join == common | room_of_join


async def test_room_closed_later_refuses_user_of_another_tenant(
    clients: ClientFactory, prosody: Prosody
) -> None:
    room = "flagged@conference.fault.test"
    user = await clients.log_in("fault.test", "token=mismatch-1")
    assert isinstance(await user.join(room), Joined)
    assert (prosody.session(user.jid) or {})["jitsi_meet_tenant_mismatch"] is True
    await user.leave(room)
    prosody.prepare_room(room, closed="1")
    assert await user.join(room) == Refusal("not-allowed", "Invalid signature", None, "cancel")


async def test_admitted_user_may_rejoin_after_token_expires(
    clients: ClientFactory,
) -> None:
    room, other = "main@conference.fault.test", "other@conference.fault.test"
    user = await clients.log_in("fault.test", "token=expiring-1")
    assert await user.join(room) == Joined("owner", "moderator")
    await user.leave(room)
    assert await user.join(room) == Joined("owner", "moderator")
    assert await user.join(other) == Refusal("not-allowed", "Not acceptable by exp", None, "cancel")


async def test_single_use_token_serves_one_session_only(
    clients: ClientFactory,
) -> None:
    room, breakout = "once@conference.fault.test", "breakout@conference.fault.test"
    user = await clients.log_in("fault.test", "token=once-1")
    assert await user.join(room) == Joined("owner", "moderator")
    await user.leave(room)
    for next_room in (breakout, room):
        assert await user.join(next_room) == Joined("owner", "moderator")
    other = await clients.log_in("fault.test", "token=once-1")
    assert await other.join(room) == Refusal("not-allowed", "token already used", None, "cancel")
