"""Several hosts of one verifier: each has its own secret."""

from __future__ import annotations

import pytest

from tests.system.prosody.clients import ClientFactory
from tests.system.prosody.stanzas import Joined, Refusal
from tests.system.prosody.tokens import hs_token, second_token

WRONG_SECRET = Refusal("not-allowed", "Invalid signature")


@pytest.mark.parametrize("host", ["second.test", "internal.second"])
async def test_each_host_uses_its_own_secret(clients: ClientFactory, host: str) -> None:
    await clients.log_in(host, f"token={second_token()}")
    assert await clients.websocket(host, f"token={hs_token()}").login() == WRONG_SECRET
    assert await clients.websocket("hs.test", f"token={second_token()}").login() == WRONG_SECRET


async def test_rooms_use_the_secret_of_their_parent_host(clients: ClientFactory) -> None:
    room = "board@conference.second.test"
    user = await clients.log_in("second.test", f"token={second_token(room='board')}")
    assert await user.join(room) == Joined("member", "participant")
    stranger = await clients.log_in("hs.test", f"token={hs_token(room='board', sub='*')}")
    assert await stranger.join(room, "stranger") == Refusal(
        "not-allowed", "Invalid signature", None, "cancel"
    )
