"""The cache of nginx holds allowed decisions only, for as long as the service permits."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest

from tests.support import raw_http
from tests.support.identity import IDENTITY
from tests.support.processes import get, wait_until
from tests.support.tokens import SECRET
from tests.support.upstream import RecordedRequest
from tests.system.nginx.handoffs import cookie
from tests.system.nginx.sites import FRONT, JITSI, Site, StartSite, decision_count, mint

CACHE_DIRECTIVE = "proxy_cache $jitsi_verifier_memory;"

Answer = tuple[int, str | None, tuple[str, ...]]
"""Status, denial code, and every identity header."""


@pytest.fixture
def site(sites: StartSite) -> Site:
    return sites(FRONT, name="cache", VERIFIER_DECISION_TTL="300")


def decisions_for(site: Site, *requests: tuple[Any, ...]) -> int:
    """Send requests; return how many decisions the service made for them."""
    before = decision_count(site.sidecar)
    for target, *headers in requests:
        site.get(target, *headers)
    return decision_count(site.sidecar) - before


def cache_files(site: Site) -> list[Path]:
    return [path for path in site.nginx.cache.rglob("*") if path.is_file()]


def test_cached_allow_keeps_identity_headers(site: Site) -> None:
    token, before = mint(exp=98753496345768), decision_count(site.sidecar)
    for _ in range(5):
        forwarded = site.forwarded(f"/acme/http-bind?room=standup&token={token}")
        assert {name: forwarded.values(name) for name in IDENTITY} == {
            name: [value] for name, value in IDENTITY.items()
        }
    assert decision_count(site.sidecar) - before == 1
    site.nginx.wait_for_log("gate=HIT denial= ", 4)


def test_cached_allow_of_post_forwards_each_body(site: Site) -> None:
    target, before = f"/http-bind?room=standup&token={mint()}", decision_count(site.sidecar)
    for body in (b"one", b"two", b"three"):
        answer = raw_http.send(site.nginx.port, target, method="POST", body=body)
        assert RecordedRequest.from_json(answer.json()).body == body.decode()
    assert decision_count(site.sidecar) - before == 1


@pytest.mark.parametrize(
    "request_",
    [
        ("/standup",),
        (f"/standup?jwt={mint(exp=1_500_000_000)}",),
        (f"/other?jwt={mint()}",),
        (f"/standup?jwt={mint()}x",),
        (f"/standup?jwt={mint()}&jwt={mint()}",),
        (f"/http-bind?token={mint()}",),
        ("/other", ("Authorization", f"Bearer {mint()}")),
    ],
)
def test_denials_are_not_cached(site: Site, request_: tuple[Any, ...]) -> None:
    before = len(cache_files(site))
    assert decisions_for(site, request_, request_, request_) == 3
    assert len(cache_files(site)) == before


def test_operators_cache_settings_do_not_cache_denials(sites: StartSite) -> None:
    edits = (
        ("upstream jitsi_verifier {", "proxy_cache_valid any 10m;\nupstream jitsi_verifier {"),
    )
    site, denied, allowed = (
        sites(JITSI, edits=edits),
        f"/other?jwt={mint()}",
        f"/standup?jwt={mint()}",
    )
    assert decisions_for(site, (denied,), (denied,), (denied,)) == 3
    assert decisions_for(site, (allowed,), (allowed,), (allowed,)) == 1


def test_only_decisions_about_tokens_are_cached(sites: StartSite) -> None:
    """Not cached: a hand-off, its cookie, the bypass, and a denial that is only reported."""
    network = {"VERIFIER_BYPASS": "127.0.0.0/8", "VERIFIER_TRUSTED_PROXIES": "127.0.0.1"}
    for options, request in (
        ({"VERIFIER_HANDOFF": "true"}, (f"/standup?jwt={mint()}",)),
        ({"VERIFIER_HANDOFF": "true"}, ("/standup", cookie())),
        (network, ("/standup", ("Authorization", "Basic eDp5"))),
        ({"VERIFIER_MODE": "report-only"}, (f"/other?jwt={mint()}",)),
    ):
        site = sites(JITSI, **options)
        before = len(cache_files(site))
        assert site.get(*request).status in {200, 302}
        assert decisions_for(site, request, request) == 2
        assert len(cache_files(site)) == before


def test_allow_of_framed_page_is_reused_only_for_frames(sites: StartSite) -> None:
    site, target = sites(JITSI, VERIFIER_HANDOFF="true"), f"/standup?jwt={mint()}"
    framed = ("Sec-Fetch-Dest", "iframe")
    assert [site.get(target, framed).status for _ in range(2)] == [200, 200]
    assert site.get(target).status == 302
    assert site.get(target, ("Sec-Fetch-Dest", "document")).status == 302


def test_cache_key_contains_every_part_of_a_request(site: Site) -> None:
    """The parts are separated by line breaks and spaces, which no value can contain."""
    token, other = mint(), mint(iat=1)
    target, bearer = f"/standup?jwt={token}", ("Authorization", f"Bearer {token}")
    requests: list[tuple[Any, ...]] = [
        (target,),
        (f"/standup?token={token}",),
        (f"/Standup?jwt={token}",),
        (f"//standup?jwt={token}",),
        (f"/standup?jwt={token}&x",),
        (f"/standup?jwt={other}",),
        (target, bearer),
        (target, ("Sec-Fetch-Dest", "document")),
        (target, ("Sec-Fetch-Dest", f"Bearer {token}")),
        ("/standup", bearer),
        ("/standup", ("Authorization", f"bearer {token}")),
        ("/standup", bearer, ("Cookie", "a=b")),
        ("/standup", bearer, ("Cookie", "a=b; c=d")),
        ("/standup", bearer, ("Sec-Fetch-Dest", "a=b")),
    ]
    assert all(site.get(*request).status == 200 for request in requests)
    assert decisions_for(site, *requests) == 0
    fresh = [(f"/tenant{path}", *headers) for path, *headers in requests]
    assert decisions_for(site, *fresh) == len(fresh)
    before = decision_count(site.sidecar)
    raw_http.send(site.nginx.port, target, host="other.example.org")
    raw_http.send(site.nginx.port, target, method="HEAD")
    raw_http.send(site.nginx.port, target, source="127.0.0.2")
    assert decision_count(site.sidecar) - before == 3


def test_two_hosts_never_share_a_cached_decision(sites: StartSite, tmp_path: Path) -> None:
    config = tmp_path / "hosts.toml"
    config.write_text(
        '[hosts."b.example.org"]\napp_secret = "another-secret-of-32-bytes-or-more"\n'
    )
    site = sites(JITSI, name="two hosts", VERIFIER_CONFIG=str(config))
    target = f"/standup?jwt={mint()}"
    for _ in range(2):
        assert raw_http.send(site.nginx.port, target, host="a.example.org").status == 200
        assert raw_http.send(site.nginx.port, target, host="b.example.org").status == 401


def test_nginx_answers_2000_tokens_as_the_service_does(site: Site) -> None:
    different, shuffle = _requests(2_000), random.Random(6)  # noqa: S311  # the order is no secret
    expected = {request: _ask_sidecar(site, request) for request in different}
    requests = different + shuffle.choices(different, k=3_000)
    shuffle.shuffle(requests)
    before = decision_count(site.sidecar)
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda request: _ask_nginx(site, request), requests))
    for request, answer in zip(requests, answers, strict=True):
        assert answer == expected[request], request
    assert {status for status, *_ in answers} == {200, 401, 403}
    repeated = sum(status == 200 for status, *_ in answers) - len(
        [answer for answer in expected.values() if answer[0] == 200]
    )
    # Sometimes two clients send the same request at once, and both requests reach the service.
    assert decision_count(site.sidecar) - before < len(requests) - 0.9 * repeated


def _requests(count: int) -> list[str]:
    """Return targets of pages and signalling, with good, tampered and other rooms' tokens."""
    targets = []
    for number in range(count):
        room = f"room-{number % 97}"
        user = {"id": f"u-{number}", "name": f"N {number}", "moderator": number % 3 == 0}
        token = mint(room=room, exp=9_000_000_000, context={"user": user, "group": f"g{number}"})
        if number % 7 == 0:
            token = token[:-2] + ("AA" if token[-2:] != "AA" else "BA")
        requested_room = room if number % 5 else f"room-{(number + 1) % 97}"
        targets.append(
            f"/acme/http-bind?room={requested_room}&token={token}"
            if number % 2
            else f"/{requested_room}?jwt={token}"
        )
    return targets


def _ask_nginx(site: Site, target: str) -> Answer:
    answer = site.get(target)
    if answer.status != 200:
        return answer.status, answer.headers["X-Jitsi-Denial"], ()
    forwarded = RecordedRequest.from_json(answer.json())
    return 200, None, tuple(",".join(forwarded.values(name)) for name in IDENTITY)


def _ask_sidecar(site: Site, target: str) -> Answer:
    headers = {"Host": "meet.example.org", "X-Original-URI": target}
    answer = get(site.sidecar.port, "/auth", headers)
    if answer.status != 200:
        return answer.status, answer.code, ()
    return 200, None, tuple(answer.headers[name] for name in IDENTITY)


def test_cached_token_is_denied_after_it_expires(sites: StartSite) -> None:
    site = sites(JITSI, name="expiring")
    target = f"/standup?jwt={mint(exp=int(time.time()) + 3)}"
    assert site.get(target).status == 200
    assert site.get(target).status == 200
    wait_until(lambda: site.get(target).denial == (401, "token-expired"), "the expiry of the token")


def test_withdrawn_key_is_denied_within_decision_ttl(sites: StartSite, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    options = {
        "JWT_APP_SECRET": "",
        "JWT_APP_SECRET_FILE": str(secret),
        "VERIFIER_DECISION_TTL": "2",
    }
    site, target = sites(JITSI, name="withdrawn", **options), f"/standup?jwt={mint()}"
    assert [site.get(target).status for _ in range(2)] == [200, 200]
    secret.write_text("another-secret-of-more-than-32-bytes")
    site.sidecar.reload()
    wait_until(lambda: site.get(target).denial == (401, "signature-invalid"), "the denial")


def test_deleting_files_and_reloading_empties_the_cache(sites: StartSite) -> None:
    site, target = sites(JITSI, name="emptied cache"), f"/standup?jwt={mint()}"
    assert decisions_for(site, (target,), (target,)) == 1
    for path in cache_files(site):
        path.unlink()
    site.nginx.reload()
    wait_until(lambda: decisions_for(site, (target,)) == 1, "a new decision")


def test_long_requests_and_names_fit_the_buffer(site: Site) -> None:
    long = " " * 341  # three bytes each in a header
    user = {"id": long, "name": long, "email": long}
    token = mint(
        room="*", sub=long, context={"user": user, "group": long, "features": {long: True}}
    )
    cached = []
    for length in (*range(7_000, 8_000, 50), 9_000, 12_000, 15_000):
        target = f"/standup?jwt={token}&x=".ljust(length, "x")
        for _ in range(2):
            forwarded = site.forwarded(target)
            assert forwarded.values("X-Jitsi-Group") == ["%20" * 341]
        cached.append(decisions_for(site, (target,)) == 0)
    assert cached == sorted(cached, reverse=True)
    assert set(cached) == {True, False}


def test_only_nginx_can_read_its_cache(site: Site) -> None:
    assert site.get(f"/standup?jwt={mint(secret='of-this-test')}").status == 200
    assert oct(site.nginx.cache.stat().st_mode & 0o777) == "0o700"
    assert {oct(path.stat().st_mode & 0o777) for path in cache_files(site)} == {"0o600"}


def test_unwritable_cache_denies_and_leaks_no_token(
    sites: StartSite,
) -> None:
    site, token = sites(FRONT, name="broken cache"), mint(secret="of-this-test")
    site.nginx.cache.rmdir()
    site.nginx.cache.write_text("a file instead of a folder")
    arrived = len(site.upstream.requests)
    with pytest.raises(RemoteDisconnected):
        site.get(f"/http-bind?room=standup&token={token}")
    assert len(site.upstream.requests) == arrived
    assert site.get(f"/other?jwt={token}").denial == (403, "room-mismatch")
    site.nginx.cache.unlink()
    site.nginx.cache.mkdir()
    assert site.get(f"/http-bind?room=standup&token={token}").status == 200
    for part in token.split("."):
        assert part not in site.logs()


def test_proxy_cache_off_asks_for_each_request(sites: StartSite) -> None:
    site = sites(FRONT, edits=((CACHE_DIRECTIVE, "proxy_cache off;"),))
    target = f"/standup?jwt={mint()}"
    assert decisions_for(site, (target,), (target,), (target,)) == 3
    assert cache_files(site) == []
