"""Users of other hosts, such as guests, that resume a session (XEP-0198) with a token."""

from __future__ import annotations

import json

import pytest

from tests.support.processes import post
from tests.system.prosody.clients import ClientFactory, Deployment
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.resumption import claims_of, first_only, resume, takes_new_claims
from tests.system.prosody.stanzas import Joined, Refusal
from tests.system.prosody.tokens import hs_token

MUC = "conference.hs.test"
MEMBER = Joined("member", "participant")
GUEST_HOST = "guest.hs.test"  # accepts any password


async def test_guest_of_a_closed_room_logs_in(clients: ClientFactory, prosody: Prosody) -> None:
    room = f"members@{MUC}"
    prosody.prepare_room(room, closed="1")
    guest = clients.websocket(GUEST_HOST)
    await guest.login_as("ada")
    previous = await guest.make_resumable()
    assert isinstance(await guest.join(room), Refusal)
    await guest.drop()
    token = hs_token(room="members", context={"group": "staff"})
    again, result = await resume(clients, GUEST_HOST, previous, token, "ada")
    assert result == "resumed"
    if takes_new_claims(prosody):
        assert claims_of(prosody, guest)["context_group"] == "staff"
        assert (prosody.session(guest.jid) or {})["_jitsi_auth_done"] is True
        assert await again.join(room) == MEMBER
    else:
        assert isinstance(await again.join(room), Refusal)


async def test_bad_token_of_a_guest_resumes_nothing(
    clients: ClientFactory, prosody: Prosody
) -> None:
    guest = clients.websocket(GUEST_HOST)
    await guest.login_as("bob")
    previous = await guest.make_resumable()
    await guest.drop()
    if takes_new_claims(prosody):
        with pytest.raises(ConnectionResetError):
            await resume(clients, GUEST_HOST, previous, "x.y.z", "bob")
    else:
        await resume(clients, GUEST_HOST, previous, "x.y.z", "bob")
    session = prosody.session(guest.jid) or {}
    assert "auth_token" not in session


async def test_token_of_a_guest_is_judged_at_each_resumption(
    clients: ClientFactory, prosody: Prosody, deployment: Deployment
) -> None:
    token = hs_token(jti=f"guest-{prosody.release.version}")
    guest = clients.websocket(GUEST_HOST)
    await guest.login_as("eve")
    previous = await guest.make_resumable()
    await guest.drop()
    again, _ = await resume(clients, GUEST_HOST, previous, token, "eve")
    await again.drop()
    criteria = json.dumps({"jti": f"guest-{prosody.release.version}"}).encode()
    headers = {"Content-Type": "application/json"}
    answer = post(deployment.verifier.admin_port, "/v1/revocations", criteria, headers)
    assert answer.status == 201
    if takes_new_claims(prosody):
        with pytest.raises(ConnectionResetError):
            await resume(clients, GUEST_HOST, previous, token, "eve")
    else:  # the session has never had the token
        assert (await resume(clients, GUEST_HOST, previous, token, "eve"))[1] == "resumed"


async def test_token_is_judged_again_after_a_failed_resumption(
    clients: ClientFactory, prosody: Prosody
) -> None:
    room, token = f"retried@{MUC}", hs_token(room="retried")
    prosody.prepare_room(room)
    idle, member = clients.websocket(GUEST_HOST), clients.websocket(GUEST_HOST, f"token={token}")
    previous = []
    for guest in (idle, member):
        await guest.login_as("liv")
        previous.append(await guest.make_resumable())
    assert await member.join(room) == MEMBER
    await idle.drop()
    await member.drop()
    again = clients.websocket(GUEST_HOST, f"token={hs_token(room='elsewhere')}")
    await again.start_resumption(previous[0], "liv", received=99)  # more than were sent
    if takes_new_claims(prosody):
        assert await again.resumption_result() == "failed"
        await again.request_resumption(previous[1])
        assert await again.resumption_result() == "resumed"
        await again.ping()
    else:
        with pytest.raises(ConnectionResetError):
            await again.resumption_result()
    assert (prosody.session(member.jid) or {})["auth_token"] == token


async def test_host_that_judges_tokens_itself_is_left_alone(clients: ClientFactory) -> None:
    host = "own.hs.test"
    user = await clients.log_in(host, "token=first.of.it")
    previous = await user.make_resumable()
    await user.drop()
    assert (await resume(clients, host, previous, "next.of.it"))[1] == "resumed"


async def test_session_of_a_guest_goes_on_while_the_verifier_is_away(
    clients: ClientFactory,
) -> None:
    host, token = "guest.fault.test", first_only("guest", 3600)
    guest = clients.websocket(host)
    await guest.login_as("mia")
    previous = await guest.make_resumable()
    for _ in range(2):  # the verifier answers only the first one
        await guest.drop()
        guest, result = await resume(clients, host, previous, token, "mia")
        assert result == "resumed"
