"""Two releases of Prosody and their verifiers for all tests, and clients for each test."""

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
from tests.system.prosody.releases import RELEASES, Release
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

[hosts."open.test"]
muc_mapper_domain_base = "open.test"
enable_domain_verification = false
"""


class Deployments:
    """Starts the programs: each Prosody when a test needs it, the verifiers once for all."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._running: dict[Release, Deployment] = {}
        self._keys = self._fake_verifier()
        self._silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._sidecars = {name: _sidecar(folder / name, self._keys) for name in OPTIONS}
        for sidecar in self._sidecars.values():
            stack.callback(sidecar.stop)
        self._sidecars["hs"].start()
        self._sidecars["rs"].start()

    def get(self, release: Release) -> Deployment:
        """Return the running programs with this release of Prosody."""
        if release not in self._running:
            self._running[release] = self._start(release)
        return self._running[release]

    def check_logs(self) -> None:
        """Check all that every Prosody has logged."""
        for deployment in self._running.values():
            assert_clean(deployment.prosody.log())

    def _fake_verifier(self) -> FakeVerifier:
        fake_verifier = FakeVerifier()
        self._stack.callback(fake_verifier.stop)
        fake_verifier.files.update([key_file()])
        return fake_verifier

    def _start(self, release: Release) -> Deployment:
        # Each Prosody has its own fake verifier, because tests count the requests of one token.
        fake_verifier, sidecars = self._fake_verifier(), self._sidecars
        names = {
            "HS_URL": f"http://127.0.0.1:{sidecars['hs'].port}/",
            "RS_URL": f"http://127.0.0.1:{sidecars['rs'].port}/v1/verify",
            "FAKE_URL": fake_verifier.url,
            "RESTARTED_URL": f"http://127.0.0.1:{sidecars['down'].port}",
            "SILENT_URL": f"http://127.0.0.1:{self._silent.getsockname()[1]}",
            "CLOSED_URL": f"http://127.0.0.1:{free_port()}",
        }
        prosody = Prosody(release, self._folder / f"prosody-{release.version}", names)
        self._stack.callback(prosody.stop)
        return Deployment(prosody, fake_verifier, sidecars["down"], sidecars["hs"])


@pytest.fixture(scope="session")
def deployments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployments]:
    with ExitStack() as stack:
        deployments = Deployments(tmp_path_factory.mktemp("prosody"), stack)
        yield deployments
    deployments.check_logs()


@pytest.fixture(scope="module", params=RELEASES, ids=lambda release: release.version)
def deployment(request: pytest.FixtureRequest, deployments: Deployments) -> Iterator[Deployment]:
    deployment = deployments.get(request.param)
    start = deployment.prosody.log_size()
    yield deployment
    assert_clean(deployment.prosody.log(start))


def _sidecar(folder: Path, keys: FakeVerifier) -> Sidecar:
    folder.mkdir()
    (folder / "hosts.toml").write_text(OTHER_HOSTS)
    options = {
        name: value.format(keys=keys.url, folder=folder)
        for name, value in OPTIONS[folder.name].items()
    }
    return Sidecar(folder, {"JWT_APP_ID": APP_ID, **options})


@pytest.fixture(scope="module")
def prosody(deployment: Deployment) -> Prosody:
    return deployment.prosody


@pytest.fixture(scope="module")
def fake_verifier(deployment: Deployment) -> FakeVerifier:
    return deployment.fake_verifier


@pytest.fixture
async def clients(prosody: Prosody) -> AsyncIterator[ClientFactory]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        factory = ClientFactory(http, prosody.port)
        yield factory
        for client in factory.clients:
            await client.close()
