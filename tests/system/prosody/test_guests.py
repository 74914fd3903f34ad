"""Users of hosts that authenticate without the verifier, such as guests, recorders and phones."""

from __future__ import annotations

import pytest

from tests.system.prosody.clients import ClientFactory
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import Joined, Refusal
from tests.system.prosody.tokens import hs_token, second_token

NO_TOKEN = Refusal(
    "not-allowed",
    "Room name cannot be matched to the one from token.",
    "room-name-does-not-match",
    "cancel",
)
CLOSED = Refusal("not-allowed", "Authentication required", "authentication-required", "cancel")
NO_AFFILIATION = Joined("none", "participant")
OPENED = "conference.second.test"


@pytest.mark.parametrize("host", ["guest.test", "auth.test"])
async def test_account_of_another_host_needs_a_token(clients: ClientFactory, host: str) -> None:
    room = "hosted@conference.hs.test"
    owner = await clients.log_in("hs.test", f"token={hs_token()}")
    await owner.join(room, "owner")
    guest = clients.websocket(host)
    if host == "auth.test":
        await guest.login_as("jvb")
    else:
        assert await guest.login() is None
    assert await guest.join(room, "guest") == NO_TOKEN


async def test_account_of_another_host_may_have_a_token(clients: ClientFactory) -> None:
    guest = await clients.log_in("guest.test", f"token={hs_token()}")
    assert await guest.join("invited@conference.hs.test") == Joined("member", "participant")


async def test_guest_of_another_host_with_bad_token_is_refused(clients: ClientFactory) -> None:
    for room in ("hosted-too@conference.hs.test", f"hosted-too@{OPENED}"):
        guest = await clients.log_in("guest.test", "token=x.y.z")
        answer = await guest.join(room)
        assert isinstance(answer, Refusal)
        assert answer.condition == "not-allowed"


async def test_option_lets_guest_hosts_in(clients: ClientFactory) -> None:
    owner = await clients.log_in("second.test", f"token={second_token()}")
    await owner.join(f"hosted@{OPENED}", "owner")
    guest = await clients.log_in("guest.test")
    assert await guest.join(f"hosted@{OPENED}", "guest") == NO_AFFILIATION


async def test_option_opens_no_room_that_is_closed_to_guests(
    clients: ClientFactory, prosody: Prosody
) -> None:
    prosody.prepare_room(f"shut@{OPENED}", closed="1")
    guest = await clients.log_in("guest.test")
    assert await guest.join(f"shut@{OPENED}") == CLOSED


async def test_option_is_not_for_hosts_that_the_verifier_judges(clients: ClientFactory) -> None:
    # A guest of rs.test, where tokens are optional, may not enter the rooms of another host.
    guest = await clients.log_in("rs.test")
    answer = await guest.join(f"judged@{OPENED}")
    assert answer == Refusal("not-allowed", "token required", None, "cancel")


async def test_guest_hosts_are_let_in_without_domain_verification(
    clients: ClientFactory, prosody: Prosody
) -> None:
    room = "@conference.open.test"
    guest = await clients.log_in("guest.test")
    assert await guest.join(f"free{room}") == NO_AFFILIATION
    prosody.prepare_room(f"shut{room}", closed="1")
    assert await guest.join(f"shut{room}") == CLOSED
    # The host itself still wants a token.
    assert await clients.websocket("open.test").login() == Refusal("not-allowed", "token required")


async def test_option_keeps_guest_hosts_out_without_domain_verification(
    clients: ClientFactory,
) -> None:
    guest = await clients.log_in("guest.test")
    assert await guest.join("private@conference.closed.open.test") == NO_TOKEN
