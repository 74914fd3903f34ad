"""Requests to Jicofo over HTTP, which the library sends since November 2022.

They need a newer library than the one that is installed for the tests (see ``LIBRARY``).
"""

from __future__ import annotations

import pytest

from tests.system.client.deployment import GATED, Deployment
from tests.system.client.participants import FAILED, JOIN_FAILED, JOINED, Meeting

pytestmark = pytest.mark.asyncio(loop_scope="module")

behind_the_gate = pytest.mark.parametrize("meeting", GATED, indirect=True)


def address(meeting: Meeting) -> str:
    return f"{meeting.origin}/conference-request/v1?room={meeting.room}"


@behind_the_gate
async def test_good_token_joins(meeting: Meeting) -> None:
    await meeting.enter(conferenceRequestUrl=address(meeting))


@behind_the_gate
async def test_client_reports_a_refused_request(meeting: Meeting, deployment: Deployment) -> None:
    token = meeting.token(jti=meeting.room)
    participant = await meeting.connect(token, conferenceRequestUrl=address(meeting))
    await participant.log_in()
    deployment.revoke(deployment.sidecar, jti=meeting.room)
    await participant.begin_to_join(meeting.room)
    event = await participant.wait_for(JOINED, JOIN_FAILED, FAILED)
    assert event[:2] == [FAILED, "connection.conferenceRequestFailed"]
