"""A client that resumes its session (XEP-0198), with the same token or another one.

Prosody 13 tells modules that a session is resumed, so that it can take over the new token. On
Prosody 0.12 a session keeps the claims of its login, as with Jitsi's own modules.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.system.prosody.clients import ClientFactory, wait_until
from tests.system.prosody.fake_verifier import FakeVerifier
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.resumption import claims_of, first_only, resume, takes_new_claims
from tests.system.prosody.stanzas import DROPPED, Joined
from tests.system.prosody.tokens import hs_token, rs_token
from tests.system.prosody.websocket_client import WebSocketClient

HOST = "hs.test"
MUC = "conference.hs.test"
MEMBER, OWNER = Joined("member", "participant"), Joined("owner", "moderator")


async def in_room(clients: ClientFactory, room: str, **claims: Any) -> tuple[WebSocketClient, str]:
    """Return a client in a room, whose connection was cut, and the id of its session."""
    user = await clients.log_in(HOST, f"token={hs_token(room=room, **claims)}")
    previous = await user.make_resumable()
    assert isinstance(await user.join(f"{room}@{MUC}"), Joined)
    await user.drop()
    return user, previous


async def test_session_takes_over_the_claims_of_a_new_token(
    clients: ClientFactory, prosody: Prosody
) -> None:
    context = {"group": "first", "features": {"recording": True, "livestreaming": True}}
    user, previous = await in_room(clients, "renewed", context=context)
    old = claims_of(prosody, user)
    token = hs_token(room="*", context={"features": {"livestreaming": True}})
    assert (await resume(clients, HOST, previous, token))[1] == "resumed"
    new = {"room": "*", "context_group": None, "context_features": {"livestreaming": True}}
    assert claims_of(prosody, user) == (new if takes_new_claims(prosody) else old)
    assert ((prosody.session(user.jid) or {})["auth_token"] == token) is takes_new_claims(prosody)
    assert user.bare_jid in (prosody.affiliations(f"renewed@{MUC}") or {})


async def test_token_for_another_room_leaves_the_old_claims(
    clients: ClientFactory, prosody: Prosody
) -> None:
    user, previous = await in_room(clients, "kept")
    old, token = claims_of(prosody, user), (prosody.session(user.jid) or {})["auth_token"]
    other = hs_token(room="elsewhere", context={"features": {"recording": True}})
    assert (await resume(clients, HOST, previous, other))[1] == "resumed"
    assert claims_of(prosody, user) == old
    assert (prosody.session(user.jid) or {})["auth_token"] == token


async def test_token_has_to_cover_the_main_room_during_a_breakout(
    clients: ClientFactory, prosody: Prosody
) -> None:
    main = f"main@{MUC}"
    prosody.prepare_room(main)
    user = await clients.log_in(HOST, f"token={hs_token(room='main')}")
    previous = await user.make_resumable()
    await user.join(main)
    await user.leave(main)
    await user.drop()
    again, result = await resume(clients, HOST, previous, hs_token(room="elsewhere"))
    assert result == "resumed"
    assert claims_of(prosody, user)["room"] == "main"
    assert await again.join(main) == MEMBER


async def test_token_need_not_cover_a_room_that_has_ended(
    clients: ClientFactory, prosody: Prosody
) -> None:
    user = await clients.log_in(HOST, f"token={hs_token(room='ended')}")
    previous = await user.make_resumable()
    await user.join(f"ended@{MUC}")
    await user.leave(f"ended@{MUC}")
    await user.drop()
    await resume(clients, HOST, previous, hs_token(room="elsewhere"))
    expected = "elsewhere" if takes_new_claims(prosody) else "ended"
    assert claims_of(prosody, user)["room"] == expected


async def test_new_token_decides_anew_at_the_next_join(
    clients: ClientFactory, prosody: Prosody
) -> None:
    room = f"promotion@{MUC}"
    prosody.prepare_room(room)
    _user, previous = await in_room(clients, "promotion")
    token = hs_token(room="promotion", context={"user": {"moderator": True}})
    again, _ = await resume(clients, HOST, previous, token)
    await again.leave(room)
    assert await again.join(room) == (OWNER if takes_new_claims(prosody) else MEMBER)


async def test_resumption_waits_for_a_verifier_that_is_away(
    clients: ClientFactory, prosody: Prosody
) -> None:
    room, host = "away@conference.fault.test", "fault.test"
    user = await clients.log_in(host, "token=allow")
    previous = await user.make_resumable()
    assert await user.join(room) == MEMBER
    await user.drop()
    # The login is allowed, and the question about the room fails.
    if takes_new_claims(prosody):
        with pytest.raises(ConnectionResetError):
            await resume(clients, host, previous, "login-status-500")
    assert (prosody.session(user.jid) or {})["auth_token"] == "allow"
    assert (await resume(clients, host, previous, "owner"))[1] == "resumed"


async def test_session_goes_on_while_the_verifier_is_away(
    clients: ClientFactory, prosody: Prosody
) -> None:
    host, token = "fault.test", first_only("goes-on", 3600)
    user = await clients.log_in(host, f"token={token}")
    previous = await user.make_resumable()
    await user.drop()
    assert (await resume(clients, host, previous, token))[1] == "resumed"
    assert (prosody.session(user.jid) or {})["jitsi_meet_room"] == "*"


@pytest.mark.parametrize("case", ["expired", "another token", "another session"])
async def test_other_login_waits_while_the_verifier_is_away(
    clients: ClientFactory, case: str
) -> None:
    host, token = "fault.test", first_only(case[-5:], -1 if case == "expired" else 3600)
    user = await clients.log_in(host, f"token={token}")
    previous = await user.make_resumable()
    await user.drop()
    again = "status-500" if case == "another token" else token
    session = "unknown" if case == "another session" else previous
    assert await clients.websocket(host, f"token={again}&previd={session}").login() == DROPPED


async def test_client_lost_during_resumption_does_no_harm(
    clients: ClientFactory, prosody: Prosody, fake_verifier: FakeVerifier
) -> None:
    room, host, token = "lost@conference.slow.test", "slow.test", "held-lost"
    user = await clients.log_in(host, "token=allow")
    previous = await user.make_resumable()
    assert await user.join(room) == MEMBER
    await user.drop()
    again = clients.websocket(host, f"token={token}&previd={previous}")
    await again.start_resumption(previous)
    if takes_new_claims(prosody):
        await wait_until(
            lambda: any(q["room_jid"] == room for q in fake_verifier.requests_with(token))
        )
    start = prosody.log_size()
    await again.drop()
    await wait_until(lambda: "Client disconnected" in prosody.log(start))
    fake_verifier.release(token)
    assert (await resume(clients, host, previous, "owner"))[1] == "resumed"


async def test_resumption_needs_a_good_token(clients: ClientFactory) -> None:
    user = await clients.log_in(HOST, f"token={hs_token()}")
    previous = await user.make_resumable()
    await user.drop()
    again = clients.websocket(HOST, f"token=x.y.z&previd={previous}")
    assert await again.login() is not None


async def test_login_without_token_gets_no_session_of_a_token(
    clients: ClientFactory, prosody: Prosody
) -> None:
    room = "stripped@conference.rs.test"
    prosody.prepare_room(room)
    token = rs_token(context={"user": {"moderator": True}})
    user = await clients.log_in("rs.test", f"token={token}")
    previous = await user.make_resumable()
    assert await user.join(room) == OWNER
    await user.drop()
    assert await clients.websocket("rs.test", f"previd={previous}").resume(previous) == "failed"
    guest = await clients.log_in("rs.test", f"previd={previous}")
    assert await guest.join(room, "guest") == Joined("none", "participant")


async def test_guest_resumes_a_session_without_token(clients: ClientFactory) -> None:
    guest = await clients.log_in("rs.test")
    previous = await guest.make_resumable()
    await guest.drop()
    assert await clients.websocket("rs.test", f"previd={previous}").resume(previous) == "resumed"


async def test_resumption_id_of_another_host_is_ignored(
    clients: ClientFactory, prosody: Prosody
) -> None:
    user = await clients.log_in(HOST, f"token={hs_token()}")
    previous = await user.make_resumable()
    other = await clients.log_in("rs.test", f"previd={previous}")
    session = prosody.session(other.jid) or {}
    assert session["username"] != user.bare_jid.partition("@")[0]


async def test_unknown_previd_gets_a_new_user_name(
    clients: ClientFactory, prosody: Prosody
) -> None:
    user = await clients.log_in(HOST, f"token={hs_token()}&previd=unknown")
    session = prosody.session(user.jid) or {}
    assert len(session["username"]) == 36
