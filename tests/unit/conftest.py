"""Fixtures of the key sources: a key server, a session, a clock, a recorder; and the log."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.support.key_server import FakeTime, KeyServer, Recorder, running_key_server
from verifier.keys.sources.http import open_session
from verifier.log import LOGGER

pytest.register_assert_rewrite("tests.support.redemption_cases")


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    async with running_key_server() as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as opened:
        yield opened


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def caplog(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> pytest.LogCaptureFixture:
    """Capture the verifier's log lines, even if another test has redirected them."""
    monkeypatch.setattr(LOGGER, "propagate", True)
    caplog.set_level("INFO", LOGGER.name)
    return caplog
