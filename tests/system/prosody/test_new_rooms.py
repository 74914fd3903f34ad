"""``policy.moderators_create_rooms``: only a moderator may open an empty room."""

from __future__ import annotations

from typing import Any

from tests.system.prosody.clients import ClientFactory, wait_until
from tests.system.prosody.fake_verifier import FakeVerifier
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import Joined, Refusal, join
from tests.system.prosody.tokens import hs_token
from tests.system.prosody.websocket_client import WebSocketClient

HOST = "moderated.test"
MUC = "conference.moderated.test"
REFUSED = Refusal("not-allowed", "only a moderator may open this room", None, "cancel")
MEMBER, OWNER = Joined("member", "participant"), Joined("owner", "moderator")
MODERATOR: dict[str, Any] = {"context": {"user": {"id": "u-2", "moderator": True}}}


async def log_in(clients: ClientFactory, **claims: Any) -> WebSocketClient:
    return await clients.log_in(HOST, f"token={hs_token(sub=HOST, **claims)}")


async def test_member_joins_only_after_a_moderator(
    clients: ClientFactory, prosody: Prosody
) -> None:
    room = f"opened@{MUC}"
    member, moderator = await log_in(clients), await log_in(clients, **MODERATOR)
    assert await member.join(room, "member") == REFUSED
    assert prosody.affiliations(room) is None
    assert await moderator.join(room, "moderator") == OWNER
    assert await member.join(room, "member") == MEMBER


async def test_room_with_only_jicofo_needs_a_moderator(clients: ClientFactory) -> None:
    room = f"focused@{MUC}"
    focus = clients.websocket("auth.test")
    await focus.login_as("focus")
    assert isinstance(await focus.join(room, "focus"), Joined)
    member, moderator = await log_in(clients), await log_in(clients, **MODERATOR)
    assert await member.join(room, "member") == REFUSED
    assert await moderator.join(room, "moderator") == OWNER
    assert await member.join(room, "member") == MEMBER


async def test_earlier_occupant_may_reopen_the_room(clients: ClientFactory) -> None:
    room = f"left@{MUC}"
    member, moderator = await log_in(clients), await log_in(clients, **MODERATOR)
    assert await moderator.join(room, "moderator") == OWNER
    assert await member.join(room, "member") == MEMBER
    await moderator.leave(room, "moderator")
    await member.leave(room, "member")
    assert await member.join(room, "member") == MEMBER
    await member.leave(room, "member")
    assert await (await log_in(clients)).join(room, "other") == REFUSED


async def test_refused_member_may_not_reopen_the_room(
    clients: ClientFactory,
) -> None:
    room = f"never@{MUC}"
    member, moderator = await log_in(clients), await log_in(clients, **MODERATOR)
    assert await moderator.join(room, "taken") == OWNER
    # The verifier allows the join, but the room refuses it because the nick is in use.
    assert await member.join(room, "taken") == Refusal("conflict", None, None, "cancel")
    await moderator.leave(room, "taken")
    assert await member.join(room, "taken") == REFUSED


async def test_expired_token_opens_no_room_after_a_failed_join(
    clients: ClientFactory,
) -> None:
    room = "expiring@conference.fault.test"
    first = await clients.log_in("fault.test", "token=owner")
    user = await clients.log_in("fault.test", "token=expiring-taken")
    assert isinstance(await first.join(room, "taken"), Joined)
    assert await user.join(room, "taken") == Refusal("conflict", None, None, "cancel")
    await first.leave(room, "taken")
    assert await user.join(room, "taken") == Refusal(
        "not-allowed", "Not acceptable by exp", None, "cancel"
    )


async def test_guest_of_another_host_opens_no_room(clients: ClientFactory) -> None:
    room = f"guests@{MUC}"
    guest = await clients.log_in("guest.test")
    assert await guest.join(room, "guest") == REFUSED
    moderator = await log_in(clients, **MODERATOR)
    assert await moderator.join(room, "moderator") == OWNER
    assert await guest.join(room, "guest") == Joined("none", "participant")


async def test_members_open_rooms_without_the_policy(clients: ClientFactory) -> None:
    user = await clients.log_in("hs.test", f"token={hs_token()}")
    assert await user.join("ever@conference.hs.test") == MEMBER


async def test_room_that_empties_during_a_request_is_refused(
    clients: ClientFactory, fake_verifier: FakeVerifier, prosody: Prosody
) -> None:
    token, room = "held-left", "left@conference.slow.test"
    first = await clients.log_in("slow.test", "token=allow")
    assert isinstance(await first.join(room, "first"), Joined)
    second = await clients.log_in("slow.test", f"token={token}")
    await second.send(join(room, "second"))
    await wait_until(lambda: any(q["room_jid"] == room for q in fake_verifier.requests_with(token)))
    message = next(q for q in fake_verifier.requests_with(token) if q["room_jid"] == room)
    assert message["creates_room"] is False
    await first.leave(room, "first")
    await wait_until(lambda: prosody.affiliations(room) is None)
    fake_verifier.release(token)
    answer = await second.join_result()
    assert isinstance(answer, Refusal)
    assert (answer.condition, answer.type) == ("remote-server-timeout", "wait")
    assert await second.join(room, "second") == MEMBER


async def test_conference_in_breakout_rooms_is_running(
    clients: ClientFactory, prosody: Prosody
) -> None:
    room = f"split@{MUC}"
    member, moderator = await log_in(clients), await log_in(clients, **MODERATOR)
    focus = clients.websocket("auth.test")
    await focus.login_as("focus")
    assert isinstance(await focus.join(room, "focus"), Joined)
    assert await moderator.join(room, "moderator") == OWNER
    prosody.prepare_room(room, breakout="1")
    await moderator.leave(room, "moderator")
    assert await member.join(room, "member") == MEMBER
