from __future__ import annotations

import pytest

from tests.system.prosody.minting import hs_token, second_token
from tests.system.prosody.stanzas import Joined, Refusal
from tests.system.prosody.visitors import Visitors

WRONG_SECRET = Refusal("not-authorized", "Invalid signature")


@pytest.mark.parametrize("host", ["second.test", "internal.second"])
async def test_each_host_is_judged_by_its_own_secret(visitors: Visitors, host: str) -> None:
    await visitors.enter(host, f"token={second_token()}")
    assert await visitors.websocket(host, f"token={hs_token()}").login() == WRONG_SECRET
    assert await visitors.websocket("hs.test", f"token={second_token()}").login() == WRONG_SECRET


async def test_rooms_are_judged_by_the_host_above_them(visitors: Visitors) -> None:
    room = "board@conference.second.test"
    user = await visitors.enter("second.test", f"token={second_token(room='board')}")
    assert await user.join(room) == Joined("member", "participant")
    stranger = await visitors.enter("hs.test", f"token={hs_token(room='board', sub='*')}")
    assert await stranger.join(room, "stranger") == Refusal(
        "not-allowed", "Invalid signature", None, "cancel"
    )
