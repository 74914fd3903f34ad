from __future__ import annotations

import asyncio
import json
import re

import pytest

from tests.support.decision_listener import DecisionListener, Setup, listening, receive
from tests.support.heads import ENDPOINTS, HOST, TOKENS, head, proxy_request, write_head
from tests.support.paths import ROOT
from tests.support.sidecar import NOW, FakeKeys, Start, mint
from verifier.http.original_request import CONVENTIONS
from verifier.http.responses import denial_response, status_of
from verifier.keys.sources.base import Missing
from verifier.rules.model import DenialCode, Deny
from verifier.rules.policy import OperatorPolicy

IDENTITY = {
    "X-Jitsi-Room": "standup",
    "X-Jitsi-Tenant": "-",
    "X-Jitsi-Subject": "meet.example.org",
    "X-Jitsi-Issuer": "app",
    "X-Jitsi-User-Id": "u-1",
    "X-Jitsi-User-Name": "Ada",
    "X-Jitsi-User-Email": "ada@example.org",
    "X-Jitsi-Group": "-",
    "X-Jitsi-Moderator": "false",
    "X-Jitsi-Affiliation": "member",
    "X-Jitsi-Features": "-",
    "X-Jitsi-Expires": str(NOW + 60),
}


async def test_an_allow_is_an_empty_200_with_every_identity_header(start: Start) -> None:
    sidecar = await start()
    status, headers, body = await sidecar.nginx(f"/standup?jwt={mint()}")
    assert (status, body) == (200, "")
    assert {name: headers[name] for name in IDENTITY} == IDENTITY
    assert headers["Cache-Control"] == "private, max-age=30"
    assert headers["X-Accel-Expires"] == "30"
    assert "Date" in headers


async def test_operator_policy_denials_are_403(start: Start) -> None:
    sidecar = await start(operator_policy=OperatorPolicy(max_token_lifetime=50))
    for _ in range(2):
        status, headers, _ = await sidecar.nginx(f"/standup?jwt={mint(exp=NOW + 60)}")
        assert (status, headers["X-Jitsi-Denial"]) == (403, "policy-token-lifetime")
    assert (await sidecar.nginx(f"/standup?jwt={mint(exp=NOW + 50)}"))[0] == 200
    # A proxy does not know whether the room is empty.
    sidecar = await start(operator_policy=OperatorPolicy(moderators_create_rooms=True))
    assert (await sidecar.nginx(f"/standup?jwt={mint()}"))[0] == 200


async def test_values_are_percent_encoded_and_booleans_make_features(start: Start) -> None:
    sidecar = await start()
    context = {
        "user": {"id": 7, "name": "Ада, 100%", "email": "-", "moderator": "true"},
        "group": "x\r\nX-Evil: 1",
        "features": {"recording": True, "live,streaming": "true", "sip": False, "x": "false"},
    }
    _, headers, _ = await sidecar.nginx(f"/standup?jwt={mint(context=context)}")
    assert headers["X-Jitsi-User-Id"] == "7"
    assert headers["X-Jitsi-User-Name"] == "%D0%90%D0%B4%D0%B0%2C%20100%25"
    assert headers["X-Jitsi-User-Email"] == "%2D"
    assert headers["X-Jitsi-Group"] == "x%0D%0AX-Evil:%201"
    assert headers["X-Jitsi-Features"] == "recording,live%2Cstreaming"
    assert (headers["X-Jitsi-Moderator"], headers["X-Jitsi-Affiliation"]) == ("true", "owner")
    assert "X-Evil" not in headers


async def test_a_value_too_long_for_a_proxys_buffers_is_none_rather_than_cut(start: Start) -> None:
    sidecar = await start()
    user = {"id": "a" * 1025, "name": "b" * 1024}
    _, headers, _ = await sidecar.nginx(f"/standup?jwt={mint(context={'user': user})}")
    assert headers["X-Jitsi-User-Id"] == "-"
    assert headers["X-Jitsi-User-Name"] == "b" * 1024


async def test_guests_have_every_identity_header_and_no_value(start: Start) -> None:
    sidecar = await start(allow_empty_token=True)
    status, headers, _ = await sidecar.nginx("/acme/standup")
    assert status == 200
    assert {headers[name] for name in IDENTITY} == {"-", "standup", "acme", "false", "none"}
    assert headers["X-Jitsi-Affiliation"] == "none"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("/auth", ("X-Original-URI", "/standup?jwt={}")),
        ("/auth?ignored=1", ("X-Original-URI", "/standup?jwt={}")),
        ("/auth-url", ("X-Original-URL", "https://meet.example.org/standup?jwt={}")),
        ("/forward-auth", ("X-Forwarded-Uri", "/standup?jwt={}")),
        ("/ext-authz/standup?jwt={}", ("X-Nothing", "")),
        ("/ext-authz/http-bind?room=standup&token={}", ("X-Nothing", "")),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "PROPFIND", "DELETE"])
async def test_each_convention_is_read_for_any_method(
    start: Start, path: str, header: tuple[str, str], method: str
) -> None:
    sidecar = await start()
    token = mint()
    forwarded = ("X-Forwarded-Host", "meet.example.org")
    filled = (header[0], header[1].format(token))
    status, headers, _ = await sidecar.ask(path.format(token), filled, forwarded, method=method)
    assert (status, headers["X-Jitsi-Room"]) == (200, "standup")


ORIGINAL_REQUESTS = {
    "/auth": ("X-Original-URI", "{}"),
    "/auth-url": ("X-Original-URL", "https://meet.example.org{}"),
    "/forward-auth": ("X-Forwarded-Uri", "{}"),
}


def test_original_requests_cover_every_convention() -> None:
    # Envoy sends the original request in the path, not in a header.
    own = {path.removeprefix("/") for path in ORIGINAL_REQUESTS}
    assert own | {"ext-authz"} == {*CONVENTIONS}


@pytest.mark.parametrize("path", [*ORIGINAL_REQUESTS, "/ext-authz/other"])
async def test_headers_of_other_conventions_are_ignored(start: Start, path: str) -> None:
    sidecar = await start()
    good = f"/standup?jwt={mint()}"
    smuggled = [
        (name, value.format(good))
        for own, (name, value) in ORIGINAL_REQUESTS.items()
        if own != path
    ]
    host = ("X-Forwarded-Host", "meet.example.org")
    status, headers, _ = await sidecar.ask(path, *smuggled, host, ("X-Original-Method", "GET"))
    expected = "token-missing" if path.startswith("/ext") else "ambiguous-request"
    assert (status, headers["X-Jitsi-Denial"]) == (401, expected)


@pytest.mark.parametrize("path", list(ORIGINAL_REQUESTS))
async def test_a_doubled_original_request_is_ambiguous(start: Start, path: str) -> None:
    sidecar = await start()
    name, value = ORIGINAL_REQUESTS[path]
    header = (name, value.format(f"/standup?jwt={mint()}"))
    host = ("X-Forwarded-Host", "meet.example.org")
    assert (await sidecar.ask(path, header, host))[0] == 200
    for doubled in (header, host if path == "/forward-auth" else header):
        status, headers, _ = await sidecar.ask(path, header, host, doubled)
        assert (status, headers["X-Jitsi-Denial"]) == (401, "ambiguous-request")


async def test_forwarded_requests_need_their_host(start: Start) -> None:
    sidecar = await start()
    status, headers, _ = await sidecar.ask(
        "/forward-auth", ("X-Forwarded-Uri", f"/standup?jwt={mint()}")
    )
    assert (status, headers["X-Jitsi-Denial"]) == (401, "ambiguous-request")


@pytest.mark.parametrize("path", list(ORIGINAL_REQUESTS))
async def test_doubled_methods_are_ambiguous(start: Start, path: str) -> None:
    sidecar = await start()
    name, value = ORIGINAL_REQUESTS[path]
    fields = [(name, value.format(f"/standup?jwt={mint()}")), ("X-Forwarded-Host", "a")]
    kind = "X-Forwarded-Method" if path == "/forward-auth" else "X-Original-Method"
    assert (await sidecar.ask(path, *fields, (kind, "GET")))[0] == 200
    status, headers, _ = await sidecar.ask(path, *fields, (kind, "GET"), (kind, "GET"))
    assert (status, headers["X-Jitsi-Denial"]) == (401, "ambiguous-request")


@pytest.mark.parametrize(
    "uri", ["", "standup", "*", "http://meet.example.org/standup", "\\standup", "?jwt=x"]
)
async def test_a_target_not_in_origin_form_is_ambiguous(start: Start, uri: str) -> None:
    sidecar = await start(allow_empty_token=True)
    status, headers, _ = await sidecar.nginx(uri)
    assert (status, headers["X-Jitsi-Denial"]) == (401, "ambiguous-request")


@pytest.mark.parametrize(
    "host",
    ["", "meet.example.org:", "meet.example.org:https", "meet.example.org..", "a, b", "a b", "a/b"],
)
async def test_a_host_that_proxies_may_read_in_two_ways_is_ambiguous(
    start: Start, host: str
) -> None:
    sidecar = await start()
    forwarded = [("X-Forwarded-Uri", f"/standup?jwt={mint()}"), ("X-Forwarded-Host", host)]
    _, headers, _ = await sidecar.ask("/forward-auth", *forwarded)
    assert headers["X-Jitsi-Denial"] == "ambiguous-request"
    for plain in ("meet.example.org", "Meet.example.org:8443", "[::1]:80", "10.0.0.1", "a."):
        forwarded[1] = ("X-Forwarded-Host", plain)
        assert (await sidecar.ask("/forward-auth", *forwarded))[0] == 200


async def test_a_url_with_a_fragment_is_ambiguous(start: Start) -> None:
    sidecar = await start()
    url = f"https://m/http-bind?room=standup&token={mint()}"
    assert (await sidecar.ask("/auth-url", ("X-Original-URL", url)))[0] == 200
    _, headers, _ = await sidecar.ask("/auth-url", ("X-Original-URL", url + "#&room=other"))
    assert headers["X-Jitsi-Denial"] == "ambiguous-request"


async def test_blanks_around_a_bearer_token_are_not_part_of_it(start: Start) -> None:
    sidecar = await start()
    assert (await sidecar.nginx("/standup", ("Authorization", f"Bearer   {mint()}")))[0] == 200


def test_every_code_has_its_documented_status() -> None:
    page = (ROOT / "docs" / "denial-codes.md").read_text("utf-8")
    sections = re.findall(r"^## `([a-z-]+)`\n\nHTTP (\d{3})\b", page, re.MULTILINE)
    stated = {code: int(status) for code, status in sections}
    assert stated == {str(code): int(status_of(code)) for code in DenialCode}


@pytest.mark.parametrize("code", DenialCode)
def test_conference_request_gets_no_403(code: DenialCode) -> None:
    page, request = denial_response(Deny(code)), denial_response(Deny(code), "conference-request")
    assert request.headers["X-Jitsi-Denial"] == page.headers["X-Jitsi-Denial"] == code
    if page.status != 403:
        assert request == page
        return
    assert request.status == json.loads(request.body)["status"] == 401
    assert request.headers["WWW-Authenticate"].startswith('Bearer realm="jitsi", error=')
    for service in ("http-bind", "xmpp-websocket", "room-info"):
        assert denial_response(Deny(code), service) == page


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("conference-request/v1?room=standup", 401),
        ("conference-request/v1", 401),
        ("conference-request/v1/x?room=standup", 401),
        ("acme/conference-request/v1?room=standup", 401),
        ("http-bind?room=standup", 403),
        ("conference-request?room=standup", 403),
        ("acme/beta/conference-request/v1?room=standup", 403),
        ("standup/?room=conference-request/v1", 403),
    ],
)
def test_status_of_a_wrong_room_depends_on_the_service(
    endpoint: str, target: str, status: int
) -> None:
    listener = DecisionListener(Setup())
    request = head(endpoint, token=TOKENS["other-room"], room=target)
    for response in receive(listener, request, request):
        assert response.status == status
        assert response.headers["X-Jitsi-Denial"] in ("room-mismatch", "room-address-invalid")
        assert ("WWW-Authenticate" in response.headers) == (status == 401)


async def test_long_heads_are_decided() -> None:
    """A head of 24 KB has the token three times; the longest token fills a field of 16 KB."""
    token = mint(padding="a" * 6_000)
    target, fields = proxy_request("forward-auth", token)
    three_times = write_head(
        "GET",
        f"{target}?jwt={token}",
        [*fields, ("Referer", f"https://{HOST}/standup?jwt={token}")],
    )
    assert 24_000 < len(three_times) <= 32 * 1024
    name, start = "X-Original-URI", "/standup?jwt="
    longest = mint(padding="a" * 12_014)
    assert len(name) + len(start) + len(longest) in range(16 * 1024 - 4, 16 * 1024 + 1)
    one_field = write_head("GET", "/auth", [("Host", HOST), (name, start + longest)])
    async with listening() as listener:
        for response in await listener.ask(three_times, one_field, three_times):
            assert (response.status, response.headers["X-Jitsi-Room"]) == (200, "standup")


async def test_the_same_token_from_two_sources_is_one_token(start: Start) -> None:
    sidecar = await start()
    token = mint()
    bearer = ("Authorization", f"Bearer {token}")
    status, _, _ = await sidecar.nginx(f"/standup?jwt={token}&token={token}", bearer)
    assert status == 200


async def test_tokens_that_disagree_are_ambiguous(start: Start) -> None:
    sidecar = await start()
    one, two = mint(), mint(room="*")
    for uri, headers in [
        (f"/standup?jwt={one}&token={two}", ()),
        (f"/standup?jwt={one}&jwt={one}", ()),
        (f"/standup?jwt={one}&%6awt={two}", ()),
        (f"/standup?jwt={one}", [("Authorization", f"Bearer {two}")]),
        ("/standup", [("Authorization", f"Bearer {one}")] * 2),
    ]:
        status, answer, _ = await sidecar.nginx(uri, *headers)
        assert (status, answer["X-Jitsi-Denial"]) == (401, "ambiguous-request")


async def test_a_bearer_token_counts_and_other_schemes_do_not(start: Start) -> None:
    sidecar = await start()
    assert (await sidecar.nginx("/standup", ("Authorization", f"bearer {mint()}")))[0] == 200
    _, headers, _ = await sidecar.nginx("/standup", ("Authorization", "Basic dTpw"))
    assert headers["X-Jitsi-Denial"] == "token-missing"
    assert headers["WWW-Authenticate"] == 'Bearer realm="jitsi"'


async def test_a_request_with_too_many_cookies_has_none(start: Start) -> None:
    sidecar = await start(cookie="jitsi_token")
    for count, status in ((511, 200), (512, 401)):
        cookie = ("Cookie", f"{'a=b;' * count}jitsi_token={mint()}")
        assert (await sidecar.nginx("/standup", cookie))[0] == status


async def test_a_query_of_too_many_parameters_is_ambiguous(start: Start) -> None:
    sidecar = await start()
    query = "&".join(["a=b"] * 128)
    _, headers, body = await sidecar.nginx(f"/standup?{query}&jwt={mint()}")
    assert headers["X-Jitsi-Denial"] == "ambiguous-request"
    assert "at most 128 query parameters" in body


async def test_a_token_cookie_counts_only_if_configured_and_alone(
    start: Start,
) -> None:
    plain, with_cookie = await start(), await start(cookie="jitsi_token")
    cookie = ("Cookie", f"theme=dark; jitsi_token={mint()}; x")
    assert (await plain.nginx("/standup", cookie))[0] == 401
    assert (await with_cookie.nginx("/standup", cookie))[0] == 200
    # A new link must work although the browser still has an old cookie.
    other = mint(room="other")
    assert (await with_cookie.nginx(f"/other?jwt={other}", cookie))[0] == 200
    twice = ("Cookie", f"jitsi_token={mint()}; jitsi_token={other}")
    assert (await with_cookie.nginx("/standup", twice))[1]["X-Jitsi-Denial"] == "ambiguous-request"


@pytest.mark.parametrize(
    ("uri", "token", "status", "code"),
    [
        ("/standup", None, 401, "token-missing"),
        ("/standup", "", 401, "token-malformed"),
        ("/standup", "x", 401, "token-malformed"),
        ("/standup", mint(exp=NOW), 401, "token-expired"),
        ("/other", mint(), 403, "room-mismatch"),
        ("/acme/standup", mint(), 403, "tenant-mismatch"),
        ("/", mint(), 403, "room-address-invalid"),
        ("/http-bind", mint(), 403, "room-address-invalid"),
        ("/a/../standup", mint(), 403, "room-address-invalid"),
    ],
)
async def test_a_denial_is_a_problem_document_with_its_code(
    start: Start, uri: str, token: str | None, status: int, code: str
) -> None:
    sidecar = await start()
    found, headers, body = await sidecar.nginx(uri if token is None else f"{uri}?jwt={token}")
    problem = json.loads(body)
    assert (found, headers["X-Jitsi-Denial"]) == (status, code)
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == f"/codes#{code}"
    assert problem["title"].lower().replace(" ", "-") == code
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Cache-Control"] == "no-store"
    assert problem["detail"]
    assert ("WWW-Authenticate" in headers) == (status == 401)
    assert not [name for name in headers if name.startswith("X-Jitsi-") and name in IDENTITY]


async def test_the_challenge_replaces_unquotable_characters(start: Start) -> None:
    sidecar = await start(asap_accepted_issuers=('a"b\\ü',))
    _, headers, body = await sidecar.nginx(f"/standup?jwt={mint()}")
    assert headers["WWW-Authenticate"] == (
        'Bearer realm="jitsi", error="invalid_token", '
        'error_description="expected iss to be one of a?b??; found another string"'
    )
    assert 'a"b\\ü' in json.loads(body)["detail"]


async def test_keys_that_cannot_be_obtained_are_a_503(start: Start) -> None:
    sidecar = await start(
        keys=FakeKeys(Missing.UNAVAILABLE), key_server=True, signature_algorithm="RS256"
    )
    token = mint({"kid": "k", "alg": "RS256"})
    status, headers, _ = await sidecar.nginx(f"/standup?jwt={token}")
    assert (status, headers["X-Jitsi-Denial"]) == (503, "keys-unavailable")
    assert int(headers["Retry-After"]) > 0
    assert sidecar.count(
        "decisions_total", endpoint="auth", outcome="error", code="keys-unavailable"
    )


async def test_an_allow_is_cacheable_until_the_tokens_end(start: Start) -> None:
    sidecar = await start(ttl=300)
    _, headers, _ = await sidecar.nginx(f"/standup?jwt={mint(exp=NOW + 7.9)}")
    assert headers["Cache-Control"] == "private, max-age=7"
    assert headers["X-Accel-Expires"] == "6"
    _, headers, _ = await sidecar.nginx(f"/standup?jwt={mint(exp=NOW + 0.5)}")
    assert (headers["Cache-Control"], "X-Accel-Expires" in headers) == ("no-store", False)
    _, headers, _ = await sidecar.nginx(f"/standup?jwt={mint(exp=...)}")
    assert (headers["X-Jitsi-Expires"], headers["X-Accel-Expires"]) == ("-", "300")


async def test_decisions_are_counted_by_endpoint_outcome_and_code(start: Start) -> None:
    sidecar = await start()
    moderator = mint(context={"user": {"moderator": True}})
    for uri in (f"/standup?jwt={moderator}", f"/standup?jwt={moderator}", "/standup"):
        await sidecar.nginx(uri)
    assert sidecar.count("decisions_total", endpoint="auth", outcome="allowed", code="") == 2
    assert (
        sidecar.count("decisions_total", endpoint="auth", outcome="denied", code="token-missing")
        == 1
    )
    assert sidecar.count("moderators_total") == 2
    assert sidecar.count("decision_duration_seconds_count", endpoint="auth") == 3
    assert sidecar.count("decision_cache_lookups_total", result="hit") == 1
    assert sidecar.count("in_flight") == 0


async def test_unknown_paths_open_nothing(start: Start) -> None:
    sidecar = await start(allow_empty_token=True)
    for path in ("/", "/auth/", "/Auth", "/authx", "/ext-authz", "/metrics", "/%61uth", "//auth"):
        status, headers, _ = await sidecar.ask(path, ("X-Original-URI", "/standup"))
        assert (status, "X-Jitsi-Room" in headers) == (404, False), path


async def test_health_is_served(start: Start) -> None:
    sidecar = await start()
    status, _, body = await sidecar.ask("/healthz")
    assert (status, body) == (200, "ok\n")


async def test_a_denial_is_one_log_line_without_token_or_query(
    start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifier.log.LOGGER.propagate", True)
    caplog.set_level("INFO", "verifier")
    sidecar = await start()
    token = mint({"kid": "key-1"}, exp=NOW - 8 * 3600, jti="t-1")
    await sidecar.nginx(f"/standup?jwt={token}&secret=q", ("X-Request-Id", "r-1"))
    await sidecar.nginx(f"/standup?jwt={mint()}")
    await sidecar.nginx(f"/acme/other?jwt={mint({'kid': 'k'})}")
    await sidecar.nginx(f"/{token}")
    first, second, third = (record.__dict__["fields"] for record in caplog.records)
    assert first.pop("cure").startswith("The token expired 8 h ago")
    assert first == {
        "endpoint": "auth",
        "code": "token-expired",
        "detail": "expired 8 h ago",
        "room": "standup@conference.meet.example.org",
        "user_id": "u-1",
        "user_name": "Ada",
        "token_id": "t-1",
        "key_id": "key-1",
        "request_id": "r-1",
        "step": "expiry",
        "expected": "a number of seconds in the future, or absent",
        "found": f"{NOW - 8 * 3600} (2027-01-15 00:00:00 UTC, expired 8 h ago)",
    }
    assert (second["room"], second["key_id"]) == ("[acme]other@conference.meet.example.org", "k")
    assert third["room"].startswith("[token]")


async def test_a_request_is_in_flight_during_a_key_fetch(start: Start) -> None:
    fetching, release = asyncio.Event(), asyncio.Event()

    class SlowKeys(FakeKeys):
        async def fetch(self, _key_id: str) -> Missing:
            fetching.set()
            await release.wait()
            return Missing.UNKNOWN

    sidecar = await start(keys=SlowKeys(), key_server=True, signature_algorithm="RS256")
    token = mint({"kid": "k", "alg": "RS256"})
    request = asyncio.create_task(sidecar.nginx(f"/standup?jwt={token}"))
    await fetching.wait()
    assert sidecar.count("in_flight") == 1
    release.set()
    assert (await request)[1]["X-Jitsi-Denial"] == "key-unknown"
    assert sidecar.count("in_flight") == 0
