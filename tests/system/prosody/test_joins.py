from __future__ import annotations

from typing import Any

import pytest

from tests.system.prosody.fake_verifier import FakeVerifier
from tests.system.prosody.minting import hs_token
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import Joined, Refusal
from tests.system.prosody.visitors import Visitors

HOST = "hs.test"
MUC = "conference.hs.test"
IN = Joined("member", "participant")
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
async def test_a_token_for_the_room_opens_it(
    visitors: Visitors, claims: dict[str, Any], room: str
) -> None:
    user = await visitors.enter(HOST, f"token={hs_token(**claims)}")
    assert await user.join(f"{room}@{MUC}") == IN


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
async def test_a_token_for_something_else_opens_nothing(
    visitors: Visitors, prosody: Prosody, claims: dict[str, Any], room: str, refusal: Refusal
) -> None:
    user = await visitors.enter(HOST, f"token={hs_token(**claims)}")
    assert await user.join(f"{room}@{MUC}") == refusal
    assert prosody.affiliations(f"{room}@{MUC}") is None


@pytest.mark.parametrize(
    ("claim", "room"),
    [("(broken", "broken"), ("a*b*c*d*", "a"), (".*", "x" * 150)],
    ids=["broken", "too complex", "too long"],
)
async def test_a_bad_pattern_is_refused_with_jitsis_own_element(
    visitors: Visitors, claim: str, room: str
) -> None:
    user = await visitors.enter(HOST, f"token={hs_token(**pattern(claim))}")
    answer = await user.join(f"{room}@{MUC}")
    assert isinstance(answer, Refusal)
    assert (answer.condition, answer.extra) == ("not-allowed", "invalid-regex")
    assert answer.text


async def test_a_refused_user_may_try_another_room(visitors: Visitors) -> None:
    user = await visitors.enter(HOST, f"token={hs_token(room='second')}")
    assert await user.join(f"first@{MUC}") == MISMATCH
    assert await user.join(f"second@{MUC}") == IN


async def test_bosh_user_enters_the_tokens_room_only(visitors: Visitors) -> None:
    user = visitors.bosh(HOST, f"token={hs_token(room='by-bosh')}")
    assert await user.login() is None
    assert await user.join(f"elsewhere@{MUC}") == MISMATCH
    assert await user.join(f"by-bosh@{MUC}") == IN
    await user.close()


async def test_joining_an_existing_room_is_judged_too(visitors: Visitors) -> None:
    first = await visitors.enter(HOST, f"token={hs_token(room='shared')}")
    assert await first.join(f"shared@{MUC}", "first") == IN
    second = await visitors.enter(HOST, f"token={hs_token(room='other')}")
    assert await second.join(f"shared@{MUC}", "second") == MISMATCH
    third = await visitors.enter(HOST, f"token={hs_token(room='shared')}")
    assert await third.join(f"shared@{MUC}", "third") == IN


async def test_an_admin_needs_no_token(visitors: Visitors) -> None:
    focus = visitors.websocket("auth.test")
    await focus.login_as("focus")
    assert await focus.join(f"by-focus@{MUC}", "focus") == Joined("owner", "moderator")


async def test_another_user_of_the_admins_host_is_no_admin(visitors: Visitors) -> None:
    user = visitors.websocket("auth.test", "token=x.y.z")
    await user.login_as("somebody")
    answer = await user.join(f"by-somebody@{MUC}")
    assert isinstance(answer, Refusal)


async def test_a_listed_domain_needs_no_token(visitors: Visitors) -> None:
    recorder = await visitors.enter("recorder.test")
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
def test_the_exempt_need_no_verdict(prosody: Prosody, origin: str, sender: str) -> None:
    assert prosody.inject(origin, sender, f"exempt@{MUC}/x") == ["joined"]


def test_where_nothing_can_wait_nobody_enters(prosody: Prosody) -> None:
    outcome = prosody.inject("component", "who@elsewhere.test/x", f"unjudged@{MUC}/x")
    assert outcome == ["remote-server-timeout"]


def test_a_presence_that_was_not_judged_creates_no_room(prosody: Prosody) -> None:
    assert prosody.inject("c2s", "who@hs.test/x", f"bare@{MUC}") == ["not-allowed"]
    assert prosody.affiliations(f"bare@{MUC}") is None


async def test_a_verdict_for_one_room_opens_no_other(visitors: Visitors, prosody: Prosody) -> None:
    asked, entered = f"asked@{MUC}", f"entered@{MUC}"
    prosody.prepare_room(asked, redirect=entered)
    user = await visitors.enter(HOST, f"token={hs_token(room='asked')}")
    assert await user.join(asked) == MISMATCH
    assert prosody.affiliations(entered) is None


async def test_a_guest_of_another_host_enters(visitors: Visitors) -> None:
    owner = await visitors.enter(HOST, f"token={hs_token()}")
    await owner.join(f"hosted@{MUC}", "owner")
    guest = await visitors.enter("guest.test")
    assert await guest.join(f"hosted@{MUC}", "guest") == Joined("none", "participant")


async def test_a_guest_of_another_host_stays_out_of_a_closed_room(
    visitors: Visitors, prosody: Prosody
) -> None:
    prosody.prepare_room(f"shut@{MUC}", closed="1")
    guest = await visitors.enter("guest.test")
    assert await guest.join(f"shut@{MUC}") == Refusal(
        "not-allowed", "Authentication required", "authentication-required", "cancel"
    )


async def test_a_guest_of_another_host_with_a_bad_token_stays_out(visitors: Visitors) -> None:
    guest = await visitors.enter("guest.test", "token=x.y.z")
    answer = await guest.join(f"hosted-too@{MUC}")
    assert isinstance(answer, Refusal)
    assert answer.condition == "not-allowed"


async def test_a_presence_inside_a_room_is_no_new_question(
    visitors: Visitors, fake: FakeVerifier
) -> None:
    user = await visitors.enter("patient.test", "token=login-allow&prefix=acme")
    room = "asked-once@conference.patient.test"
    before = len(fake.asked_with("login-allow"))
    await user.join(room)
    for nick in ("me", "renamed"):
        await user.join(room, nick)
    asked = fake.asked_with("login-allow")[before:]
    assert [question["room_jid"] for question in asked] == [room]


async def test_the_question_says_all_that_the_verifier_can_use(
    visitors: Visitors, fake: FakeVerifier, prosody: Prosody
) -> None:
    room = "[acme]told@conference.fault.test"
    prosody.prepare_room(room, closed="1")
    user = await visitors.enter("fault.test", "token=owner&prefix=acme")
    await user.join(room)
    login, join = fake.asked_with("owner")[-2:]
    common = {"token": "owner", "query_prefix": "acme", "host": "meet.example.org"}
    room_of_login: dict[str, object] = {"room_jid": None, "room_requires_authentication": False}
    room_of_login |= {"creates_room": False, "admitted_before": False}
    assert login == common | room_of_login
    room_of_join: dict[str, object] = {"room_jid": room, "room_requires_authentication": True}
    room_of_join |= {"creates_room": True, "admitted_before": False}
    assert join == common | room_of_join


async def test_a_room_that_closed_meanwhile_refuses_another_tenants_user(
    visitors: Visitors, prosody: Prosody
) -> None:
    room = "flagged@conference.fault.test"
    user = await visitors.enter("fault.test", "token=mismatch-1")
    assert isinstance(await user.join(room), Joined)
    assert (prosody.session(user.jid) or {})["jitsi_meet_tenant_mismatch"] is True
    await user.leave(room)
    prosody.prepare_room(room, closed="1")
    assert await user.join(room) == Refusal("not-allowed", "Invalid signature", None, "cancel")


async def test_whoever_was_let_in_may_come_back_after_the_token_expired(visitors: Visitors) -> None:
    room, other = "main@conference.fault.test", "other@conference.fault.test"
    user = await visitors.enter("fault.test", "token=expiring-1")
    assert await user.join(room) == Joined("owner", "moderator")
    await user.leave(room)
    assert await user.join(room) == Joined("owner", "moderator")
    assert await user.join(other) == Refusal("not-allowed", "Not acceptable by exp", None, "cancel")


async def test_a_one_use_token_lets_its_session_into_breakout_rooms_and_no_other_session(
    visitors: Visitors,
) -> None:
    room, breakout = "once@conference.fault.test", "breakout@conference.fault.test"
    user = await visitors.enter("fault.test", "token=once-1")
    assert await user.join(room) == Joined("owner", "moderator")
    await user.leave(room)
    for each in (breakout, room):
        assert await user.join(each) == Joined("owner", "moderator")
    other = await visitors.enter("fault.test", "token=once-1")
    assert await other.join(room) == Refusal("not-allowed", "token already used", None, "cancel")
