from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.system.prosody.minting import hs_token, rs_token
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import MUC as XMLNS_MUC
from tests.system.prosody.stanzas import Element, Joined, Refusal
from tests.system.prosody.visitors import Visitors

HOST = "hs.test"
MUC = "conference.hs.test"
OWNER = Joined("owner", "moderator")
MEMBER = Joined("member", "participant")
WAIT = Refusal("registration-required", None, None, "auth")


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
async def test_the_token_makes_the_affiliation(
    visitors: Visitors, prosody: Prosody, context: Any, expected: Joined
) -> None:
    user = await visitors.enter(HOST, f"token={hs_token(context=context)}")
    room = f"affiliation-{user.bare_jid[:8]}@{MUC}"
    assert await user.join(room) == expected
    assert prosody.affiliations(room) == {user.bare_jid: expected.affiliation}


async def test_a_moderator_at_the_top_level_is_none(visitors: Visitors) -> None:
    user = await visitors.enter(HOST, f"token={hs_token(moderator=True)}")
    assert await user.join(f"top-level@{MUC}") == MEMBER


async def test_a_guest_who_is_first_owns_nothing(visitors: Visitors, prosody: Prosody) -> None:
    room = "first-guest@conference.rs.test"
    guest = await visitors.enter("rs.test")
    assert await guest.join(room) == Joined("none", "participant")
    assert prosody.affiliations(room) == {}


async def test_a_guests_granted_affiliation_stays(visitors: Visitors, prosody: Prosody) -> None:
    room = "granted@conference.rs.test"
    guest = await visitors.enter("rs.test")
    prosody.prepare_room(room, of=guest.bare_jid, affiliation="owner")
    assert await guest.join(room) == OWNER


async def test_others_see_the_final_role_at_once(visitors: Visitors) -> None:
    room = f"watched@{MUC}"
    watcher = await visitors.enter(HOST, f"token={hs_token()}")
    await watcher.join(room, "watcher")
    owner = await visitors.enter(HOST, f"token={moderator()}")
    assert await owner.join(room, "owner") == OWNER

    def is_about_the_owner(element: Element) -> bool:
        return element.get("from") == f"{room}/owner"

    seen = await watcher.expect(is_about_the_owner)
    item = seen.find(f"{{{XMLNS_MUC}#user}}x/{{{XMLNS_MUC}#user}}item")
    assert item is not None
    assert (item.get("affiliation"), item.get("role")) == ("owner", "moderator")


@pytest.mark.parametrize("make", [moderator, hs_token])
async def test_the_lobby_keeps_token_users_waiting(
    visitors: Visitors, prosody: Prosody, make: Callable[[], str]
) -> None:
    user = await visitors.enter(HOST, f"token={make()}")
    room = f"lobby-{user.bare_jid[:8]}@{MUC}"
    prosody.prepare_room(room, lobby="1")
    assert await user.join(room) == WAIT
    assert prosody.affiliations(room) == {}


@pytest.mark.parametrize(("make", "expected"), [(moderator, OWNER), (hs_token, MEMBER)])
async def test_whom_the_lobby_admits_gets_what_the_token_says(
    visitors: Visitors, prosody: Prosody, make: Callable[[], str], expected: Joined
) -> None:
    user = await visitors.enter(HOST, f"token={make()}")
    room = f"admitted-{user.bare_jid[:8]}@{MUC}"
    prosody.prepare_room(room, lobby="1")
    assert await user.join(room) == WAIT
    prosody.prepare_room(room, of=user.bare_jid, affiliation="member")
    assert await user.join(room) == expected


async def test_the_rooms_password_opens_the_lobby(visitors: Visitors, prosody: Prosody) -> None:
    room = f"password@{MUC}"
    prosody.prepare_room(room, lobby="1", password="sesame")
    user = await visitors.enter(HOST, f"token={moderator()}")
    assert await user.join(room, password="wrong") == WAIT
    assert await user.join(room, password="sesame") == OWNER


async def test_the_lobby_keeps_guests_waiting(visitors: Visitors, prosody: Prosody) -> None:
    room = "lobby-guest@conference.rs.test"
    prosody.prepare_room(room, lobby="1")
    guest = await visitors.enter("rs.test")
    assert await guest.join(room) == WAIT


async def test_a_token_does_not_end_a_ban(visitors: Visitors, prosody: Prosody) -> None:
    room = f"ban@{MUC}"
    user = await visitors.enter(HOST, f"token={moderator()}")
    prosody.prepare_room(room, of=user.bare_jid, affiliation="outcast")
    assert await user.join(room) == Refusal("forbidden", None, None, "auth")
    assert prosody.affiliations(room) == {user.bare_jid: "outcast"}


async def test_a_member_who_creates_a_room_does_not_own_it(visitors: Visitors) -> None:
    user = await visitors.enter("rs.test", f"token={rs_token()}")
    assert await user.join("created@conference.rs.test") == MEMBER


async def test_an_admins_ownership_is_left_alone(visitors: Visitors, prosody: Prosody) -> None:
    focus = visitors.websocket("auth.test")
    await focus.login_as("focus")
    assert await focus.join(f"admins@{MUC}", "focus") == OWNER
    user = await visitors.enter(HOST, f"token={hs_token()}")
    assert await user.join(f"admins@{MUC}", "user") == MEMBER
    affiliations = prosody.affiliations(f"admins@{MUC}") or {}
    assert affiliations["focus@auth.test"] == "owner"
