"""Affiliation and role in a room: by the token's moderator claims, with a lobby, as a guest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.system.prosody.clients import ClientFactory, wait_until
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import MUC as MUC_NAMESPACE
from tests.system.prosody.stanzas import Element, Joined, Refusal, is_self_presence
from tests.system.prosody.tokens import hs_token, rs_token

HOST = "hs.test"
MUC = "conference.hs.test"
OWNER = Joined("owner", "moderator")
MEMBER = Joined("member", "participant")
IN_LOBBY = Refusal("registration-required", None, None, "auth")


def moderator() -> str:
    return hs_token(context={"user": {"moderator": True}})


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"user": {"affiliation": "owner"}}, OWNER),
        ({"user": {"affiliation": "moderator"}}, OWNER),
        ({"user": {"affiliation": "teacher"}}, OWNER),
        ({"user": {"moderator": True}}, OWNER),
        ({"user": {"moderator": "true"}}, OWNER),
        ({"user": {"moderator": "true", "affiliation": "member"}}, OWNER),
        ({"user": {"moderator": False}}, MEMBER),
        ({"user": {"moderator": "yes"}}, MEMBER),
        ({"user": {"affiliation": "admin"}}, MEMBER),
        ({"user": {"moderator": None}}, MEMBER),
        ({"user": {}}, MEMBER),
        ({}, MEMBER),
        (..., MEMBER),
    ],
    ids=str,
)
async def test_affiliation_follows_the_token(
    clients: ClientFactory, prosody: Prosody, context: Any, expected: Joined
) -> None:
    user = await clients.log_in(HOST, f"token={hs_token(context=context)}")
    room = f"affiliation-{user.bare_jid[:8]}@{MUC}"
    assert await user.join(room) == expected
    assert prosody.affiliations(room) == {user.bare_jid: expected.affiliation}


async def test_top_level_moderator_claim_is_ignored(clients: ClientFactory) -> None:
    user = await clients.log_in(HOST, f"token={hs_token(moderator=True)}")
    assert await user.join(f"top-level@{MUC}") == MEMBER


async def test_first_guest_in_a_room_gets_no_affiliation(
    clients: ClientFactory, prosody: Prosody
) -> None:
    room = "first-guest@conference.rs.test"
    guest = await clients.log_in("rs.test")
    assert await guest.join(room) == Joined("none", "participant")
    assert prosody.affiliations(room) == {}


async def test_affiliation_granted_to_a_guest_is_kept(
    clients: ClientFactory, prosody: Prosody
) -> None:
    room = "granted@conference.rs.test"
    guest = await clients.log_in("rs.test")
    prosody.prepare_room(room, of=guest.bare_jid, affiliation="owner")
    assert await guest.join(room) == OWNER


async def test_other_users_see_the_final_role_first(clients: ClientFactory) -> None:
    room = f"watched@{MUC}"
    watcher = await clients.log_in(HOST, f"token={hs_token()}")
    await watcher.join(room, "watcher")
    owner = await clients.log_in(HOST, f"token={moderator()}")
    assert await owner.join(room, "owner") == OWNER

    def is_presence_of_owner(element: Element) -> bool:
        return element.get("from") == f"{room}/owner"

    presence = await watcher.expect(is_presence_of_owner)
    item = presence.find(f"{{{MUC_NAMESPACE}#user}}x/{{{MUC_NAMESPACE}#user}}item")
    assert item is not None
    assert (item.get("affiliation"), item.get("role")) == ("owner", "moderator")


@pytest.mark.parametrize("make", [moderator, hs_token])
async def test_lobby_applies_to_users_with_token(
    clients: ClientFactory, prosody: Prosody, make: Callable[[], str]
) -> None:
    user = await clients.log_in(HOST, f"token={make()}")
    room = f"lobby-{user.bare_jid[:8]}@{MUC}"
    prosody.prepare_room(room, lobby="1")
    assert await user.join(room) == IN_LOBBY
    assert prosody.affiliations(room) == {}


@pytest.mark.parametrize(("make", "expected"), [(moderator, OWNER), (hs_token, MEMBER)])
async def test_user_admitted_from_lobby_gets_the_tokens_affiliation(
    clients: ClientFactory, prosody: Prosody, make: Callable[[], str], expected: Joined
) -> None:
    user = await clients.log_in(HOST, f"token={make()}")
    room = f"admitted-{user.bare_jid[:8]}@{MUC}"
    prosody.prepare_room(room, lobby="1")
    assert await user.join(room) == IN_LOBBY
    prosody.prepare_room(room, of=user.bare_jid, affiliation="member")
    assert await user.join(room) == expected


async def test_room_password_bypasses_the_lobby(clients: ClientFactory, prosody: Prosody) -> None:
    room = f"password@{MUC}"
    prosody.prepare_room(room, lobby="1", password="sesame")
    user = await clients.log_in(HOST, f"token={moderator()}")
    assert await user.join(room, password="wrong") == IN_LOBBY
    assert await user.join(room, password="sesame") == OWNER


async def test_lobby_applies_to_guests(clients: ClientFactory, prosody: Prosody) -> None:
    room = "lobby-guest@conference.rs.test"
    prosody.prepare_room(room, lobby="1")
    guest = await clients.log_in("rs.test")
    assert await guest.join(room) == IN_LOBBY


async def test_token_does_not_lift_a_ban(clients: ClientFactory, prosody: Prosody) -> None:
    room = f"ban@{MUC}"
    user = await clients.log_in(HOST, f"token={moderator()}")
    prosody.prepare_room(room, of=user.bare_jid, affiliation="outcast")
    assert await user.join(room) == Refusal("forbidden", None, None, "auth")
    assert prosody.affiliations(room) == {user.bare_jid: "outcast"}


async def test_member_does_not_own_a_room_it_creates(clients: ClientFactory) -> None:
    user = await clients.log_in("rs.test", f"token={rs_token()}")
    assert await user.join("created@conference.rs.test") == MEMBER


async def test_ownership_of_an_admin_is_kept(clients: ClientFactory, prosody: Prosody) -> None:
    focus = clients.websocket("auth.test")
    await focus.login_as("focus")
    assert await focus.join(f"admins@{MUC}", "focus") == OWNER
    user = await clients.log_in(HOST, f"token={hs_token()}")
    assert await user.join(f"admins@{MUC}", "user") == MEMBER
    affiliations = prosody.affiliations(f"admins@{MUC}") or {}
    assert affiliations["focus@auth.test"] == "owner"


async def test_moderator_made_by_hand_stays_one(clients: ClientFactory, prosody: Prosody) -> None:
    room = f"promoted@{MUC}"
    watcher = await clients.log_in(HOST, f"token={hs_token()}")
    await watcher.join(room, "watcher")
    user = await clients.log_in(HOST, f"token={hs_token()}")
    assert await user.join(room) == MEMBER
    prosody.prepare_room(room, of=user.bare_jid, affiliation="owner")
    await user.expect(is_self_presence)
    await user.leave(room)
    assert await user.join(room) == OWNER


async def test_moderator_of_one_meeting_is_none_in_the_next(
    clients: ClientFactory, prosody: Prosody
) -> None:
    room, other = f"first-meeting@{MUC}", f"other-meeting@{MUC}"
    user = await clients.log_in(HOST, f"token={hs_token()}")
    assert await user.join(room) == MEMBER
    prosody.prepare_room(room, of=user.bare_jid, affiliation="owner", ends="1")
    await user.expect(is_self_presence)
    assert await user.join(other) == MEMBER
    await user.leave(room)
    await wait_until(lambda: prosody.affiliations(room) is None)
    assert await user.join(room) == MEMBER
