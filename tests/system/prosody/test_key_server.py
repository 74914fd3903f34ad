"""A host whose verifier fetches keys, allows guests and does not compare the domain."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.support.tokens import sign
from tests.system.prosody.clients import ClientFactory
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import Joined, Refusal
from tests.system.prosody.tokens import (
    KEY_ID,
    OTHER_KEY_ID,
    claims,
    hs_token,
    private_key,
    rs_token,
)

HOST = "rs.test"
MUC = "conference.rs.test"


async def test_token_with_key_from_key_server_is_accepted(
    clients: ClientFactory, prosody: Prosody
) -> None:
    user = await clients.log_in(HOST, f"token={rs_token(room='board')}")
    assert (prosody.session(user.jid) or {})["jitsi_meet_room"] == "board"


async def test_bosh_user_with_key_from_key_server_joins(clients: ClientFactory) -> None:
    user = clients.bosh(HOST, f"token={rs_token(room='bosh-board')}")
    assert await user.login() is None
    assert await user.join(f"bosh-board@{MUC}") == Joined("member", "participant")
    await user.close()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: rs_token({"kid": OTHER_KEY_ID}), "could not obtain public key"),
        (lambda: sign(claims(), {"kid": KEY_ID}, private_key(1), "RS256"), "Invalid signature"),
        (hs_token, "'kid' claim is missing"),
        (lambda: hs_token({"kid": KEY_ID}), "'kid' claim only support with RS family"),
        (lambda: rs_token(nbf=int(time.time()) + 3600), "Not acceptable by nbf"),
    ],
    ids=["unknown key", "another key", "no key id", "shared secret", "not yet valid"],
)
async def test_bad_token_is_refused(
    clients: ClientFactory, make: Callable[[], str], text: str
) -> None:
    user = clients.websocket(HOST, f"token={make()}")
    assert await user.login() == Refusal("not-allowed", text)


async def test_guest_logs_in_without_token_fields(clients: ClientFactory, prosody: Prosody) -> None:
    guest = await clients.log_in(HOST, "room=lounge")
    session = prosody.session(guest.jid) or {}
    assert session["test_events"] == ["fetch-key", "ban-check", "pre", "post"]
    assert not [name for name in session if name.startswith("jitsi_meet_") or name == "auth_token"]


async def test_guest_joins_without_affiliation(clients: ClientFactory, prosody: Prosody) -> None:
    owner = await clients.log_in(HOST, f"token={rs_token()}")
    await owner.join(f"lounge@{MUC}", "owner")
    guest = await clients.log_in(HOST)
    assert await guest.join(f"lounge@{MUC}", "guest") == Joined("none", "participant")
    assert guest.bare_jid not in (prosody.affiliations(f"lounge@{MUC}") or {})


async def test_bosh_guest_joins_a_room(clients: ClientFactory) -> None:
    guest = clients.bosh(HOST, "room=bosh-lounge")
    assert await guest.login() is None
    assert await guest.join(f"bosh-lounge@{MUC}") == Joined("none", "participant")
    await guest.close()


async def test_bad_token_does_not_make_a_guest(clients: ClientFactory) -> None:
    refusal = await clients.websocket(HOST, "token=x.y.z").login()
    assert refusal is not None
    assert refusal.condition == "not-allowed"


async def test_guest_may_not_configure_a_room(clients: ClientFactory) -> None:
    guest = await clients.log_in(HOST)
    await guest.join(f"guests-only@{MUC}")
    assert await guest.change_room(f"guests-only@{MUC}") == Refusal(
        "not-allowed", "Room modification disabled for guests", None, "cancel"
    )


async def test_owner_by_token_may_configure_a_room(clients: ClientFactory) -> None:
    token = rs_token(context={"user": {"moderator": True}})
    owner = await clients.log_in(HOST, f"token={token}")
    await owner.join(f"configured@{MUC}")
    assert await owner.change_room(f"configured@{MUC}") is None


async def test_member_by_token_may_not_configure_a_room(clients: ClientFactory) -> None:
    member = await clients.log_in(HOST, f"token={rs_token()}")
    await member.join(f"not-mine@{MUC}")
    refusal = await member.change_room(f"not-mine@{MUC}")
    assert refusal is not None
    assert refusal.condition == "forbidden"


async def test_admin_may_configure_a_room(clients: ClientFactory) -> None:
    focus = clients.websocket("auth.test")
    await focus.login_as("focus")
    await focus.join(f"focused@{MUC}", "focus")
    assert await focus.change_room(f"focused@{MUC}") is None


async def test_closed_room_refuses_guests(clients: ClientFactory, prosody: Prosody) -> None:
    prosody.prepare_room(f"closed@{MUC}", closed="1")
    guest = await clients.log_in(HOST)
    assert await guest.join(f"closed@{MUC}") == Refusal(
        "not-allowed", "Authentication required", "authentication-required", "cancel"
    )


async def test_closed_room_admits_users_with_token(
    clients: ClientFactory, prosody: Prosody
) -> None:
    prosody.prepare_room(f"closed-too@{MUC}", closed="1")
    user = await clients.log_in(HOST, f"token={rs_token()}")
    assert await user.join(f"closed-too@{MUC}") == Joined("member", "participant")


async def test_other_room_is_refused_with_jitsis_element(clients: ClientFactory) -> None:
    user = await clients.log_in(HOST, f"token={rs_token(room='mine')}")
    assert await user.join(f"yours@{MUC}") == Refusal(
        "not-allowed", "Room does not match the room from token", "room-mismatch", "cancel"
    )


async def test_token_names_a_tenants_room_without_the_tenant(clients: ClientFactory) -> None:
    user = await clients.log_in(HOST, f"token={rs_token(room='mine')}")
    assert await user.join(f"[acme]mine@{MUC}") == Joined("member", "participant")
