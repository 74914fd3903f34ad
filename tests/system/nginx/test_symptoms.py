"""docs/troubleshooting.md: each symptom occurs, and the page's command tells its cause."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest

from tests.support.documents import blocks, section
from tests.support.paths import DOCS
from tests.support.processes import free_port, post, wait_until
from tests.support.tokens import sign
from tests.system.nginx.guides import private_key
from tests.system.nginx.sites import APP_ID, COMMAND, JITSI, Site, StartSite, mint

PAGE: Final = (DOCS / "troubleshooting.md").read_text("utf-8")
HOST: Final = "meet.example.org"
CLAIMS: Final = {"iss": APP_ID, "aud": "jitsi", "sub": "*", "room": "standup"}
Run = Callable[..., str]
DOMAIN: Final = {"JWT_ENABLE_DOMAIN_VERIFICATION": "true", "XMPP_DOMAIN": "meet.jitsi"}


def first_cells(title: str) -> list[str]:
    """Return the first cells of a section's table, without links and marks."""
    rows = [line for line in section(PAGE, title).splitlines() if line.startswith("| ")][1:]
    return [re.sub(r"\[(.*?)\]\(.*?\)", r"\1", row.split(" | ")[0][2:]) for row in rows]


def codes(title: str) -> set[str]:
    """Return the denial codes that a section's table explains."""
    return {code for cell in first_cells(title) for code in re.findall("`([a-z]+-[a-z-]+)`", cell)}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs a section's commands at a site; it returns their output."""

    def commands(site: Site, title: str, path: str = "/standup") -> str:
        (tmp_path / ".curlrc").write_text(f'connect-to = "{HOST}:80:127.0.0.1:{site.nginx.port}"\n')
        script = "\n".join(blocks(section(PAGE, title), "sh")).replace("https://", "http://")
        script = script.replace("127.0.0.1:8091", f"127.0.0.1:{site.sidecar.admin_port}")
        script = script.replace("/var/log/nginx", str(site.nginx.logs))
        script = script.replace("timedatectl", "true").replace("journalctl", "true")
        environ = site.sidecar.environ | {
            "HOME": str(tmp_path),
            "PATH": f"{COMMAND.parent}:{os.environ['PATH']}",
            "link": f"http://{HOST}{path}",
        }
        done = subprocess.run(
            ["bash", "-c", script], env=environ, capture_output=True, text=True, check=False
        )
        return done.stdout

    return commands


def cases_401() -> Mapping[str, str]:
    expired = mint(exp=int(time.time()) - 5)
    return {
        "token-missing": "/standup",
        "signature-invalid": f"/standup?jwt={sign(CLAIMS, key='another-secret' * 3)}",
        "algorithm-not-allowed": f"/standup?jwt={sign(CLAIMS, algorithm='HS512')}",
        "issuer-not-accepted": f"/standup?jwt={mint(iss='another')}",
        "audience-not-accepted": f"/standup?jwt={mint(aud='another')}",
        "token-expired": f"/standup?jwt={expired}",
        "ambiguous-request": f"/standup?jwt={expired}&jwt={mint()}",
    }


def test_command_names_the_cause_of_every_401(sites: StartSite, run: Run) -> None:
    site = sites(JITSI, JWT_ACCEPTED_AUDIENCES="jitsi")
    cases = cases_401()
    assert codes("Every link is 401") == {*cases, "key-unknown"}
    for code, path in cases.items():
        assert code in run(site, "Every link is 401", path)
        site.nginx.wait_for_log(f"gate=401 denial={code} ")


class _NoKeys(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # http.server's name
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def test_command_names_an_unknown_key(sites: StartSite, run: Run) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _NoKeys)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/asap"
    try:
        site = sites(JITSI, name="unknown key", JWT_APP_SECRET="", JWT_ASAP_KEYSERVER=url)
        token = sign(CLAIMS, {"kid": "unknown"}, private_key(), "RS256")
        assert "key-unknown" in run(site, "Every link is 401", f"/standup?jwt={token}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_command_names_the_cause_of_every_403(sites: StartSite, run: Run) -> None:
    site = sites(JITSI, name="403", **DOMAIN)
    cases = {
        "room-mismatch": f"/standup?jwt={mint(room='retro', sub='meet.jitsi')}",
        "domain-mismatch": f"/standup?jwt={mint(sub=HOST)}",
        "tenant-mismatch": f"/acme/standup?jwt={mint(sub='other')}",
        "revoked": f"/standup?jwt={mint(sub='meet.jitsi', jti='lost')}",
    }
    body = json.dumps({"jti": "lost"}).encode()
    headers = {"Content-Type": "application/json"}
    assert post(site.sidecar.admin_port, "/v1/revocations", body, headers).status == 201
    assert codes("Every link is 403") == {*cases} - {"revoked"}
    assert "`revoked`" in first_cells("Every link is 403")
    for code, path in cases.items():
        assert code in run(site, "Every link is 403", path)
        site.nginx.wait_for_log(f"gate=403 denial={code} ")


def test_commands_name_the_cause_of_every_503(sites: StartSite, run: Run) -> None:
    # tests/system/redis has an unreachable store, and tests/unit/http an overload.
    title, path = "Every link is 503", f"/standup?jwt={mint()}"
    assert codes(title) == {"no-answer", "keys-unavailable", "store-unavailable"}
    stopped = sites(JITSI, name="stopped for 503")
    stopped.sidecar.stop()
    output = run(stopped, title, path)
    assert "no-answer" in output
    assert "no answer" in output
    elsewhere = [("server 127.0.0.1:8090", f"server 127.0.0.1:{free_port()}")]
    output = run(sites(JITSI, name="elsewhere", edits=elsewhere), title, path)
    assert "no-answer" in output
    assert '"ready": true' in output
    closed = f"http://127.0.0.1:{free_port()}/asap"
    keyless = sites(JITSI, name="no keys for 503", JWT_APP_SECRET="", JWT_ASAP_KEYSERVER=closed)
    token = sign(CLAIMS, {"kid": "k"}, private_key(), "RS256")
    output = run(keyless, title, f"/standup?jwt={token}")
    assert "keys-unavailable" in output
    assert "last_error" in output


def test_command_tells_who_refuses_the_conference(sites: StartSite, run: Run) -> None:
    title, site = "The page opens, and no conference", sites(JITSI)
    assert "200" in run(site, title, f"/standup?jwt={mint()}").splitlines()[0]
    for denial, token in (
        ("token-expired", mint(exp=int(time.time()) - 5)),
        ("room-mismatch", mint(room="retro")),
    ):
        assert denial in run(site, title, f"/standup?jwt={token}")
    down = sites(JITSI, name="no Prosody", edits=[("127.0.0.1:5280", f"127.0.0.1:{free_port()}")])
    assert "502" in run(down, title, f"/standup?jwt={mint()}").splitlines()[0]


def test_log_tells_what_the_browser_has_sent(sites: StartSite, run: Run) -> None:
    title, site = "It works with curl, not in the browser", sites(JITSI, name="browser")
    # A browser sends nothing of `#jwt=`.
    for path in ("/standup", f"/standup?jwt={mint()[:40]}", f"/standup?jwt={mint()}"):
        site.get(path)
    site.nginx.wait_for_log("GET /standup", 3)
    lines = run(site, title).splitlines()
    endings = [re.findall("`(gate=.*)`", cell) for cell in first_cells(title)]
    assert [ending for found in endings for ending in found]
    for line, (ending,) in zip(lines, filter(None, endings), strict=True):
        assert line.endswith(ending)


def test_command_names_both_rooms(sites: StartSite, run: Run) -> None:
    path = f"/standup?jwt={mint(room='demo')}"
    output = run(sites(JITSI), "One room works, another does not", path)
    assert "This token is for the room demo; the link opens standup." in output


def test_command_counts_what_throws_people_out(sites: StartSite, run: Run) -> None:
    site, title = sites(JITSI, name="thrown out"), "People are thrown out or asked again"
    expired = mint(exp=int(time.time()) - 5)
    for _ in range(3):
        site.get(f"/http-bind?room=standup&token={expired}")
    site.get("/standup")
    wait_until(lambda: "3 gate=401 denial=token-expired" in run(site, title), "the count")
    assert "1 gate=401 denial=token-missing" in run(site, title)


def test_command_tells_whether_a_token_makes_a_moderator(sites: StartSite, run: Run) -> None:
    context = {"user": {"moderator": True}}
    title, site = "Moderators are wrong", sites(JITSI)
    assert "makes its user a moderator" in run(site, title, f"/standup?jwt={mint(context=context)}")
    assert "where Jitsi ignores it" in run(site, title, f"/standup?jwt={mint(moderator=True)}")
    assert run(site, title, f"/standup?jwt={mint()}") == ""


def test_status_tells_why_the_service_does_not_start(tmp_path: Path) -> None:
    assert [cell.partition(",")[0] for cell in first_cells("The service does not start")] == [
        *("78", "1", "203")
    ]
    environ = {"PATH": os.environ["PATH"], "JWT_APP_ID": "app", "JWT_APP_SECRET": "s" * 32}
    wrong = environ | {"VERIFIER_WORKERS": "many"}
    done = [
        subprocess.run([COMMAND, *command], env=wrong, capture_output=True, text=True, check=False)
        for command in (["serve"], ["check-config"])
    ]
    assert done[0].returncode == 78
    assert all("VERIFIER_WORKERS" in each.stdout + each.stderr for each in done)
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        busy = environ | {"VERIFIER_LISTEN": "127.0.0.1:{1}".format(*taken.getsockname())}
        found = subprocess.run(
            [COMMAND, "serve"], env=busy, capture_output=True, text=True, check=False, cwd=tmp_path
        )
    assert (found.returncode, "cannot listen" in found.stderr) == (1, True)


def test_nginx_quotes_the_unexpected_status(sites: StartSite) -> None:
    (block,) = blocks(section(PAGE, "nginx: unexpected status"), "")
    quoted = block.rstrip()
    edits = [
        ("//jitsi_verifier/auth;", "//jitsi_verifier/wrong;"),
        ("error_log stderr alert;", "error_log /var/log/nginx/unexpected.log error;"),
    ]
    site = sites(JITSI, name="unexpected", edits=edits)
    assert site.get(f"/standup?jwt={mint()}").status == 503
    log = site.nginx.logs / "unexpected.log"
    wait_until(lambda: quoted in re.sub(r"\d+#\d+: \*\d+ ", "", log.read_text()), quoted)
    log.unlink()  # it quotes the request with its token
    wait_until(lambda: '"unknown path"' in site.sidecar.log.read_text(), "the event")


def test_request_that_is_too_long_is_named_in_the_log_of_nginx(sites: StartSite) -> None:
    site = sites(JITSI, name="too long")
    cookies = [("Cookie", f"{name}={'x' * 15_000}") for name in "ab"]
    answer = site.get("/standup?x=" + "x" * 10_000, *cookies)
    assert answer.status == 503
    assert "no-answer" in answer.text
    assert "`gate=431`" in section(PAGE, "Some people are denied")
    site.nginx.wait_for_log(" gate=431 ")


def test_command_shows_whether_decisions_are_counted(sites: StartSite, run: Run) -> None:
    site, title = sites(JITSI, name="metrics"), "Metrics are empty"
    assert run(site, title) == ""
    site.get(f"/standup?jwt={mint()}")
    wait_until(lambda: 'outcome="allowed"' in run(site, title), "the counter")


def test_first_line_tells_which_clock_is_wrong(sites: StartSite, run: Run) -> None:
    title, site = "A clock is wrong", sites(JITSI)
    past, future = mint(exp=int(time.time()) - 300), mint(nbf=int(time.time()) + 300)
    expired, early = (run(site, title, f"/standup?jwt={token}") for token in (past, future))
    shown = [cell.strip("`") for cell in first_cells(title)]
    for text, words in zip((expired, early), shown, strict=True):
        assert text.startswith(words)
