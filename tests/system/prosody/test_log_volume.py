"""How much Prosody logs at logins and joins; lines of the level debug do not count."""

from __future__ import annotations

import re

import pytest

from tests.system.prosody.clients import ClientFactory
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import Joined, Refusal
from tests.system.prosody.tokens import hs_token

HOST = "hs.test"
GUEST_HOST = "guest.test"  # no check of a token
# The lines of sessions and of the modules under test.
LINE = re.compile(
    r"^\w+ \d+ [\d:]+ (c2s\w+|\S+jitsi_verifier\w*)\t(?!debug)(\w+)\t(.*)$", re.MULTILINE
)


class LogPart:
    """The lines that follow this moment, without those of sessions that began before."""

    def __init__(self, prosody: Prosody) -> None:
        self._prosody, self._start = prosody, prosody.log_size()
        self._earlier = set(re.findall(r"c2s[0-9a-f]+", prosody.log()))

    def lines(self) -> list[str]:
        """Return level and text of each line; identifiers and addresses are replaced."""
        earlier, lines = set(self._earlier), []
        for source, level, text in LINE.findall(self._prosody.log(self._start)):
            if text == "Client connected":
                earlier.discard(source)  # a new session may get the identifier of one that ended
            if source not in earlier:
                lines.append(re.sub(r"\S+@\S+( \[.*\])?", "ADDRESS", f"{level} {text}"))
        return lines


@pytest.fixture(autouse=True)
async def _started(clients: ClientFactory) -> None:
    await clients.log_in(GUEST_HOST)  # after this, no line belongs to Prosody's start


async def test_good_login_adds_no_line(clients: ClientFactory, prosody: Prosody) -> None:
    part = LogPart(prosody)
    await clients.log_in(GUEST_HOST)
    without_check = part.lines()
    part = LogPart(prosody)
    await clients.log_in(HOST, f"token={hs_token()}&room=quiet")
    assert part.lines() == without_check
    assert without_check == ["info Client connected", "info Authenticated as ADDRESS"]


async def test_good_join_adds_no_line(clients: ClientFactory, prosody: Prosody) -> None:
    user = await clients.log_in(HOST, f"token={hs_token()}&room=quiet")
    part = LogPart(prosody)
    assert isinstance(await user.join("quiet@conference.hs.test"), Joined)
    assert part.lines() == []


async def test_refused_login_adds_one_line(clients: ClientFactory, prosody: Prosody) -> None:
    part = LogPart(prosody)
    refusal = await clients.websocket(HOST, f"token={hs_token(iss='x')}&room=quiet").login()
    assert isinstance(refusal, Refusal)
    assert part.lines() == ["info Client connected", "info Login refused: issuer-not-accepted"]


async def test_refused_join_adds_one_line(clients: ClientFactory, prosody: Prosody) -> None:
    user = await clients.log_in(HOST, f"token={hs_token(room='other')}&room=other")
    part = LogPart(prosody)
    assert isinstance(await user.join("quiet@conference.hs.test"), Refusal)
    (line,) = part.lines()
    assert line.startswith("info ADDRESS may not enter ADDRESS")
