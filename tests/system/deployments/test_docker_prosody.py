"""The guide's lines for docker-jitsi-meet, in its rendered template and in Prosody 13."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from tests.support.documents import blocks, section
from tests.support.paths import DOCS, ROOT
from tests.support.processes import accepts, free_port, wait_until
from tests.system.deployments.docker_template import rendered
from tests.system.nginx.sites import Sidecar
from tests.system.prosody.clients import ClientFactory
from tests.system.prosody.copies import DebianCopy
from tests.system.prosody.prosody import assert_clean
from tests.system.prosody.releases import RELEASES
from tests.system.prosody.stanzas import Joined, Refusal
from tests.system.prosody.tokens import APP_ID, hs_token
from verifier.check_config import find_risks, read_deployment

pytestmark = pytest.mark.usefixtures("container")

HOST: Final = "meet.jitsi"
PAGE: Final = (DOCS / "prosody.md").read_text("utf-8")
GUIDE: Final = section(PAGE, "docker-jitsi-meet")
COPY, LINES, MODERATORS, REMOVE = blocks(GUIDE, "sh")
CUSTOM: Final = "/root/.jitsi-meet-cfg/prosody/prosody-plugins-custom"
BEFORE: Final = {
    "ENABLE_AUTH": "1",
    "AUTH_TYPE": "jwt",
    "JWT_APP_ID": APP_ID,
    "JWT_APP_SECRET": "the-secret-of-the-earlier-module",
    # No Jicofo has to open the rooms here.
    "XMPP_MUC_CONFIGURATION": "restrict_room_creation = false",
}
START: Final = """
chown 1000:1000 /var/lib/prosody
install -d -o 1000 -g 1000 /run/prosody /var/lib/prosody/data /prosody-plugins-custom
mount --bind {custom} /prosody-plugins-custom
setsid setpriv --reuid 1000 --regid 1000 --clear-groups \
    prosody -F --config /run/prosody/config/prosody.cfg.lua </dev/null >/run/prosody/output 2>&1 &
"""
"""What Docker and the container do: the volume, the user, the program."""


def variables(block: str) -> dict[str, str]:
    """Return the lines of ``.env`` in a block."""
    return dict(line.split("=", 1) for line in block.splitlines())


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    # The service reads the same .env. Only its secret is another one here.
    options = {name: value for name, value in BEFORE.items() if name != "JWT_APP_SECRET"}
    sidecar = Sidecar(tmp_path_factory.mktemp("verifier"), options)
    sidecar.start()
    yield sidecar
    sidecar.stop()


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def container(
    program: Path, verifier: Sidecar, port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DebianCopy]:
    """Follow the guide, and run Prosody as its container does."""
    lines = LINES.replace("http://jitsi-verifier:8090", f"http://127.0.0.1:{verifier.port}")
    assert lines != LINES
    environ = {**BEFORE, **variables(lines), **variables(MODERATORS)}
    environ |= {"PROSODY_HTTP_PORT": str(port)}
    with DebianCopy(RELEASES[1], tmp_path_factory.mktemp("debian")) as debian:
        for name, place in (("prosody", ""), ("jitsi-meet", "conf.d/")):
            text = rendered(program, f"{name}.cfg.lua", environ)
            debian.write(f"/run/prosody/config/{place}{name}.cfg.lua", text)
        debian.run(f"ln -s {ROOT} jitsi-verifier", Path("/root"))
        debian.run(f"mkdir -p {CUSTOM}")  # as Docker has done for the volume
        debian.run(f"umask 077\n{COPY}", Path("/root"))
        debian.run(START.format(custom=CUSTOM))
        wait_until(lambda: accepts(port), "prosody")
        yield debian


@pytest.fixture
async def clients(port: int) -> AsyncIterator[ClientFactory]:
    async with aiohttp.ClientSession() as http:
        factory = ClientFactory(http, port)
        yield factory
        for client in factory.clients:
            await client.close()


def test_three_lines_switch_the_authentication(program: Path) -> None:
    assert len(LINES.splitlines()) == 3
    before = rendered(program, "jitsi-meet.cfg.lua", BEFORE).splitlines()
    after = rendered(program, "jitsi-meet.cfg.lua", {**BEFORE, **variables(LINES)}).splitlines()
    changed = [(old.strip(), new.strip()) for old, new in zip(before, after, strict=True)]
    assert [pair for pair in changed if pair[0] != pair[1]] == [
        ('authentication = "token"', 'authentication = "jitsi_verifier"'),
        ('"token_verification";', '"jitsi_verifier_muc";'),
    ]


def test_doctor_names_the_risks_that_two_lines_remove(tmp_path: Path) -> None:
    def risks(environ: dict[str, str]) -> set[str]:
        file = tmp_path / ".env"
        file.write_text("".join(f"{name}={value}\n" for name, value in environ.items()))
        return {risk.name for risk in find_risks(read_deployment([file], {}), None)}

    environ = {**BEFORE, **variables(LINES)}
    removed = {"auto-owner", "jicofo-authentication"}
    assert removed <= risks(environ)
    assert not removed & risks({**environ, **variables(MODERATORS)})


async def test_token_makes_a_moderator(clients: ClientFactory) -> None:
    token = hs_token(sub=HOST, context={"user": {"moderator": True}})
    user = await clients.log_in(HOST, f"token={token}")
    assert await user.join("standup@muc.meet.jitsi") == Joined("owner", "moderator")


async def test_denials_are_the_verifiers(clients: ClientFactory, verifier: Sidecar) -> None:
    token = hs_token(sub=HOST, room="standup")
    bad = clients.websocket(HOST, f"token={token[:-8]}AAAAAAAA")
    assert await bad.login() == Refusal("not-allowed", "Invalid signature")
    assert "signature-invalid" in verifier.log.read_text()
    user = await clients.log_in(HOST, f"token={token}")
    refusal = await user.join("other@muc.meet.jitsi")
    assert isinstance(refusal, Refusal)
    assert refusal.condition == "not-allowed"


def test_log_names_no_problem_of_these_modules(container: DebianCopy) -> None:
    log = container.read("/run/prosody/prosody.log")
    assert_clean("\n".join(line for line in log.splitlines() if "verifier" in line))
    problems = [line for line in log.splitlines() if "\twarn\t" in line or "\terror\t" in line]
    # Jitsi's own modules are not there.
    assert [line for line in problems if "verifier" in line] == []
    check = "prosodyctl --config /run/prosody/config/prosody.cfg.lua check config || :"
    assert "verifier" not in container.run(check)


def test_undo_removes_the_files(container: DebianCopy) -> None:
    container.run(REMOVE, Path("/root"))
    assert container.run(f"ls -A {CUSTOM}") == ""
