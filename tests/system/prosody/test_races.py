"""Events that happen while Prosody waits for the verifier's answer."""

from __future__ import annotations

import asyncio

from tests.system.prosody.clients import ClientFactory, wait_until
from tests.system.prosody.fake_verifier import FakeVerifier
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import Joined, Refusal, join
from tests.system.prosody.websocket_client import WebSocketClient

HOST = "slow.test"
MUC = "conference.slow.test"
MEMBER = Joined("member", "participant")


def join_count(fake_verifier: FakeVerifier, token: str) -> int:
    return len([q for q in fake_verifier.requests_with(token) if q["room_jid"] is not None])


async def test_concurrent_joins_with_one_nick_conflict(
    clients: ClientFactory, fake_verifier: FakeVerifier
) -> None:
    token, room = "held-same-nick", f"same-nick@{MUC}"
    users = [await clients.log_in(HOST, f"token={token}") for _ in range(2)]
    for user in users:
        await user.send(join(room, "same"))
    await wait_until(lambda: join_count(fake_verifier, token) == 2)
    fake_verifier.release(token)
    answers = await asyncio.gather(*(user.join_result() for user in users))
    assert sorted(map(type, answers), key=str) == [Joined, Refusal]
    refusal = next(answer for answer in answers if isinstance(answer, Refusal))
    assert refusal == Refusal("conflict", None, None, "cancel")


async def test_concurrent_creation_gives_one_room(
    clients: ClientFactory, fake_verifier: FakeVerifier
) -> None:
    token, room = "held-same-room", f"same-room@{MUC}"
    users = [await clients.log_in(HOST, f"token={token}") for _ in range(2)]
    for number, user in enumerate(users):
        await user.send(join(room, f"nick-{number}"))
    await wait_until(lambda: join_count(fake_verifier, token) == 2)
    fake_verifier.release(token)
    assert await asyncio.gather(*(user.join_result() for user in users)) == [MEMBER, MEMBER]


async def test_room_closed_during_a_request_refuses_the_guest(
    clients: ClientFactory, fake_verifier: FakeVerifier, prosody: Prosody
) -> None:
    room = f"held-closing@{MUC}"
    prosody.prepare_room(room)
    guest = await clients.log_in("guest.test")
    await guest.send(join(room, "guest"))
    await wait_until(lambda: any(q["room_jid"] == room for q in fake_verifier.requests_with(None)))
    prosody.prepare_room(room, closed="1")
    fake_verifier.release(room)
    assert await guest.join_result() == Refusal(
        "not-allowed", "Authentication required", "authentication-required", "cancel"
    )


async def drop(user: WebSocketClient, prosody: Prosody) -> None:
    """Drop a client, and wait until Prosody has noticed."""
    start = prosody.log_size()
    await user.drop()
    await wait_until(lambda: "Client disconnected" in prosody.log(start))


async def test_client_lost_during_login_does_no_harm(
    clients: ClientFactory, fake_verifier: FakeVerifier, prosody: Prosody
) -> None:
    token, start = "waiting-gone", prosody.log_size()
    user = clients.websocket(HOST, f"token={token}&room=gone-room")
    await user.open()
    await user.start_authentication()
    await wait_until(lambda: bool(fake_verifier.requests_with(token)))
    await drop(user, prosody)
    fake_verifier.release(token)
    await wait_until(lambda: "Login refused: client-gone" in prosody.log(start))
    await clients.log_in(HOST, "token=allow&room=x")
    log = prosody.log(start)
    assert "heard fetch-key of gone-room" in log
    assert "heard ban-check of (nil)" not in log  # the fields of a closed session are empty


async def test_client_lost_during_join_never_enters_the_room(
    clients: ClientFactory, fake_verifier: FakeVerifier, prosody: Prosody
) -> None:
    token, room = "held-gone", f"gone@{MUC}"
    watcher = await clients.log_in(HOST, "token=allow")
    await watcher.join(room, "watcher")
    user = await clients.log_in(HOST, f"token={token}")
    await user.send(join(room, "gone"))
    await wait_until(lambda: join_count(fake_verifier, token) == 1)
    await drop(user, prosody)
    fake_verifier.release(token)
    latest = await clients.log_in(HOST, "token=allow")
    await latest.join(room, "latest")
    await watcher.expect(lambda e: e.get("from") == f"{room}/latest")
    assert f"{room}/gone" not in [e.get("from") for e in watcher.skipped]


async def test_stanzas_sent_during_a_request_are_handled_later(
    clients: ClientFactory, fake_verifier: FakeVerifier
) -> None:
    token, room = "held-eager", f"eager@{MUC}"
    user = await clients.log_in(HOST, f"token={token}")
    await user.send(join(room, "eager"))
    await wait_until(lambda: join_count(fake_verifier, token) == 1)
    pinging = asyncio.ensure_future(user.ping("after"))
    fake_verifier.release(token)
    await pinging
