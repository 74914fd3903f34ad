"""What Jitsi's modules for moderators find at a join, read by a test module."""

from __future__ import annotations

from typing import Any

import pytest

from tests.system.prosody.clients import ClientFactory
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import Joined, Refusal
from tests.system.prosody.tokens import rs_token

HOST = "rs.test"
OWNER = Joined("owner", "moderator")
MEMBER = Joined("member", "participant")
GUEST = Joined("none", "participant")
IN_LOBBY = Refusal("registration-required", None, None, "auth")


def query(context: dict[str, Any] | None) -> str:
    return "" if context is None else f"token={rs_token(context=context)}"


@pytest.mark.parametrize(
    ("context", "joined", "has_features"),
    [
        ({"user": {"moderator": True}}, OWNER, False),
        ({"user": {"moderator": "true"}, "features": {"recording": True}}, OWNER, True),
        # No feature is allowed. Without the claim, Jitsi's modules allow all to moderators.
        ({"user": {"moderator": True}, "features": {}}, OWNER, True),
        ({"user": {"id": "u-2"}}, MEMBER, False),
        ({"features": {}}, MEMBER, True),
        (None, GUEST, False),
    ],
    ids=str,
)
async def test_modules_find_role_and_claims_at_the_join(
    clients: ClientFactory,
    prosody: Prosody,
    context: dict[str, Any] | None,
    joined: Joined,
    has_features: bool,
) -> None:
    user = await clients.log_in(HOST, query(context))
    room = f"moderation-{user.bare_jid[:8]}@conference.rs.test"
    prosody.prepare_room(room)
    assert await user.join(room) == joined
    session = prosody.session(user.jid)
    assert session is not None
    claimed = ((context or {}).get("user") or {}).get("moderator")
    seen = {"role": joined.role, "has_features": has_features, "authentication": "jitsi_verifier"}
    if joined is not GUEST:
        seen |= {"announced": joined.affiliation, "affiliation": joined.affiliation}
    if claimed is not None:
        seen["claimed_moderator"] = claimed
    assert session["test_moderation"] == seen


@pytest.mark.parametrize(
    ("context", "joined"), [({"user": {"moderator": True}}, OWNER), ({"user": {}}, MEMBER)]
)
async def test_token_opens_a_room_that_waits_for_its_host(
    clients: ClientFactory, prosody: Prosody, context: dict[str, Any], joined: Joined
) -> None:
    host = await clients.log_in(HOST, query(context))
    guest = await clients.log_in(HOST)
    room = f"waits-{host.bare_jid[:8]}@conference.rs.test"
    prosody.prepare_room(room, waits="1")
    assert await guest.join(room, "guest") == IN_LOBBY
    assert await host.join(room, "host") == joined
    assert await guest.join(room, "guest") == GUEST


async def test_resumption_keeps_fields_and_takes_moderator_rights_of_a_new_token(
    clients: ClientFactory, prosody: Prosody
) -> None:
    user = await clients.log_in(HOST, query({"user": {"moderator": True}}))
    room = f"resumed-{user.bare_jid[:8]}@conference.rs.test"
    prosody.prepare_room(room)
    previous = await user.make_resumable()
    assert await user.join(room) == OWNER
    before = prosody.session(user.jid)
    await user.drop()
    again = clients.websocket(HOST, f"{query({'user': {}})}&previd={previous}")
    assert await again.resume(previous) == "resumed"
    after = prosody.session(user.jid)
    assert before is not None
    assert after is not None
    # Jitsi's module for breakout rooms refuses a session that has lost its field.
    assert after["test_moderation"] == before["test_moderation"]
    await again.leave(room)
    # Prosody 0.12 does not tell modules of a resumption, so the first token goes on.
    expected = OWNER if prosody.release.version == "0.12" else MEMBER
    assert await again.join(room) == expected
