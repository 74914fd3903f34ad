"""``policy.moderators_create_rooms``: who opens a room that nobody is in."""

from __future__ import annotations

from typing import Any

from tests.system.prosody.fake_verifier import FakeVerifier
from tests.system.prosody.minting import hs_token
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import Joined, Refusal, join
from tests.system.prosody.visitors import Visitors, until
from tests.system.prosody.websocket_client import Client

HOST = "moderated.test"
MUC = "conference.moderated.test"
REFUSED = Refusal("not-allowed", "only a moderator may open this room", None, "cancel")
MEMBER, OWNER = Joined("member", "participant"), Joined("owner", "moderator")
MODERATOR: dict[str, Any] = {"context": {"user": {"id": "u-2", "moderator": True}}}


async def enter(visitors: Visitors, **claims: Any) -> Client:
    return await visitors.enter(HOST, f"token={hs_token(sub=HOST, **claims)}")


async def test_a_member_opens_no_room_but_enters_one_that_a_moderator_has_opened(
    visitors: Visitors, prosody: Prosody
) -> None:
    room = f"opened@{MUC}"
    member, moderator = await enter(visitors), await enter(visitors, **MODERATOR)
    assert await member.join(room, "member") == REFUSED
    assert prosody.affiliations(room) is None
    assert await moderator.join(room, "moderator") == OWNER
    assert await member.join(room, "member") == MEMBER


async def test_a_room_that_only_jicofo_is_in_waits_for_a_moderator(visitors: Visitors) -> None:
    room = f"focused@{MUC}"
    focus = visitors.websocket("auth.test")
    await focus.login_as("focus")
    assert isinstance(await focus.join(room, "focus"), Joined)
    member, moderator = await enter(visitors), await enter(visitors, **MODERATOR)
    assert await member.join(room, "member") == REFUSED
    assert await moderator.join(room, "moderator") == OWNER
    assert await member.join(room, "member") == MEMBER


async def test_who_was_in_the_room_comes_back_when_all_have_left(visitors: Visitors) -> None:
    room = f"left@{MUC}"
    member, moderator = await enter(visitors), await enter(visitors, **MODERATOR)
    assert await moderator.join(room, "moderator") == OWNER
    assert await member.join(room, "member") == MEMBER
    await moderator.leave(room, "moderator")
    await member.leave(room, "member")
    assert await member.join(room, "member") == MEMBER
    await member.leave(room, "member")
    assert await (await enter(visitors)).join(room, "other") == REFUSED


async def test_who_never_got_into_the_room_does_not_open_it_when_all_have_left(
    visitors: Visitors,
) -> None:
    room = f"never@{MUC}"
    member, moderator = await enter(visitors), await enter(visitors, **MODERATOR)
    assert await moderator.join(room, "taken") == OWNER
    # The verifier lets the member in, but the room itself does not.
    assert await member.join(room, "taken") == Refusal("conflict", None, None, "cancel")
    await moderator.leave(room, "taken")
    assert await member.join(room, "taken") == REFUSED


async def test_an_expired_token_opens_no_room_that_its_bearer_never_got_into(
    visitors: Visitors,
) -> None:
    room = "expiring@conference.fault.test"
    first = await visitors.enter("fault.test", "token=owner")
    user = await visitors.enter("fault.test", "token=expiring-taken")
    assert isinstance(await first.join(room, "taken"), Joined)
    assert await user.join(room, "taken") == Refusal("conflict", None, None, "cancel")
    await first.leave(room, "taken")
    assert await user.join(room, "taken") == Refusal(
        "not-allowed", "Not acceptable by exp", None, "cancel"
    )


async def test_a_guest_of_another_host_opens_no_room_either(visitors: Visitors) -> None:
    room = f"guests@{MUC}"
    guest = await visitors.enter("guest.test")
    assert await guest.join(room, "guest") == REFUSED
    moderator = await enter(visitors, **MODERATOR)
    assert await moderator.join(room, "moderator") == OWNER
    assert await guest.join(room, "guest") == Joined("none", "participant")


async def test_other_hosts_members_open_rooms_as_ever(visitors: Visitors) -> None:
    user = await visitors.enter("hs.test", f"token={hs_token()}")
    assert await user.join("ever@conference.hs.test") == MEMBER


async def test_a_room_that_all_leave_while_a_verdict_is_awaited_is_asked_for_again(
    visitors: Visitors, fake: FakeVerifier, prosody: Prosody
) -> None:
    token, room = "held-left", "left@conference.patient.test"
    first = await visitors.enter("patient.test", "token=allow")
    assert isinstance(await first.join(room, "first"), Joined)
    second = await visitors.enter("patient.test", f"token={token}")
    await second.send(join(room, "second"))
    await until(lambda: any(q["room_jid"] == room for q in fake.asked_with(token)))
    asked = next(q for q in fake.asked_with(token) if q["room_jid"] == room)
    assert asked["creates_room"] is False
    await first.leave(room, "first")
    await until(lambda: prosody.affiliations(room) is None)
    fake.release(token)
    answer = await second.join_result()
    assert isinstance(answer, Refusal)
    assert (answer.condition, answer.type) == ("remote-server-timeout", "wait")
    assert await second.join(room, "second") == MEMBER
