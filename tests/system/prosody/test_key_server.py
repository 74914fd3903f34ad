from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.support.tokens import sign
from tests.system.prosody.minting import (
    KEY_ID,
    OTHER_KEY_ID,
    claims,
    hs_token,
    private_key,
    rs_token,
)
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import Joined, Refusal
from tests.system.prosody.visitors import Visitors

HOST = "rs.test"
MUC = "conference.rs.test"


async def test_a_token_of_the_key_servers_key_is_good(visitors: Visitors, prosody: Prosody) -> None:
    user = await visitors.enter(HOST, f"token={rs_token(room='board')}")
    assert (prosody.session(user.jid) or {})["jitsi_meet_room"] == "board"


async def test_bosh_user_with_such_a_token_enters_the_room(visitors: Visitors) -> None:
    user = visitors.bosh(HOST, f"token={rs_token(room='bosh-board')}")
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
        (lambda: rs_token(exp=int(time.time()) - 1), "Not acceptable by exp"),
    ],
    ids=["unknown key", "another key", "no key id", "shared secret", "expired"],
)
async def test_a_bad_token_is_refused(
    visitors: Visitors, make: Callable[[], str], text: str
) -> None:
    user = visitors.websocket(HOST, f"token={make()}")
    assert await user.login() == Refusal("not-authorized", text)


async def test_a_guest_is_logged_in_and_looks_like_one(
    visitors: Visitors, prosody: Prosody
) -> None:
    guest = await visitors.enter(HOST, "room=lounge")
    session = prosody.session(guest.jid) or {}
    assert session["test_events"] == ["fetch-key", "ban-check", "pre", "post"]
    assert not [name for name in session if name.startswith("jitsi_meet_") or name == "auth_token"]


async def test_a_guest_enters_a_room_without_affiliation(
    visitors: Visitors, prosody: Prosody
) -> None:
    owner = await visitors.enter(HOST, f"token={rs_token()}")
    await owner.join(f"lounge@{MUC}", "owner")
    guest = await visitors.enter(HOST)
    assert await guest.join(f"lounge@{MUC}", "guest") == Joined("none", "participant")
    assert guest.bare_jid not in (prosody.affiliations(f"lounge@{MUC}") or {})


async def test_bosh_guest_enters_a_room(visitors: Visitors) -> None:
    guest = visitors.bosh(HOST, "room=bosh-lounge")
    assert await guest.login() is None
    assert await guest.join(f"bosh-lounge@{MUC}") == Joined("none", "participant")
    await guest.close()


async def test_a_guest_with_a_bad_token_is_no_guest(visitors: Visitors) -> None:
    refusal = await visitors.websocket(HOST, "token=x.y.z").login()
    assert refusal is not None
    assert refusal.condition == "not-authorized"


async def test_a_guest_may_not_configure_a_room(visitors: Visitors) -> None:
    guest = await visitors.enter(HOST)
    await guest.join(f"guests-only@{MUC}")
    assert await guest.change_room(f"guests-only@{MUC}") == Refusal(
        "not-allowed", "Room modification disabled for guests", None, "cancel"
    )


async def test_a_token_owner_may_configure_a_room(visitors: Visitors) -> None:
    token = rs_token(context={"user": {"moderator": True}})
    owner = await visitors.enter(HOST, f"token={token}")
    await owner.join(f"configured@{MUC}")
    assert await owner.change_room(f"configured@{MUC}") is None


async def test_a_token_member_meets_prosodys_own_rule(visitors: Visitors) -> None:
    member = await visitors.enter(HOST, f"token={rs_token()}")
    await member.join(f"not-mine@{MUC}")
    refusal = await member.change_room(f"not-mine@{MUC}")
    assert refusal is not None
    assert refusal.condition == "forbidden"


async def test_an_admin_may_configure_a_room(visitors: Visitors) -> None:
    focus = visitors.websocket("auth.test")
    await focus.login_as("focus")
    await focus.join(f"focused@{MUC}", "focus")
    assert await focus.change_room(f"focused@{MUC}") is None


async def test_a_room_closed_to_guests_refuses_them(visitors: Visitors, prosody: Prosody) -> None:
    prosody.prepare_room(f"closed@{MUC}", closed="1")
    guest = await visitors.enter(HOST)
    assert await guest.join(f"closed@{MUC}") == Refusal(
        "not-allowed", "Authentication required", "authentication-required", "cancel"
    )


async def test_a_room_closed_to_guests_lets_token_users_in(
    visitors: Visitors, prosody: Prosody
) -> None:
    prosody.prepare_room(f"closed-too@{MUC}", closed="1")
    user = await visitors.enter(HOST, f"token={rs_token()}")
    assert await user.join(f"closed-too@{MUC}") == Joined("member", "participant")


async def test_another_room_is_refused_with_jitsis_own_element(visitors: Visitors) -> None:
    user = await visitors.enter(HOST, f"token={rs_token(room='mine')}")
    assert await user.join(f"yours@{MUC}") == Refusal(
        "not-allowed", "Room does not match the room from token", "room-mismatch", "cancel"
    )


async def test_a_room_below_a_tenant_is_named_without_it(visitors: Visitors) -> None:
    user = await visitors.enter(HOST, f"token={rs_token(room='mine')}")
    assert await user.join(f"[acme]mine@{MUC}") == Joined("member", "participant")
