"""The pair in operation: few connections, a sidecar that goes and comes back, quiet logs."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.processes import client_ports, free_port
from tests.support.raw_http import send_all
from tests.support.tokens import sign
from tests.system.nginx.guides import private_key
from tests.system.nginx.sites import FRONT, JITSI, Site, StartSite, mint


@pytest.mark.parametrize("example", [JITSI, FRONT])
def test_questions_share_a_few_connections(sites: StartSite, example: str) -> None:
    site = sites(example, name="connections")
    before = client_ports(site.sidecar.port)
    allowed, denied = f"/standup?jwt={mint()}", f"/other?jwt={mint()}"
    targets = [allowed, denied, "/standup", "/libs/app.bundle.min.js", "/http-bind?room=x"] * 20
    answers = send_all(site.nginx.port, targets)
    assert [answer.status for answer in answers[:3]] == [200, 403, 401]
    assert len(client_ports(site.sidecar.port) - before) == 1


def test_a_sidecar_that_is_down_closes_the_gate_until_it_is_back(sites: StartSite) -> None:
    site = sites(JITSI, name="restarted")
    target = f"/http-bind?room=standup&token={mint()}"
    assert site.get(target).status == 200
    assert site.sidecar.stop() == 0
    assert site.get(target).status == 200  # remembered
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
    assert "gate=502 denial= " in (site.nginx.logs / "access.log").read_text()


def test_keys_that_cannot_be_fetched_are_a_503_that_shows_the_code(sites: StartSite) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/asap"
    site = sites(JITSI, name="no keys", JWT_APP_SECRET="", JWT_ASAP_KEYSERVER=nobody)
    token = sign({"iss": "x"}, {"kid": "of-nobody"}, private_key(), "RS256")
    answer = site.get(f"/standup?jwt={token}")
    assert (answer.status, answer.headers["X-Jitsi-Denial"]) == (503, "keys-unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert '<code id="code">keys-unavailable</code>' in answer.text


def test_no_log_holds_a_token_whatever_happens(sites: StartSite) -> None:
    site = sites(FRONT, name="quiet", VERIFIER_LOG_LEVEL="debug")
    token = mint(secret="of-this-test")
    targets = [
        f"/standup?jwt={token}",
        f"/other?jwt={token}",
        f"/standup?jwt={token}x",
        f"/standup?jwt={token}&jwt={token}",
        f"/a/b/c?jwt={token}",
        f"/libs/none.js?jwt={token}",
        f"/http-bind?room=standup&token={token}",
        f"/%zz?jwt={token}",
        f"/standup%3Fjwt={token}",
        f"/standup%253Fjwt={token}",
        f"/standup%23jwt=%22{token}%22",
        f"/standup&jwt={token}",
        f"/standup;jwt={token}",
        f"/standup%ef%bc%9fjwt={token}",
        f"/{token}",
        f"/standup?jwt={token}{'x' * 9000}",
        f"/standup?jwt={token}{'x' * 20_000}",
        f"/standup?jwt={token} x",
    ]
    elsewhere = [("Referer", f"https://x/?jwt={token}"), ("Cookie", f"jwt={token}")]
    for target in targets:
        site.get(target)
        site.get(target, ("Authorization", f"Bearer {token}"), *elsewhere)
    site.sidecar.stop()
    assert [site.get(f"{target}&new").status for target in targets[:3]] == [503, 503, 503]
    logs = site.logs()
    assert '"GET /standup HTTP/1.1" 200' in logs
    assert '"denied"' in logs
    for part in token.split("."):
        assert part not in logs


def test_nginx_finds_no_fault_in_the_files(jitsi: Site, front: Site) -> None:
    for site in (jitsi, front):
        folder = str(site.nginx.folder)
        command = ["/usr/sbin/nginx", "-t", "-q", "-p", folder, "-c", f"{folder}/nginx.conf"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
