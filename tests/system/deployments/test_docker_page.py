"""The commands of docs/docker-jitsi-meet.md, one after the other, as they are written.

Where the page says ``docker``, the program in ``engine`` runs: see there what differs from Docker.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.documents import section
from tests.support.paths import DOCS, ROOT
from tests.support.processes import DEADLINE
from tests.support.tokens import SECRET
from tests.system.deployments.docker_template import FOLDER
from tests.system.prosody.copies import DebianCopy
from tests.system.prosody.pages import Reader
from tests.system.prosody.releases import this_release

PAGE: Final = (DOCS / "docker-jitsi-meet.md").read_text("utf-8")
HOME: Final = Path("/root")
DEPLOYMENT: Final = HOME / "docker-jitsi-meet"
INDEX: Final = "<!DOCTYPE html><title>Jitsi Meet</title>"
ENV: Final = f"""CONFIG=~/.jitsi-meet-cfg
HTTP_PORT=8000
HTTPS_PORT=8443
ENABLE_AUTH=1
AUTH_TYPE=jwt
JWT_APP_ID=my_app
JWT_APP_SECRET={SECRET}
JICOFO_ENABLE_AUTH=0
ENABLE_AUTO_OWNER=0
# The file has no line break at its end, as editors may leave it.
PUBLIC_URL=https://localhost:8443"""
FILES: Final = f"""
chmod a+x /root  # Python may be below it, and the images' users run it
for folder in web storage/web storage/prosody prosody/config; do
    install -d -o 1000 -g 1000 .jitsi-meet-cfg/$folder
done
umask 077
mkdir jitsi-verifier
cp -r {ROOT}/contrib {ROOT}/Dockerfile jitsi-verifier
"""
PAGE_OF_ROOM: Final = "https://localhost:8443/standup"
BOSH: Final = "https://localhost:8443/http-bind?room=standup"


@pytest.fixture(scope="module")
def host(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianCopy]:
    """A machine on which docker-jitsi-meet runs without a gate."""
    release = this_release()
    folder = tmp_path_factory.mktemp("docker")
    (folder / "render").write_bytes(program.read_bytes())
    with DebianCopy(release, folder, own_network=True) as machine:
        machine.run(f"install -m 755 {folder}/render /usr/local/bin/render")
        python = f"PYTHONPATH={ROOT} {shlex.quote(sys.executable)}"
        docker = f'#!/bin/sh\n{python} -m tests.system.deployments.engine "$@"\n'
        machine.write("/usr/local/bin/docker", docker, 0o755)
        compose = (FOLDER / "docker-compose.yml").read_text()
        machine.write(f"{DEPLOYMENT}/docker-compose.yml", compose)
        machine.write(f"{DEPLOYMENT}/.env", ENV)
        machine.write("/usr/share/jitsi-meet/index.html", INDEX)
        machine.run(FILES, HOME)
        machine.run("docker compose up -d --wait", DEPLOYMENT)
        wait_until_open(machine)
        yield machine


def wait_until_open(host: DebianCopy) -> None:
    """Wait until nginx and Prosody answer; without the gate, no container has a check."""
    script = f"until curl -skfo /dev/null '{BOSH}'; do sleep 0.1; done"
    logs = "docker compose logs web prosody; exit 1"
    host.run(f'timeout {DEADLINE:.0f} sh -c "{script}" || {{ {logs}; }}', DEPLOYMENT)


def status(host: DebianCopy, url: str) -> str:
    """Return the status of a request from outside."""
    return host.run(f"curl -sko /dev/null -w '%{{http_code}}' '{url}'")


def test_failing_command_fails_the_page(host: DebianCopy) -> None:
    with pytest.raises(AssertionError, match="no such service: jitsi-verifier"):
        Reader(host, DEPLOYMENT).follow(section(PAGE, "2. Compare the options"))


def test_page_shuts_the_gate_and_opens_it_again(host: DebianCopy) -> None:
    reader = Reader(host, DEPLOYMENT)
    assert status(host, PAGE_OF_ROOM) == "200"
    reader.follow(section(PAGE, "1. Add the files"))
    compared = reader.follow(section(PAGE, "2. Compare the options"))
    assert compared.splitlines()[-1] == "Valid, and in agreement."
    assert "Risks:" not in compared
    reader.follow(section(PAGE, "3. Start"))
    assert status(host, PAGE_OF_ROOM) == status(host, BOSH) == "401"
    checked = reader.follow(section(PAGE, "Check that it works"))
    (link,) = [line for line in checked.splitlines() if line.startswith(f"{PAGE_OF_ROOM}?jwt=")]
    assert status(host, link) == "200"
    assert "token-missing" in checked
    reader.follow(section(PAGE, "Undo"))
    wait_until_open(host)
    assert status(host, PAGE_OF_ROOM) == "200"
    assert status(host, BOSH) == "200"
    assert "jitsi-verifier" not in host.run("ls; cat .env", DEPLOYMENT)
