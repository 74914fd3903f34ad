"""Logins that Prosody refuses: the client reports what it reports with Jitsi's own modules."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from tests.system.client.deployment import UNGATED
from tests.system.client.participants import Meeting

pytestmark = pytest.mark.asyncio(loop_scope="module")

at_prosody = pytest.mark.parametrize("meeting", UNGATED, indirect=True)


def expired(meeting: Meeting) -> str:
    return meeting.token(exp=int(time.time()) - 85)


def forged(meeting: Meeting) -> str:
    return meeting.token()[:-6] + "AAAAAA"


# The library takes the reason from the raw answer, in which "'" is "&apos;".
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (expired, r"Not acceptable by exp \(\d+\.0 sec since expired\)"),
        (forged, "Invalid signature"),
        (lambda meeting: meeting.token(iss="another"), "invalid &apos;iss&apos; claim"),
        (lambda meeting: meeting.token(aud=...), "&apos;aud&apos; claim is missing"),
        (lambda _: "no-token", "Invalid token"),
        (lambda _: None, "token required"),
    ],
    ids=["expired", "forged", "issuer", "audience", "no token", "without"],
)
@at_prosody
async def test_refused_login_reports_jitsis_reason(
    meeting: Meeting, make: Callable[[Meeting], str | None], reason: str
) -> None:
    participant = await meeting.connect(make(meeting))
    error, found, credentials = await participant.refusal()
    assert error == "connection.passwordRequired"
    assert re.fullmatch(reason, found or "")
    assert credentials == {"jid": meeting.layout.domain}


@at_prosody
async def test_refused_bosh_login_reports_jitsis_reason(meeting: Meeting) -> None:
    participant = await meeting.connect(forged(meeting), transport="http-bind")
    credentials = {"jid": meeting.layout.domain}
    expected = ["connection.passwordRequired", "Invalid signature", credentials]
    assert await participant.refusal() == expected
