"""The commands of docs/other-proxies.md, one after the other, as they are written.

They run in a copy of this machine with a network of its own. ``systemctl`` is a program of the test
that does what the proxy's unit does. Caddy's certificate is from its own certification authority.
Debian has no Traefik: its section runs without it; ``test_other_gates`` runs its files.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.documents import blocks, section
from tests.support.paths import DOCS, ROOT
from tests.support.processes import COMMAND, DEADLINE
from tests.support.tokens import SECRET
from tests.system.prosody.copies import DebianCopy
from tests.system.prosody.pages import Reader
from tests.system.prosody.releases import this_release
from tests.system.proxies.programs import BIN, HOST

PAGE: Final = (DOCS / "other-proxies.md").read_text("utf-8")
PROXIES: Final = ("Caddy", "Envoy", "HAProxy")
BEFORE: Final = {
    "/etc/caddy/Caddyfile": f"{HOST} {{\n\treverse_proxy 127.0.0.1:8000\n}}\n",
    "/etc/envoy/envoy.yaml": """static_resources:
  listeners:
    - address: {socket_address: {address: 0.0.0.0, port_value: 80}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.tcp_proxy
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                stat_prefix: jitsi
                cluster: jitsi
  clusters:
    - name: jitsi
      load_assignment:
        cluster_name: jitsi
        endpoints:
          - lb_endpoints:
              - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 8000}}}
""",
    "/etc/traefik/traefik.yml": "entryPoints: {web: {address: ':80'}}\n",
}
"""The proxies' files before the page: Jitsi is open. HAProxy has those of its package."""
HAPROXY_OPTIONS: Final = "/etc/default/haproxy"
VERIFIER: Final = f"""app_id = "my_app"
app_secret = "{SECRET}"
muc_mapper_domain_base = "{HOST}"
"""
JITSI: Final = "from tests.support.jitsi import Jitsi; Jitsi(port=8000).wait()"
START: Final = f"""
chmod a+x /root  # Python may be below it, and other users run Envoy
echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
install -d -o nobody /var/lib/data
echo '127.0.0.1 localhost {HOST}' >/etc/hosts
install -m 755 {Path(__file__).with_name("systemctl")} /usr/local/bin/systemctl
ln -s {COMMAND} {BIN}/caddy {BIN}/envoy /usr/local/bin/
setsid jitsi-verifier serve </dev/null >/var/log/verifier.log 2>&1 &
PYTHONPATH={ROOT} setsid {BIN}/python -c '{JITSI}' </dev/null >/var/log/jitsi.log 2>&1 &
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN={HOST}' -keyout key -out certificate \
    -addext 'subjectAltName=DNS:{HOST}'
cat certificate key >/etc/haproxy/{HOST}.pem
systemctl start caddy
until [ -f /var/lib/data/caddy/pki/authorities/local/root.crt ]; do sleep 0.1; done
systemctl stop caddy
cat certificate /var/lib/data/caddy/pki/authorities/local/root.crt >/root/trusted.pem
until curl -sfo /dev/null http://127.0.0.1:8091/readyz; do sleep 0.1; done
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianCopy]:
    """A machine with an open Jitsi, the verifier, and proxies that are not started."""
    with DebianCopy(this_release(), tmp_path_factory.mktemp("machine"), own_network=True) as copy:
        for file, text in BEFORE.items():
            copy.write(file, text)
        copy.write("/etc/jitsi-verifier/verifier.toml", VERIFIER)
        # Three programs start one after the other.
        copy.run(f"timeout {3 * DEADLINE:.0f} sh -euc {shlex.quote(START)}", Path("/root"))
        yield copy


def steps(proxy: str) -> tuple[str, str, str]:
    """Return the parts of a proxy's section: install, check, undo."""
    before, undo = section(PAGE, proxy).split("**Undo.**")
    install, check = before.split("**Check that it works.**")
    return install, check, undo


def follow(machine: DebianCopy, part: str) -> None:
    """Run the commands of a part of the page, in a copy of this repository."""
    Reader(machine, ROOT, SSL_CERT_FILE="/root/trusted.pem").follow(part)


def run(machine: DebianCopy, command: str) -> str:
    """Run a command of the test."""
    return machine.run(command, ROOT, SSL_CERT_FILE="/root/trusted.pem")


def is_open(machine: DebianCopy, url: str) -> bool:
    """Wait until the proxy answers; return whether a guest reaches signalling."""
    curl = f"curl -so /dev/null -w '%{{http_code}}' '{url}/http-bind?room=standup'"
    wait = f"until {curl}; do sleep 0.1; done"
    return run(machine, f"timeout {DEADLINE:.0f} sh -c {shlex.quote(wait)}").endswith("200")


@pytest.mark.parametrize("proxy", PROXIES)
def test_section_shuts_the_gate_and_opens_it_again(proxy: str, machine: DebianCopy) -> None:
    install, check, undo = steps(proxy)
    (url,) = re.findall(r"https?://\S+", blocks(check, "sh")[0])
    run(machine, f"systemctl start {proxy.lower()}")
    assert proxy == "HAProxy" or is_open(machine, url)
    follow(machine, install)
    assert not is_open(machine, url)
    follow(machine, check)
    follow(machine, undo)
    assert proxy == "HAProxy" or is_open(machine, url)
    run(machine, f"systemctl stop {proxy.lower()}")
    assert "jitsi-verifier" not in run(machine, f"find /etc/{proxy.lower()}; cat {HAPROXY_OPTIONS}")
    log = machine.read(f"/var/log/{proxy.lower()}.log")
    assert '"denial":"room-mismatch"' in log
    assert "eyJ" not in log


def test_traefiks_files_are_installed_and_removed(machine: DebianCopy) -> None:
    install, check, undo = steps("Traefik")
    assert blocks(check, "sh")[0].startswith("jitsi-verifier check-gate ")
    follow(machine, install)
    assert "forwardAuth" in machine.read("/etc/traefik/jitsi-verifier.yml")
    follow(machine, undo)
    assert run(machine, "ls /etc/traefik") == "traefik.yml\n"


def test_own_caddyfile_with_the_lines_is_valid(machine: DebianCopy) -> None:
    (lines,) = blocks(section(PAGE, "Caddy"), "caddy")
    run(machine, "mkdir -p /etc/own && cp -r contrib/caddy/. /etc/own")
    machine.write("/etc/own/Caddyfile", lines)
    run(machine, "caddy validate --config /etc/own/Caddyfile")


def test_failing_command_fails_the_section(machine: DebianCopy) -> None:
    install, check, _ = steps("Caddy")
    machine.write("/etc/caddy/Caddyfile", BEFORE["/etc/caddy/Caddyfile"])
    run(machine, "systemctl start caddy")
    assert is_open(machine, f"https://{HOST}")
    with pytest.raises(AssertionError, match="does not hold"):
        follow(machine, check)  # without the commands above it
    with pytest.raises(AssertionError, match="contrib/caddie"):
        follow(machine, install.replace("contrib/caddy", "contrib/caddie"))
    run(machine, "systemctl stop caddy")
