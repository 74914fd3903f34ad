"""The rate limit for each client address, and several services behind one nginx."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support import raw_http
from tests.system.nginx.sites import JITSI, Edits, Sidecar, StartSite, decision_count, mint

LOW_LIMITS = [("rate=500r/s", "rate=1r/m"), ("burst=10000 delay=5000", "burst=20 delay=20")]
SERVERS = "    server 127.0.0.1:8090 max_fails=0;\n" * 8


def test_500_users_behind_one_address_are_not_limited(sites: StartSite) -> None:
    """A school: 500 pupils send 10 requests each, all from one address."""
    site = sites(JITSI, name="school")
    links = [f"/standup?jwt={mint(iat=pupil)}" for pupil in range(500)]
    shares = [[f"{link}&n={n}" for link in links for n in range(10)][i::8] for i in range(8)]
    with ThreadPoolExecutor(8) as clients:
        answers = clients.map(lambda share: raw_http.send_all(site.nginx.port, share), shares)
    assert [answer.status for share in answers for answer in share] == [200] * 5_000
    assert decision_count(site.sidecar) == 5_000


def test_flooding_address_is_limited_and_others_are_not(sites: StartSite) -> None:
    site = sites(JITSI, name="flood", edits=LOW_LIMITS)
    answers = [site.get(f"/standup?jwt={mint()}{'x' * number}") for number in range(40)]
    assert [answer.status for answer in answers] == [200] + [401] * 20 + [503] * 19
    assert decision_count(site.sidecar) == 21
    assert answers[-1].headers["Retry-After"] == "10"
    assert 'data-retry="10"' in answers[-1].text
    assert '<code id="code">no-answer</code>' in answers[-1].text
    link = f"/standup?jwt={mint()}"
    assert site.get(link).status == 503
    assert raw_http.send(site.nginx.port, link, source="127.0.0.2").status == 200
    site.nginx.wait_for_log(" gate=429 denial= ", 20)


def test_delayed_requests_are_answered(sites: StartSite) -> None:
    limits = [
        ("rate=500r/s", "rate=20r/s"),
        ("burst=10000 delay=5000", "burst=20 delay=2"),
        ("gate=$jitsi_verifier_gate", "limit=$jitsi_verifier_limited"),
    ]
    site, link = sites(JITSI, name="waiting", edits=limits), f"/standup?jwt={mint()}"
    with ThreadPoolExecutor(12) as clients:
        targets = [link, "/standup"] * 6
        answers = list(clients.map(site.get, targets))
    assert [answer.status for answer in answers] == [200, 401] * 6
    site.nginx.wait_for_log("limit=DELAYED")


def test_public_files_are_not_limited(sites: StartSite) -> None:
    site = sites(JITSI, name="public", edits=LOW_LIMITS)
    answers = raw_http.send_all(site.nginx.port, ["/libs/app.bundle.min.js"] * 40)
    assert {answer.status for answer in answers} == {200}


def several(*servers: str) -> Edits:
    lines = "".join(f"    server {server};\n" for server in servers)
    return [(SERVERS, f"    hash $arg_jwt$arg_token$http_authorization consistent;\n{lines}")]


def test_tokens_stay_with_one_of_several_services(sites: StartSite, tmp_path: Path) -> None:
    second = Sidecar(tmp_path, {})
    second.start()
    try:
        edits = several("127.0.0.1:8090", f"127.0.0.1:{second.port}")
        site = sites(JITSI, name="several", edits=edits)
        links = [f"/standup?jwt={mint(iat=number)}" for number in range(40)]
        for n in range(3):
            assert {site.get(f"{link}&n={n}").status for link in links} == {200}
        shares = decision_count(site.sidecar), decision_count(second)
        assert sum(shares) == 120
        assert all(share and share % 3 == 0 for share in shares)
        site.sidecar.stop()
        assert {site.get(f"{link}&down").status for link in links} == {200}
    finally:
        second.stop()
    assert site.get(f"{links[0]}&both").status == 503


def test_unix_socket_works_too(sites: StartSite, tmp_path: Path) -> None:
    socket = f"unix:{tmp_path}/listen.sock"
    edits = [(SERVERS, f"    server {socket} max_fails=0;\n" * 8)]
    site = sites(JITSI, name="unix", edits=edits, VERIFIER_LISTEN=socket)
    link = f"/standup?jwt={mint()}"
    assert [site.get(link).status for _ in range(2)] == [200, 200]
    assert site.get(f"/other?jwt={mint()}").denial == (403, "room-mismatch")
    assert decision_count(site.sidecar) == 2
