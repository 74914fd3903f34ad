"""One Prosody with its verifiers for all tests, and clients for each test."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.support.processes import free_port
from tests.system.nginx.sites import Sidecar
from tests.system.prosody.clients import ClientFactory, Deployment
from tests.system.prosody.fake_verifier import FakeVerifier
from tests.system.prosody.prosody import Prosody, assert_clean
from tests.system.prosody.tokens import APP_ID, SECOND_SECRET, key_file

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

# The verifier of hs.test also serves these hosts.
OTHER_HOSTS = f"""
[hosts."second.test"]
app_id = "{APP_ID}"
app_secret = "{SECOND_SECRET}"
muc_mapper_domain_base = "second.test"

[hosts."moderated.test"]
muc_mapper_domain_base = "moderated.test"
policy.moderators_create_rooms = true
"""


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("prosody")
    with ExitStack() as stack:
        fake_verifier = FakeVerifier()
        stack.callback(fake_verifier.stop)
        fake_verifier.files.update([key_file()])
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        sidecars = {name: _sidecar(folder / name, fake_verifier) for name in OPTIONS}
        for sidecar in sidecars.values():
            stack.callback(sidecar.stop)
        sidecars["hs"].start()
        sidecars["rs"].start()
        names = {
            "HS_URL": f"http://127.0.0.1:{sidecars['hs'].port}/",
            "RS_URL": f"http://127.0.0.1:{sidecars['rs'].port}/v1/verify",
            "FAKE_URL": fake_verifier.url,
            "RESTARTED_URL": f"http://127.0.0.1:{sidecars['down'].port}",
            "SILENT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "CLOSED_URL": f"http://127.0.0.1:{free_port()}",
        }
        prosody = Prosody(folder / "server", names)
        stack.callback(prosody.stop)
        yield Deployment(prosody, fake_verifier, sidecars["down"])
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
def fake_verifier(deployment: Deployment) -> FakeVerifier:
    return deployment.fake_verifier


@pytest.fixture(scope="module", autouse=True)
def _clean_log(deployment: Deployment) -> Iterator[None]:
    start = deployment.prosody.log_size()
    yield
    assert_clean(deployment.prosody.log(start))


@pytest.fixture
async def clients(prosody: Prosody) -> AsyncIterator[ClientFactory]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        factory = ClientFactory(http, prosody.port)
        yield factory
        for client in factory.clients:
            await client.close()
