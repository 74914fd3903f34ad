"""nginx and the service in operation: connections, a restart, logs without tokens."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.documents import snippets
from tests.support.processes import client_ports, free_port
from tests.support.raw_http import send_all
from tests.support.token_urls import urls_with_token
from tests.support.tokens import sign
from tests.system.nginx.guides import private_key
from tests.system.nginx.sites import FRONT, JITSI, Site, StartSite, mint


@pytest.mark.parametrize("example", [JITSI, FRONT])
def test_auth_requests_share_one_connection(sites: StartSite, example: str) -> None:
    site = sites(example, name="connections")
    before = client_ports(site.sidecar.port)
    allowed, denied = f"/standup?jwt={mint()}", f"/other?jwt={mint()}"
    targets = [allowed, denied, "/standup", "/libs/app.bundle.min.js", "/http-bind?room=x"] * 20
    answers = send_all(site.nginx.port, targets)
    assert [answer.status for answer in answers[:3]] == [200, 403, 401]
    assert len(client_ports(site.sidecar.port) - before) == 1


def test_unavailable_service_denies_until_it_restarts(sites: StartSite) -> None:
    site = sites(JITSI, name="restarted")
    target = f"/http-bind?room=standup&token={mint()}"
    assert site.get(target).status == 200
    assert site.sidecar.stop() == 0
    assert site.get(target).status == 200  # cached by nginx
    arrived = len(site.upstream.requests)
    check_closed(site, f"{target}&new")
    assert len(site.upstream.requests) == arrived
    assert site.get("/libs/app.bundle.min.js").status == 200
    site.sidecar.start()
    assert site.get(target).status == 200


def check_closed(site: Site, target: str) -> None:
    for path in (target, "/standup", f"/standup?jwt={mint()}"):
        answer = site.get(path)
        assert answer.status == 503
        assert '<code id="code">no-answer</code>' in answer.text
    site.nginx.wait_for_log("gate=502 denial= ")


def test_unavailable_keys_give_a_503_with_the_code(sites: StartSite) -> None:
    closed = f"http://127.0.0.1:{free_port()}/asap"
    site = sites(JITSI, name="no keys", JWT_APP_SECRET="", JWT_ASAP_KEYSERVER=closed)
    token = sign({"iss": "x"}, {"kid": "unknown"}, private_key(), "RS256")
    answer = site.get(f"/standup?jwt={token}")
    assert (answer.status, answer.headers["X-Jitsi-Denial"]) == (503, "keys-unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert f'data-retry="{answer.headers["Retry-After"]}"' in answer.text
    assert '<code id="code">keys-unavailable</code>' in answer.text


def test_logs_contain_no_token(sites: StartSite) -> None:
    site = sites(FRONT, name="quiet", VERIFIER_LOG_LEVEL="debug")
    token = mint(secret="of-this-test")
    targets = urls_with_token(token)
    headers = [("Referer", f"https://x/?jwt={token}"), ("Cookie", f"jwt={token}")]
    for target in targets:
        site.get(target)
        site.get(target, ("Authorization", f"Bearer {token}"), *headers)
    site.sidecar.stop()
    assert [site.get(f"{target}&new").status for target in targets[:3]] == [503, 503, 503]
    site.nginx.wait_for_log('HTTP/1.1" 503', 3)
    logs = site.logs()
    assert '"GET /standup HTTP/1.1" 200' in logs
    assert '"denied"' in logs
    for part in token.split("."):
        assert part not in logs


def test_documented_settings_for_speed_work(sites: StartSite) -> None:
    log = "access_log /var/log/nginx/access.log jitsi_verifier"
    compiled, buffered = "pcre_jit on;", f"{log} buffer=32k flush=1s;"
    assert {compiled, buffered} <= {snippet.text.strip() for snippet in snippets("nginx")}
    edits = (("worker_processes 1;", f"worker_processes 1;\n{compiled}"), (f"{log};", buffered))
    site = sites(JITSI, name="fast", edits=edits)
    token = mint()
    assert [site.get(f"/standup?jwt={token}").status for _ in range(2)] == [200, 200]
    assert site.get(f"/other?jwt={token}").denial == (403, "room-mismatch")
    site.nginx.wait_for_log("gate=HIT denial= ")
    site.nginx.wait_for_log("gate=403 denial=room-mismatch ")


def test_nginx_accepts_the_configuration_without_warnings(
    jitsi_site: Site, front_site: Site
) -> None:
    for site in (jitsi_site, front_site):
        folder = str(site.nginx.folder)
        command = ["/usr/sbin/nginx", "-t", "-q", "-p", folder, "-c", f"{folder}/nginx.conf"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
