"""Logins and joins of the real web client's library."""

from __future__ import annotations

import time

import pytest

from tests.system.client.deployment import GATED, UNGATED, Deployment
from tests.system.client.participants import ESTABLISHED, JOIN_FAILED, JOINED, Meeting

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEBSOCKET, BOSH = "xmpp-websocket", "http-bind"

NOT_ALLOWED = [JOIN_FAILED, "conference.connectionError.notAllowed"]

behind_the_gate = pytest.mark.parametrize("meeting", GATED, indirect=True)
at_prosody = pytest.mark.parametrize("meeting", UNGATED, indirect=True)
over_both_transports = pytest.mark.parametrize("transport", [WEBSOCKET, BOSH])


@over_both_transports
async def test_good_token_logs_in_and_joins(meeting: Meeting, transport: str) -> None:
    await meeting.enter(transport=transport)


def expired(meeting: Meeting) -> str:
    return meeting.token(exp=int(time.time()) - 85)


@pytest.mark.parametrize(
    ("transport", "error"),
    [(WEBSOCKET, "connection.otherError"), (BOSH, "connection.droppedError")],
)
@behind_the_gate
async def test_page_explains_a_refused_login_when_the_client_reloads_it(
    meeting: Meeting, transport: str, error: str
) -> None:
    token = expired(meeting)
    participant = await meeting.connect(token, transport=transport)
    assert (await participant.refusal())[0] == error
    await meeting.open(f"/{meeting.room}?jwt={token}")
    assert "This link has expired" in await meeting.text()


@over_both_transports
@at_prosody
async def test_token_of_another_room_logs_in_and_joins_only_its_room(
    meeting: Meeting, transport: str
) -> None:
    other = f"{meeting.room}-retro"
    participant = await meeting.connect(meeting.token(room=other), transport=transport)
    await participant.log_in()
    assert (await participant.try_to_join(meeting.room))[:2] == NOT_ALLOWED
    await participant.join(other)


@over_both_transports
@behind_the_gate
async def test_token_of_another_room_does_not_log_in(meeting: Meeting, transport: str) -> None:
    participant = await meeting.connect(meeting.token(room="retro"), transport=transport)
    await participant.refusal()


async def test_guest_of_a_closed_room_enters_with_a_token(
    open_meeting: Meeting, deployment: Deployment
) -> None:
    room = f"{open_meeting.room}@conference.{open_meeting.layout.domain}"
    deployment.prosody.prepare_room(room, closed="1")
    guest = await open_meeting.connect()
    await guest.log_in()
    assert (await guest.try_to_join(open_meeting.room))[:2] == NOT_ALLOWED
    # Prosody 0.12 does not tell modules of a resumption, so only a new session has the token.
    await guest.refresh(open_meeting.token())
    await guest.wait_for(ESTABLISHED, count=2)
    again = await guest.try_to_join(open_meeting.room)
    assert again[0] == (JOIN_FAILED if deployment.release.version == "0.12" else JOINED)
    await open_meeting.enter()


@pytest.mark.parametrize("meeting", ["hook"], indirect=True)
@pytest.mark.parametrize(
    ("transport", "error"),
    [(WEBSOCKET, "connection.droppedError"), (BOSH, "connection.otherError")],
)
async def test_login_during_an_outage_is_no_wrong_password(
    meeting: Meeting, deployment: Deployment, transport: str, error: str
) -> None:
    with deployment.sidecar_away():
        participant = await meeting.connect(meeting.token(), transport=transport)
        assert (await participant.refusal())[0] == error
    await meeting.open()
    await meeting.enter(transport=transport)


@pytest.mark.parametrize("meeting", ["gate"], indirect=True)
async def test_bosh_login_goes_on_when_an_outage_ends(
    meeting: Meeting, deployment: Deployment
) -> None:
    with deployment.sidecar_away():
        participant = await meeting.connect(meeting.token(), transport=BOSH)
        await meeting.wait_for_response(503)
    await participant.log_in()
    await participant.join(meeting.room)


async def test_single_use_token_admits_one_session_after_a_long_wait(
    once_meeting: Meeting,
) -> None:
    token = once_meeting.token()
    first = await once_meeting.connect(token)
    second = await once_meeting.connect(token)
    await first.log_in()
    await second.log_in()
    await first.join(once_meeting.room)
    assert (await second.try_to_join(once_meeting.room))[:2] == NOT_ALLOWED


async def test_single_use_link_survives_a_reload_and_a_long_wait(
    gated_once_meeting: Meeting,
) -> None:
    meeting = gated_once_meeting
    await meeting.open(f"/{meeting.room}?jwt={meeting.token()}")
    token = await meeting.token_of_page()
    await meeting.tab.reload()
    participant = await meeting.connect(token)
    await participant.log_in()
    await participant.join(meeting.room)


@pytest.mark.parametrize("transport", [WEBSOCKET, BOSH])
@pytest.mark.parametrize("meeting", ["hook"], indirect=True)
async def test_page_of_another_origin_logs_in_through_the_gate(
    meeting: Meeting, deployment: Deployment, transport: str
) -> None:
    origin = f"http://127.0.0.1:{deployment.gated.port}"
    await meeting.enter(transport=transport, origin=origin)


@pytest.mark.parametrize("meeting", ["hook"], indirect=True)
async def test_refusal_by_the_gate_reaches_a_page_of_another_origin(
    meeting: Meeting, deployment: Deployment
) -> None:
    origin = f"http://127.0.0.1:{deployment.gated.port}"
    participant = await meeting.connect(expired(meeting), transport=BOSH, origin=origin)
    assert (await participant.refusal())[0] == "connection.droppedError"
    # A response that the browser hides has the library try five times, for half a minute.
    assert await meeting.hidden_responses() == 0


@behind_the_gate
async def test_keep_alive_of_a_refused_client_is_no_denial(
    meeting: Meeting, deployment: Deployment
) -> None:
    participant = await meeting.enter(meeting.token(jti=meeting.room))
    deployment.revoke(deployment.sidecar, jti=meeting.room)
    decisions, keep_alives = (
        deployment.metric("decisions_total"),
        deployment.metric("keep_alives_total"),
    )
    await participant.keep_alive()
    assert deployment.metric("keep_alives_total") == keep_alives + 1
    assert deployment.metric("decisions_total") == decisions
