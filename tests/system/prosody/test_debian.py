"""The commands of the guide for Debian, literally, in a copy of each Debian."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from tests.support.documents import blocks
from tests.support.paths import DOCS
from tests.support.processes import accepts, free_port, wait_until
from tests.system.nginx.sites import Sidecar
from tests.system.prosody.clients import ClientFactory
from tests.system.prosody.copies import DebianCopy
from tests.system.prosody.prosody import assert_clean
from tests.system.prosody.releases import RELEASES, Release
from tests.system.prosody.stanzas import Joined, Refusal
from tests.system.prosody.tokens import APP_ID, hs_token
from verifier.check_config import find_risks, read_deployment

HOST = "meet.example.org"
FILES = Path(__file__).with_name("debian")
SITE = f"/etc/prosody/conf.avail/{HOST}.cfg.lua"
JICOFO = "/etc/jitsi/jicofo/jicofo.conf"
MODULES = "/usr/local/lib/prosody/modules"
GUIDE = (DOCS / "prosody.md").read_text("utf-8").partition("## Debian\n")[2].partition("\n## ")[0]
INSTALL, CHECK, UNDO = blocks(GUIDE, "sh")
CHANGES, STRICT_NAMES = blocks(GUIDE, "lua")


class Machine(NamedTuple):
    """A Debian with Jitsi Meet, after the commands of the guide.

    Attributes:
        debian: The Debian.
        port: The HTTP port of its Prosody.
        site: The configuration of Jitsi's host before.
        output: What the commands have written.
    """

    debian: DebianCopy
    port: int
    site: str
    output: str


def follow_guide(debian: DebianCopy, verifier: Sidecar) -> Machine:
    """Give a Debian the files of Jitsi Meet, and run the commands of the guide."""
    port = free_port()
    site = (FILES / f"{HOST}.cfg.lua").read_text("utf-8")
    site = site.replace("@HTTP_PORT@", str(port))
    site = site.replace("@URL@", f"http://127.0.0.1:{verifier.port}")
    debian.run("rm -f /var/log/prosody/*")  # of this machine
    debian.write(SITE, site)
    debian.run(f"ln -s ../conf.avail/{HOST}.cfg.lua /etc/prosody/conf.d/")
    debian.write(JICOFO, 'jicofo {\n  xmpp.client.xmpp-domain = "meet.example.org"\n}\n')
    debian.write("/usr/local/bin/systemctl", (FILES / "systemctl").read_text(), 0o755)
    if not debian.run("command -v hocon || :"):
        debian.write("/usr/local/bin/hocon", (FILES / "hocon").read_text(), 0o755)
    output = debian.run(f"umask 077\n{INSTALL}")
    wait_until(lambda: accepts(port), "prosody")
    return Machine(debian, port, site, output)


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    sidecar = Sidecar(
        tmp_path_factory.mktemp("verifier"), {"JWT_APP_ID": APP_ID, "XMPP_DOMAIN": HOST}
    )
    sidecar.start()
    yield sidecar
    sidecar.stop()


@pytest.fixture(scope="module", params=RELEASES, ids=lambda release: release.version)
def machine(
    request: pytest.FixtureRequest, verifier: Sidecar, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    release: Release = request.param
    with DebianCopy(release, tmp_path_factory.mktemp("debian")) as debian:
        yield follow_guide(debian, verifier)


@pytest.fixture
async def clients(machine: Machine) -> AsyncIterator[ClientFactory]:
    async with aiohttp.ClientSession() as http:
        factory = ClientFactory(http, machine.port)
        yield factory
        for client in factory.clients:
            await client.close()


def test_installation_takes_five_commands() -> None:
    assert len(re.sub(r"\\\n", "", INSTALL).splitlines()) == 5


async def test_good_token_enters_and_bad_token_leaves_the_documented_line(
    clients: ClientFactory, machine: Machine
) -> None:
    moderator = hs_token(sub=HOST, context={"user": {"moderator": True}})
    user = clients.websocket(HOST, f"token={moderator}", Host=HOST)
    assert await user.login() is None
    assert await user.join(f"standup@conference.{HOST}") == Joined("owner", "moderator")
    bad = clients.websocket(HOST, f"token={moderator[:-8]}AAAAAAAA", Host=HOST)
    assert await bad.login() == Refusal("not-allowed", "Invalid signature")
    assert "signature-invalid" in machine.debian.run(CHECK)


def test_log_has_no_error(machine: Machine) -> None:
    log = machine.debian.read("/var/log/prosody/prosody.log")
    assert_clean(log)
    assert not re.search(r"\t(warn|error)\t(?!Received SIGTERM)", log), log


def test_check_of_the_configuration_is_clean(machine: Machine) -> None:
    assert "All checks passed" in machine.output
    assert f"installed {MODULES}/mod_auth_jitsi_verifier.lua" in machine.output
    assert "note:" not in machine.output


def test_changes_are_the_documented_ones(machine: Machine) -> None:
    after = machine.debian.read(SITE)
    for line in CHANGES.splitlines():
        assert line.partition(" -- was")[0].strip() in after, line
    assert '"token' not in after.replace('--"token_affiliation"', "")


def test_doctor_finds_no_risk_after_the_guide(machine: Machine, tmp_path: Path) -> None:
    site, jicofo = tmp_path / "meet.example.org.cfg.lua", tmp_path / "jicofo.conf"
    site.write_text(machine.site)
    jicofo.write_text("jicofo {}\n")
    before = find_risks(read_deployment([site, jicofo], {}), None)
    assert [risk.name for risk in before] == ["auto-owner"]
    site.write_text(machine.debian.read(SITE))
    jicofo.write_text(machine.debian.read(JICOFO))
    assert find_risks(read_deployment([site, jicofo], {}), None) == []


def test_undo_restores_every_file(verifier: Sidecar, tmp_path: Path) -> None:
    with DebianCopy(RELEASES[0], tmp_path) as debian:
        machine = follow_guide(debian, verifier)
        debian.run(UNDO)
        assert debian.read(SITE) == machine.site
        assert "enable-auto-owner" not in debian.read(JICOFO)
        assert debian.run(f"find {MODULES} 2>/dev/null || :") == ""
