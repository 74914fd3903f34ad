"""What nginx remembers: whom the sidecar has let in, for as long as it says, and nothing else."""

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
from tests.system.nginx.sites import FRONT, JITSI, Site, StartSite, mint, questions

MEMORY = "proxy_cache $jitsi_verifier_memory;"

Answer = tuple[int, str | None, tuple[str, ...]]
"""Status, denial code, and every identity header."""


@pytest.fixture
def site(sites: StartSite) -> Site:
    return sites(FRONT, name="remembering", VERIFIER_DECISION_TTL="300")


def asked(site: Site, *requests: tuple[Any, ...]) -> int:
    """Send requests; give how often the sidecar was asked."""
    before = questions(site.sidecar)
    for target, *headers in requests:
        site.get(target, *headers)
    return questions(site.sidecar) - before


def files(site: Site) -> list[Path]:
    return [path for path in site.nginx.cache.rglob("*") if path.is_file()]


def test_who_is_remembered_has_the_same_name_as_before(site: Site) -> None:
    token, before = mint(exp=98753496345768), questions(site.sidecar)
    for _ in range(5):
        forwarded = site.forwarded(f"/acme/http-bind?room=standup&token={token}")
        assert {name: forwarded.values(name) for name in IDENTITY} == {
            name: [value] for name, value in IDENTITY.items()
        }
    assert questions(site.sidecar) - before == 1
    log = (site.nginx.logs / "access.log").read_text()
    assert log.count("gate=HIT denial= ") >= 4


def test_a_post_is_remembered_with_its_body_going_on(site: Site) -> None:
    target, before = f"/http-bind?room=standup&token={mint()}", questions(site.sidecar)
    for body in (b"one", b"two", b"three"):
        answer = raw_http.send(site.nginx.port, target, method="POST", body=body)
        assert RecordedRequest.from_json(answer.json()).body == body.decode()
    assert questions(site.sidecar) - before == 1


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
def test_no_refusal_is_remembered(site: Site, request_: tuple[Any, ...]) -> None:
    before = len(files(site))
    assert asked(site, request_, request_, request_) == 3
    assert len(files(site)) == before


def test_what_the_operators_own_caches_keep_is_not_kept_here(sites: StartSite) -> None:
    edits = (
        ("upstream jitsi_verifier {", "proxy_cache_valid any 10m;\nupstream jitsi_verifier {"),
    )
    site, denied, allowed = (
        sites(JITSI, edits=edits),
        f"/other?jwt={mint()}",
        f"/standup?jwt={mint()}",
    )
    assert asked(site, (denied,), (denied,), (denied,)) == 3
    assert asked(site, (allowed,), (allowed,), (allowed,)) == 1


def test_what_stands_for_a_token_is_not_remembered(sites: StartSite) -> None:
    """Neither a hand-off, nor its cookie, nor an address, nor a refusal that is only reported."""
    network = {"VERIFIER_BYPASS": "127.0.0.0/8", "VERIFIER_TRUSTED_PROXIES": "127.0.0.1"}
    for options, request in (
        ({"VERIFIER_HANDOFF": "true"}, (f"/standup?jwt={mint()}",)),
        ({"VERIFIER_HANDOFF": "true"}, ("/standup", cookie())),
        (network, ("/standup", ("Authorization", "Basic eDp5"))),
        ({"VERIFIER_MODE": "report-only"}, (f"/other?jwt={mint()}",)),
    ):
        site = sites(JITSI, **options)
        before = len(files(site))
        assert site.get(*request).status in {200, 302}
        assert asked(site, request, request) == 2
        assert len(files(site)) == before


def test_a_page_in_a_frame_is_remembered_for_frames_alone(sites: StartSite) -> None:
    site, target = sites(JITSI, VERIFIER_HANDOFF="true"), f"/standup?jwt={mint()}"
    framed = ("Sec-Fetch-Dest", "iframe")
    assert [site.get(target, framed).status for _ in range(2)] == [200, 200]
    assert site.get(target).status == 302
    assert site.get(target, ("Sec-Fetch-Dest", "document")).status == 302


def test_every_part_of_a_question_counts(site: Site) -> None:
    """Line breaks and spaces, which part the question, cannot be sent inside a value."""
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
    assert asked(site, *requests) == 0
    fresh = [(f"/tenant{path}", *headers) for path, *headers in requests]
    assert asked(site, *fresh) == len(fresh)
    before = questions(site.sidecar)
    raw_http.send(site.nginx.port, target, host="other.example.org")
    raw_http.send(site.nginx.port, target, method="HEAD")
    raw_http.send(site.nginx.port, target, source="127.0.0.2")
    assert questions(site.sidecar) - before == 3


def test_two_hosts_never_share_an_answer(sites: StartSite, tmp_path: Path) -> None:
    config = tmp_path / "hosts.toml"
    config.write_text(
        '[hosts."b.example.org"]\napp_secret = "another-secret-of-32-bytes-or-more"\n'
    )
    site = sites(JITSI, name="two hosts", VERIFIER_CONFIG=str(config))
    target = f"/standup?jwt={mint()}"
    for _ in range(2):
        assert raw_http.send(site.nginx.port, target, host="a.example.org").status == 200
        assert raw_http.send(site.nginx.port, target, host="b.example.org").status == 401


def test_2000_tokens_and_rooms_are_answered_as_the_sidecar_itself_answers(site: Site) -> None:
    different, order = _requests(2_000), random.Random(6)  # noqa: S311  # an order is no secret
    expected = {request: _of_sidecar(site, request) for request in different}
    requests = different + order.choices(different, k=3_000)
    order.shuffle(requests)
    before = questions(site.sidecar)
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda request: _of_nginx(site, request), requests))
    for request, answer in zip(requests, answers, strict=True):
        assert answer == expected[request], request
    assert {status for status, *_ in answers} == {200, 401, 403}
    repeated = sum(status == 200 for status, *_ in answers) - len(
        [answer for answer in expected.values() if answer[0] == 200]
    )
    # Now and then two ask for the same at once, and both get to the sidecar.
    assert questions(site.sidecar) - before < len(requests) - 0.9 * repeated


def _requests(count: int) -> list[str]:
    """Ask for rooms with tokens: own and others' rooms, as page and signalling, some tampered."""
    targets = []
    for number in range(count):
        room = f"room-{number % 97}"
        user = {"id": f"u-{number}", "name": f"N {number}", "moderator": number % 3 == 0}
        token = mint(room=room, exp=9_000_000_000, context={"user": user, "group": f"g{number}"})
        if number % 7 == 0:
            token = token[:-2] + ("AA" if token[-2:] != "AA" else "BA")
        asked_for = room if number % 5 else f"room-{(number + 1) % 97}"
        targets.append(
            f"/acme/http-bind?room={asked_for}&token={token}"
            if number % 2
            else f"/{asked_for}?jwt={token}"
        )
    return targets


def _of_nginx(site: Site, target: str) -> Answer:
    answer = site.get(target)
    if answer.status != 200:
        return answer.status, answer.headers["X-Jitsi-Denial"], ()
    forwarded = RecordedRequest.from_json(answer.json())
    return 200, None, tuple(",".join(forwarded.values(name)) for name in IDENTITY)


def _of_sidecar(site: Site, target: str) -> Answer:
    headers = {"Host": "meet.example.org", "X-Original-URI": target}
    answer = get(site.sidecar.port, "/auth", headers)
    if answer.status != 200:
        return answer.status, answer.code, ()
    return 200, None, tuple(answer.headers[name] for name in IDENTITY)


def test_a_token_that_expires_is_refused_though_it_was_remembered(sites: StartSite) -> None:
    site = sites(JITSI, name="expiring")
    target = f"/standup?jwt={mint(exp=int(time.time()) + 3)}"
    assert site.get(target).status == 200
    assert site.get(target).status == 200
    wait_until(lambda: site.get(target).denial == (401, "token-expired"), "the token's end")


def test_a_key_that_is_withdrawn_counts_no_longer_than_decision_ttl(
    sites: StartSite, tmp_path: Path
) -> None:
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
    wait_until(lambda: site.get(target).denial == (401, "signature-invalid"), "the refusal")


def test_nginx_can_be_made_to_forget(sites: StartSite) -> None:
    site, target = sites(JITSI, name="forgetting"), f"/standup?jwt={mint()}"
    assert asked(site, (target,), (target,)) == 1
    for path in files(site):
        path.unlink()
    site.nginx.reload()
    wait_until(lambda: asked(site, (target,)) == 1, "a new question")


def test_long_questions_and_long_names_never_outgrow_the_buffer(site: Site) -> None:
    long = " " * 341  # three bytes each in a header
    user = {"id": long, "name": long, "email": long}
    token = mint(
        room="*", sub=long, context={"user": user, "group": long, "features": {long: True}}
    )
    remembered = []
    for length in (*range(7_000, 8_000, 50), 9_000, 12_000, 15_000):
        target = f"/standup?jwt={token}&x=".ljust(length, "x")
        for _ in range(2):
            forwarded = site.forwarded(target)
            assert forwarded.values("X-Jitsi-Group") == ["%20" * 341]
        remembered.append(asked(site, (target,)) == 0)
    assert remembered == sorted(remembered, reverse=True)
    assert set(remembered) == {True, False}


def test_the_cache_is_for_nginx_alone(site: Site) -> None:
    assert site.get(f"/standup?jwt={mint(secret='of-this-test')}").status == 200
    assert oct(site.nginx.cache.stat().st_mode & 0o777) == "0o700"
    assert {oct(path.stat().st_mode & 0o777) for path in files(site)} == {"0o600"}


def test_a_cache_that_cannot_be_written_to_lets_nobody_in_and_tells_nobody(
    sites: StartSite,
) -> None:
    site, token = sites(FRONT, name="broken cache"), mint(secret="of-this-test")
    site.nginx.cache.rmdir()
    site.nginx.cache.write_text("in the way")
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


def test_one_line_has_nginx_ask_each_time(sites: StartSite) -> None:
    site = sites(FRONT, edits=((MEMORY, "proxy_cache off;"),))
    target = f"/standup?jwt={mint()}"
    assert asked(site, (target,), (target,), (target,)) == 3
    assert files(site) == []
