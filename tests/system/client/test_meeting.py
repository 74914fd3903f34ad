"""What happens to the participants of a meeting while it runs."""

from __future__ import annotations

import time
from itertools import count

import pytest

from tests.support.processes import wait_until
from tests.system.client.deployment import GATED, UNGATED, Deployment
from tests.system.client.participants import ESTABLISHED, FAILED, USER_LEFT, Meeting, Participant

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIFETIME = 15  # seconds: time for a login and a join on a slow machine
numbers = count(1)

behind_the_gate = pytest.mark.parametrize("meeting", GATED, indirect=True)
at_prosody = pytest.mark.parametrize("meeting", UNGATED, indirect=True)


async def talk(one: Participant, another: Participant) -> None:
    """Check that two participants hear each other."""
    for speaker, listener in ((one, another), (another, one)):
        text = f"hello {next(numbers)}"
        await speaker.say(text)
        await listener.hears(text)


async def assert_resumed(participant: Participant, jid: str, witness: Participant) -> None:
    """Check that a participant has its session again, and never left the room."""
    await participant.wait_for(ESTABLISHED, count=2)
    assert await participant.jid() == jid
    await talk(participant, witness)
    assert USER_LEFT not in await witness.names()


async def test_session_resumes_after_the_websocket_is_cut(meeting: Meeting) -> None:
    participant, witness = await meeting.enter(), await meeting.enter()
    jid = await participant.jid()
    await participant.cut()
    await assert_resumed(participant, jid, witness)


async def test_session_resumes_after_the_service_was_restarted(
    meeting: Meeting, deployment: Deployment
) -> None:
    participant, witness = await meeting.enter(), await meeting.enter()
    jid = await participant.jid()
    with deployment.sidecar_away():
        pass
    await participant.cut()
    await assert_resumed(participant, jid, witness)


@behind_the_gate
async def test_all_sessions_resume_when_an_outage_of_the_service_ends(
    meeting: Meeting, deployment: Deployment
) -> None:
    participants = [await meeting.enter() for _ in range(3)]
    jids = [await participant.jid() for participant in participants]
    with deployment.sidecar_away():
        for participant in participants:
            await participant.cut()
        for participant in participants:
            await participant.wait_for("connfail")
    for i, participant in enumerate(participants):
        await assert_resumed(participant, jids[i], participants[i - 1])


@at_prosody
async def test_all_sessions_resume_during_an_outage_of_the_service(
    meeting: Meeting, deployment: Deployment
) -> None:
    participants = [await meeting.enter() for _ in range(3)]
    jids = [await participant.jid() for participant in participants]
    with deployment.sidecar_away():
        for participant in participants:
            await participant.cut()
        for i, participant in enumerate(participants):
            await assert_resumed(participant, jids[i], participants[i - 1])


@pytest.mark.parametrize("meeting", ["hook"], indirect=True)
async def test_new_token_is_judged_when_an_outage_ends(
    meeting: Meeting, deployment: Deployment
) -> None:
    participant, witness = await meeting.enter(), await meeting.enter()
    jid = await participant.jid()
    with deployment.sidecar_away():
        await participant.refresh(meeting.token())
        # The login is the first connection. When the third begins, the second was refused.
        await participant.wait_for("connecting", count=3)
    await assert_resumed(participant, jid, witness)


async def test_new_token_is_used_without_leaving(meeting: Meeting) -> None:
    participant, witness = await meeting.enter(), await meeting.enter()
    jid = await participant.jid()
    await participant.refresh(meeting.token(context={"user": {"id": "u-2", "name": "Grace"}}))
    await assert_resumed(participant, jid, witness)


@pytest.mark.parametrize("meeting", ["hook"], indirect=True)
async def test_revoked_token_ends_at_the_next_login(
    meeting: Meeting, deployment: Deployment
) -> None:
    participant = await meeting.enter(meeting.token(jti=meeting.room))
    witness = await meeting.enter()
    deployment.revoke(deployment.sidecar, jti=meeting.room)
    await talk(participant, witness)
    await participant.cut()
    event = await participant.wait_for(FAILED)
    assert event[1:3] == ["connection.passwordRequired", "revoked"]


@behind_the_gate
async def test_page_explains_a_revoked_token_when_the_client_reloads_it(
    meeting: Meeting, deployment: Deployment
) -> None:
    token = meeting.token(jti=meeting.room)
    participant, witness = await meeting.enter(token), await meeting.enter()
    deployment.revoke(deployment.sidecar, jti=meeting.room)
    await talk(participant, witness)
    await participant.cut()
    await participant.wait_for("connfail")
    await meeting.open(f"/{meeting.room}?jwt={token}")
    assert "This link has been withdrawn" in await meeting.text()


async def test_expired_token_ends_at_the_next_login(meetings: list[Meeting]) -> None:
    pairs, ends = [], 0
    for meeting in meetings:
        witness = await meeting.enter()
        ends = int(time.time()) + LIFETIME
        pairs.append((await meeting.enter(meeting.token(exp=ends)), witness))
    wait_until(lambda: time.time() > ends, "the end of the tokens", LIFETIME + 1.0)
    for participant, witness in pairs:
        await talk(participant, witness)
        await participant.cut()
        # Newer libraries find the end in the token, and ask the page for a new one.
        event = await participant.wait_for(FAILED, "connfail", "connection.token_expired")
        assert event[1:2] in ([], ["connection.passwordRequired"])


async def test_reload_explains_a_revoked_token_to_a_browser_with_cookie(
    gated_once_meeting: Meeting, deployment: Deployment
) -> None:
    meeting = gated_once_meeting
    await meeting.open(f"/{meeting.room}?jwt={meeting.token(jti=meeting.room)}")
    participant = await meeting.enter(await meeting.token_of_page())
    deployment.revoke(deployment.once_sidecar, jti=meeting.room)
    await participant.cut()
    await participant.wait_for("connfail")
    await meeting.tab.reload()
    assert "This link has been withdrawn" in await meeting.text()
