"""The pages for Debian, followed from the first command to the last, in a copy of each Debian.

The tests stand in the order of the pages: the gate, Prosody's modules beside it, and the way back.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.support.documents import blocks, section
from tests.support.paths import DOCS
from tests.support.processes import get, wait_until
from tests.support.tokens import sign
from tests.system.prosody.clients import ClientFactory
from tests.system.prosody.copies import DebianCopy
from tests.system.prosody.forwarder import Forwarder
from tests.system.prosody.jitsi_host import HOST, JICOFO, PROSODY, SECRET, set_up_jitsi
from tests.system.prosody.package import BUILD, CHECKOUT, build_package
from tests.system.prosody.pages import Reader
from tests.system.prosody.prosody import assert_clean
from tests.system.prosody.releases import RELEASES
from tests.system.prosody.stanzas import Joined, Refusal
from tests.system.prosody.tokens import claims
from verifier.check_config import find_risks, read_deployment

GATE = (DOCS / "debian-nginx.md").read_text("utf-8").partition("\n## Jitsi's file by hand")[0]
PUT_GATE, _, TAKE_GATE = GATE.partition("\n## Undo\n")
HOOK = section((DOCS / "prosody.md").read_text("utf-8"), "Debian")
PUT_HOOK, _, REST = HOOK.partition("\n### Check that it works\n")
CHECK_HOOK, _, TAKE_HOOK = REST.partition("\n### Undo\n")
CHANGES = blocks(PUT_HOOK, "lua")[0]
MODULES = "/usr/local/lib/prosody/modules"
SNAPSHOT = """
cd /etc
find . \\( -name '*-' -o -name .pwd.lock \\) -prune -o -printf '%y %m %u:%g %p %l\\n' | sort
find . -type f ! -name '*-' ! -name .pwd.lock -exec sha256sum {} + | sort -k 2
"""
"""Prints what is in /etc, without the copies that programs leave when they change accounts."""


def token(**changes: object) -> str:
    """Return a token that Jitsi's own modules would accept on this host."""
    return sign(claims(**{"iss": "my_app", "sub": HOST, **changes}), key=SECRET)


@dataclass
class Machine:
    """A Debian with Jitsi Meet, and a person who follows the pages on it.

    Attributes:
        debian: The Debian.
        reader: The person.
        before: What was in /etc before the first command.
        prosody: Prosody's configuration before the first command.
        gate: A port that leads to the host's nginx.
        direct: A port that leads to Prosody past nginx.
        output: What the commands of each page have written.
    """

    debian: DebianCopy
    reader: Reader
    before: str
    prosody: str
    gate: int
    direct: int
    output: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module", params=RELEASES, ids=lambda release: release.version)
def jitsi(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("debian")
    with ExitStack() as stack:
        debian = stack.enter_context(DebianCopy(request.param, folder, own_network=True))
        set_up_jitsi(debian)
        gate = stack.enter_context(Forwarder(debian.network, 443, HOST))
        direct = stack.enter_context(Forwarder(debian.network, 5280))
        before = debian.run(SNAPSHOT)
        prosody = debian.read(PROSODY)
        # The page needs nothing else of the repository than the package.
        package = build_package(request.param, tmp_path_factory.mktemp("package"))
        shutil.copy(package, folder / "jitsi-verifier_0_all.deb")
        debian.run(f"mkdir -p {CHECKOUT}/dist && cp {folder}/*.deb {CHECKOUT}/dist/")
        yield Machine(debian, Reader(debian, CHECKOUT), before, prosody, gate.port, direct.port)


@pytest.fixture(scope="module")
def gated(jitsi: Machine) -> Machine:
    """Follow the page for nginx."""
    jitsi.output["gate"] = jitsi.reader.follow(PUT_GATE.replace(BUILD, ""))
    return jitsi


@pytest.fixture(scope="module")
def hooked(gated: Machine) -> Machine:
    """Follow the page for Prosody, too."""
    gated.output["hook"] = gated.reader.follow(PUT_HOOK)
    wait_until(lambda: get(gated.direct, "/").status, "prosody")
    asyncio.run(refused_login(gated.direct))  # of which the page finds the line
    gated.output["check"] = gated.reader.follow(CHECK_HOOK)
    return gated


async def refused_login(port: int) -> None:
    """Log in with a token that was damaged."""
    async with aiohttp.ClientSession() as http:
        client = ClientFactory(http, port).bosh(HOST, f"token={token()[:-8]}AAAAAAAA", Host=HOST)
        assert await client.login() == Refusal("not-allowed", "Invalid signature")


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[int], ClientFactory]]:
    """Return a function that makes the clients of a port."""
    made: list[ClientFactory] = []
    async with aiohttp.ClientSession() as http:

        def connect(port: int) -> ClientFactory:
            made.append(ClientFactory(http, port))
            return made[-1]

        yield connect
        for factory in made:
            for client in factory.clients:
                await client.close()


Connect = Callable[[int], ClientFactory]


@pytest.mark.parametrize("line", ["nginx -t -c /nowhere.conf", "echo 404    # 200"])
def test_command_that_fails_stops_the_page(jitsi: Machine, line: str) -> None:
    reader = Reader(jitsi.debian)
    with pytest.raises(AssertionError, match=re.escape(line)):
        reader.follow(f"```sh\n{line}\n```\n```sh\ntouch /root/reached\n```\n")
    assert "reached" not in jitsi.debian.run("ls /root")


async def test_gate_lets_a_good_token_log_in_and_join(gated: Machine, connect: Connect) -> None:
    query = f"room=standup&token={token(room='standup')}"
    user = connect(gated.gate).bosh(HOST, query, Host=HOST)
    assert await user.login() is None
    assert isinstance(await user.join(f"standup@conference.{HOST}"), Joined)
    user2 = connect(gated.gate).websocket(HOST, query, Host=HOST)
    assert await user2.login() is None


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("room=standup", 401),
        ("room=other&token={}", 403),
        ("room=standup&token={}x", 401),
    ],
)
async def test_gate_refuses_signalling(gated: Machine, query: str, status: int) -> None:
    url = f"http://127.0.0.1:{gated.gate}/http-bind?{query.format(token(room='standup'))}"
    async with aiohttp.ClientSession() as http, http.get(url, headers={"Host": HOST}) as answer:
        assert answer.status == status


def test_no_log_of_nginx_has_a_token(gated: Machine) -> None:
    assert "eyJ" not in gated.debian.run("cat /var/log/nginx/* /var/log/nginx.journal || :")


def test_each_proxied_location_has_the_identity_headers(gated: Machine) -> None:
    locations = gated.debian.run(f"grep -A1 proxy_pass /etc/nginx/sites-available/{HOST}.conf")
    assert locations.count("proxy_pass ") == locations.count("jitsi-verifier-identity.conf")


async def test_moderator_enters_and_another_room_is_refused(
    hooked: Machine, connect: Connect
) -> None:
    moderator = token(context={"user": {"moderator": True}})
    user = connect(hooked.gate).websocket(HOST, f"room=standup&token={moderator}", Host=HOST)
    assert await user.login() is None
    assert await user.join(f"standup@conference.{HOST}") == Joined("owner", "moderator")
    # The URL names one room, and the stream asks for another.
    query = f"room=standup&token={token(room='standup')}"
    stranger = connect(hooked.gate).websocket(HOST, query, Host=HOST)
    assert await stranger.login() is None
    refusal = await stranger.join(f"other@conference.{HOST}")
    assert isinstance(refusal, Refusal)
    assert refusal.condition == "not-allowed"


def test_prosodys_log_has_no_error(hooked: Machine) -> None:
    log = hooked.debian.read("/var/log/prosody/prosody.log")
    assert_clean(log)
    assert not re.search(r"\t(warn|error)\t(?!Received SIGTERM)", log), log


def test_installed_modules_are_named(hooked: Machine) -> None:
    assert f"installed {MODULES}/mod_auth_jitsi_verifier.lua" in hooked.output["hook"]
    assert "note:" not in hooked.output["hook"]


def test_changes_are_the_documented_ones(hooked: Machine) -> None:
    after = hooked.debian.read(PROSODY)
    for line in CHANGES.splitlines():
        assert line.partition(" -- was")[0].strip() in after, line
    assert '"token' not in after.replace('--"token_affiliation"', "")


def test_doctor_finds_no_risk_after_the_page(hooked: Machine, tmp_path: Path) -> None:
    site, jicofo = tmp_path / "meet.example.org.cfg.lua", tmp_path / "jicofo.conf"
    site.write_text(hooked.prosody)
    jicofo.write_text("jicofo {}\n")
    before = find_risks(read_deployment([site, jicofo], {}), None)
    assert [risk.name for risk in before] == ["auto-owner"]
    site.write_text(hooked.debian.read(PROSODY))
    jicofo.write_text(hooked.debian.read(JICOFO))
    assert find_risks(read_deployment([site, jicofo], {}), None) == []


async def test_undo_leaves_the_machine_as_it_was(hooked: Machine, connect: Connect) -> None:
    hooked.reader.follow(TAKE_HOOK)
    hooked.reader.follow(TAKE_GATE)
    before, after = hooked.before.splitlines(), hooked.debian.run(SNAPSHOT).splitlines()
    # hocon writes the file anew.
    assert {
        line for line in set(before) ^ set(after) if JICOFO.removeprefix("/etc") not in line
    } == set()
    assert "enable-auto-owner" not in hooked.debian.read(JICOFO)
    assert hooked.debian.run(f"find {MODULES} /usr/*/jitsi-verifier 2>/dev/null || :") == ""
    user = connect(hooked.gate).bosh(HOST, "room=standup", Host=HOST)
    assert await user.login() is None  # of the stand-in of Jitsi's module
