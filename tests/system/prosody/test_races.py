from __future__ import annotations

import asyncio

from tests.system.prosody.fake_verifier import FakeVerifier
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import Joined, Refusal, join
from tests.system.prosody.visitors import Visitors, until
from tests.system.prosody.websocket_client import Client

HOST = "patient.test"
MUC = "conference.patient.test"
IN = Joined("member", "participant")


def joins_asked(fake: FakeVerifier, token: str) -> int:
    return len([q for q in fake.asked_with(token) if q["room_jid"] is not None])


async def test_two_who_want_one_nick_at_the_same_time_do_not_share_it(
    visitors: Visitors, fake: FakeVerifier
) -> None:
    token, room = "held-same-nick", f"same-nick@{MUC}"
    users = [await visitors.enter(HOST, f"token={token}") for _ in range(2)]
    for user in users:
        await user.send(join(room, "same"))
    await until(lambda: joins_asked(fake, token) == 2)
    fake.release(token)
    answers = await asyncio.gather(*(user.join_result() for user in users))
    assert sorted(map(type, answers), key=str) == [Joined, Refusal]
    refusal = next(answer for answer in answers if isinstance(answer, Refusal))
    assert refusal == Refusal("conflict", None, None, "cancel")


async def test_two_who_create_one_room_at_the_same_time_meet_in_it(
    visitors: Visitors, fake: FakeVerifier
) -> None:
    token, room = "held-same-room", f"same-room@{MUC}"
    users = [await visitors.enter(HOST, f"token={token}") for _ in range(2)]
    for number, user in enumerate(users):
        await user.send(join(room, f"nick-{number}"))
    await until(lambda: joins_asked(fake, token) == 2)
    fake.release(token)
    assert await asyncio.gather(*(user.join_result() for user in users)) == [IN, IN]


async def test_a_room_that_closes_while_a_guest_waits_is_closed(
    visitors: Visitors, fake: FakeVerifier, prosody: Prosody
) -> None:
    room = f"held-closing@{MUC}"
    prosody.prepare_room(room)
    guest = await visitors.enter("guest.test")
    await guest.send(join(room, "guest"))
    await until(lambda: any(q["room_jid"] == room for q in fake.asked_with(None)))
    prosody.prepare_room(room, closed="1")
    fake.release(room)
    assert await guest.join_result() == Refusal(
        "not-allowed", "Authentication required", "authentication-required", "cancel"
    )


async def leave(user: Client, prosody: Prosody) -> None:
    """Drop a client, and wait until Prosody knows; those of earlier tests left long ago."""
    start = prosody.log_size()
    await user.drop()
    await until(lambda: "Client disconnected" in prosody.log(start))


async def test_a_client_that_leaves_while_its_login_is_judged_harms_nobody(
    visitors: Visitors, fake: FakeVerifier, prosody: Prosody
) -> None:
    token, start = "waiting-gone", prosody.log_size()
    user = visitors.websocket(HOST, f"token={token}&room=gone-room")
    await user.open()
    await user.start_authentication()
    await until(lambda: bool(fake.asked_with(token)))
    await leave(user, prosody)
    fake.release(token)
    await until(lambda: "Login refused: client-gone" in prosody.log(start))
    await visitors.enter(HOST, "token=allow&room=x")
    log = prosody.log(start)
    assert "heard fetch-key of gone-room" in log
    assert "heard ban-check of (nil)" not in log  # a session that has ended holds nothing


async def test_a_client_that_leaves_while_its_join_is_judged_is_never_in_the_room(
    visitors: Visitors, fake: FakeVerifier, prosody: Prosody
) -> None:
    token, room = "held-gone", f"gone@{MUC}"
    watcher = await visitors.enter(HOST, "token=allow")
    await watcher.join(room, "watcher")
    user = await visitors.enter(HOST, f"token={token}")
    await user.send(join(room, "gone"))
    await until(lambda: joins_asked(fake, token) == 1)
    await leave(user, prosody)
    fake.release(token)
    latest = await visitors.enter(HOST, "token=allow")
    await latest.join(room, "latest")
    await watcher.expect(lambda e: e.get("from") == f"{room}/latest")
    assert f"{room}/gone" not in [e.get("from") for e in watcher.passed_over]


async def test_what_a_client_sends_while_it_waits_comes_afterwards(
    visitors: Visitors, fake: FakeVerifier
) -> None:
    token, room = "held-eager", f"eager@{MUC}"
    user = await visitors.enter(HOST, f"token={token}")
    await user.send(join(room, "eager"))
    await until(lambda: joins_asked(fake, token) == 1)
    pinging = asyncio.ensure_future(user.ping("after"))
    fake.release(token)
    await pinging
