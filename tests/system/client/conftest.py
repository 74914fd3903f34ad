"""One deployment and one browser for the tests of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.browser import Tab, browser
from tests.system.client.deployment import (
    JITSI_PLUGINS,
    LAYOUTS,
    LIBRARY,
    OPEN_LAYOUTS,
    Deployment,
    Layout,
    start_nginx,
    start_prosody,
)
from tests.system.client.participants import Meeting
from tests.system.nginx.sites import Sidecar
from tests.system.prosody.prosody import assert_clean
from tests.system.prosody.releases import RELEASES

SINGLE_USE = {
    "VERIFIER_SINGLE_USE": "jti",
    "VERIFIER_SINGLE_USE_WINDOW": "0",
    "VERIFIER_HANDOFF": "true",
}

# Only newer libraries send conference requests over HTTP.
collect_ignore = []
if not LIBRARY.is_file() or "conferenceRequestUrl" not in LIBRARY.read_text():
    collect_ignore.append("test_conference_request.py")


@pytest.fixture(scope="module", params=RELEASES, ids=lambda release: release.version)
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Start each release of Prosody, with the service, and nginx with and without the gate."""
    folder = tmp_path_factory.mktemp("jitsi")
    with ExitStack() as stack:
        sidecar = _sidecar(stack, folder / "sidecar", VERIFIER_CONFIG=str(_open_host(folder)))
        once = _sidecar(stack, folder / "once", **SINGLE_USE)
        prosody = start_prosody(request.param, folder / "prosody", sidecar, once)
        stack.callback(prosody.stop)
        gates = []
        for name, asked in (("gated", sidecar), ("plain", None), ("gated-once", once)):
            gates.append(start_nginx(folder / name, prosody, asked))
            stack.callback(gates[-1].stop)
        gated, plain, gated_once = gates
        sidecar.environ["VERIFIER_CORS_ORIGINS"] = f"http://127.0.0.1:{plain.port}"
        sidecar.start()
        once.start()
        yield Deployment(request.param, sidecar, once, prosody, gated, plain, gated_once)
    if not JITSI_PLUGINS:  # Jitsi's own modules write tokens to the log
        assert_clean(prosody.log())


def _open_host(folder: Path) -> Path:
    file = folder / "hosts.toml"
    file.write_text('[hosts."open.test"]\nallow_empty_token = true\n')
    return file


def _sidecar(stack: ExitStack, folder: Path, **options: str) -> Sidecar:
    folder.mkdir()
    sidecar = Sidecar(folder, options)
    stack.callback(sidecar.stop)
    return sidecar


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tab]:
    """Start Chromium."""
    async with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module", params=LAYOUTS)
async def meeting(request: pytest.FixtureRequest, deployment: Deployment, tab: Tab) -> Meeting:
    """Open a page of each layout in turn."""
    return await _open(deployment, tab, LAYOUTS[request.param])


@pytest_asyncio.fixture(loop_scope="module")
async def meetings(deployment: Deployment, tab: Tab) -> list[Meeting]:
    """Open one page, and return a meeting of each layout that this page joins."""
    found = [Meeting(tab, layout, deployment.origin(layout)) for layout in LAYOUTS.values()]
    await found[0].open()
    return found


@pytest_asyncio.fixture(loop_scope="module", params=OPEN_LAYOUTS)
async def open_meeting(request: pytest.FixtureRequest, deployment: Deployment, tab: Tab) -> Meeting:
    """Open a page of each layout that lets guests in, in turn."""
    return await _open(deployment, tab, OPEN_LAYOUTS[request.param])


@pytest_asyncio.fixture(loop_scope="module")
async def once_meeting(deployment: Deployment, tab: Tab) -> Meeting:
    """Open a page of a Prosody whose verifier has single-use tokens."""
    return await _open(deployment, tab, Layout("once.test"))


@pytest.fixture
def gated_once_meeting(deployment: Deployment, tab: Tab) -> Meeting:
    """Return a meeting behind a gate with single-use tokens and the hand-off; no page is open."""
    return Meeting(tab, Layout("gate.test"), f"http://127.0.0.1:{deployment.once.port}")


async def _open(deployment: Deployment, tab: Tab, layout: Layout) -> Meeting:
    opened = Meeting(tab, layout, deployment.origin(layout))
    await opened.open()
    return opened
