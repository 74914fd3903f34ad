"""One Prosody, its verifiers and clients for all tests of the Prosody modules."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.system.nginx.processes import free_port
from tests.system.nginx.sites import Sidecar
from tests.system.prosody.bosh_client import BoshClient
from tests.system.prosody.fake_verifier import FakeVerifier
from tests.system.prosody.minting import APP_ID, SECOND_SECRET, key_file
from tests.system.prosody.prosody import Prosody, assert_clean
from tests.system.prosody.websocket_client import SECONDS, Client

OPTIONS = {
    "hs": {"XMPP_DOMAIN": "hs.test", "VERIFIER_CONFIG": "{folder}/hosts.toml"},
    "rs": {
        "JWT_APP_SECRET": "",
        "JWT_ASAP_KEYSERVER": "{keys}/asap",
        "JWT_ALLOW_EMPTY": "true",
        "XMPP_DOMAIN": "rs.test",
        "JWT_ENABLE_DOMAIN_VERIFICATION": "false",
    },
    "down": {"XMPP_DOMAIN": "down.test"},
}

# The first of them serves other hosts too.
OTHER_HOSTS = f"""
[hosts."second.test"]
app_id = "{APP_ID}"
app_secret = "{SECOND_SECRET}"
muc_mapper_domain_base = "second.test"

[hosts."moderated.test"]
muc_mapper_domain_base = "moderated.test"
policy.moderators_create_rooms = true
"""


@dataclass
class Deployment:
    """Everything that the tests talk to.

    Attributes:
        prosody: The server under test.
        fake: The verifier of fault.test, which also serves keys.
        mortal: The verifier of down.test, which tests start and stop.
    """

    prosody: Prosody
    fake: FakeVerifier
    mortal: Sidecar


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("prosody")
    with ExitStack() as stack:
        fake = FakeVerifier()
        stack.callback(fake.stop)
        fake.files.update([key_file()])
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        sidecars = {name: _sidecar(folder / name, fake) for name in OPTIONS}
        for sidecar in sidecars.values():
            stack.callback(sidecar.stop)
        sidecars["hs"].start()
        sidecars["rs"].start()
        names = {
            "HS_URL": f"http://127.0.0.1:{sidecars['hs'].port}/",
            "RS_URL": f"http://127.0.0.1:{sidecars['rs'].port}/v1/verify",
            "FAKE_URL": fake.url,
            "MORTAL_URL": f"http://127.0.0.1:{sidecars['down'].port}",
            "SILENT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "CLOSED_URL": f"http://127.0.0.1:{free_port()}",
        }
        prosody = Prosody(folder / "server", names)
        stack.callback(prosody.stop)
        yield Deployment(prosody, fake, sidecars["down"])
    assert_clean(prosody.log())


def _sidecar(folder: Path, keys: FakeVerifier) -> Sidecar:
    folder.mkdir()
    (folder / "hosts.toml").write_text(OTHER_HOSTS)
    options = {
        name: value.format(keys=keys.url, folder=folder)
        for name, value in OPTIONS[folder.name].items()
    }
    return Sidecar(folder, {"JWT_APP_ID": APP_ID, **options})


@pytest.fixture(scope="session")
def prosody(deployment: Deployment) -> Prosody:
    return deployment.prosody


@pytest.fixture(scope="session")
def fake(deployment: Deployment) -> FakeVerifier:
    return deployment.fake


@pytest.fixture(scope="module", autouse=True)
def _clean_log(deployment: Deployment) -> Iterator[None]:
    start = deployment.prosody.log_size()
    yield
    assert_clean(deployment.prosody.log(start))


@dataclass
class Visitors:
    """Makes clients, and ends their connections after the test."""

    http: aiohttp.ClientSession
    port: int
    clients: list[Client] = field(default_factory=list)

    def websocket(self, host: str, query: str = "", **headers: str) -> Client:
        """Prepare a client over WebSocket; header names have "_" for "-"."""
        client = Client(self.http, self.port, host, query, _fields(headers))
        self.clients.append(client)
        return client

    def bosh(self, host: str, query: str = "", **headers: str) -> BoshClient:
        """Prepare a client over BOSH."""
        return BoshClient(self.http, self.port, host, query, _fields(headers))

    async def enter(self, host: str, query: str = "") -> Client:
        """Log in over WebSocket, which has to work."""
        client = self.websocket(host, query)
        refusal = await client.login()
        assert refusal is None, refusal
        return client


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110  # what is awaited is another process's
            await asyncio.sleep(0.01)


def _fields(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
async def visitors(prosody: Prosody) -> AsyncIterator[Visitors]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        made = Visitors(http, prosody.port)
        yield made
        for client in made.clients:
            await client.close()
