"""No two requests share a cached response, whatever the options and the earlier requests are."""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import ip_network
from itertools import product
from typing import Any

import pytest

from tests.support.decision_listener import DecisionListener, Setup, respond
from tests.support.handoff import KEY, cookie
from tests.support.heads import ENDPOINTS, GOOD, HOST, Field, head, proxy_request, write_head
from tests.support.sidecar import NOW, mint
from verifier.decisions.bypass import Bypass
from verifier.http.cors import CorsOrigins
from verifier.http.handoff import Handoff
from verifier.http.pages import Pages
from verifier.http.proxy_auth import ProxyAuthOptions

HANDOFF = Pages(handoff=Handoff([KEY], lambda: NOW))
REDIRECT = Pages("https://login.example.org/?room={room}&code={code}&url={url}")
BYPASS = Bypass([ip_network("10.9.0.0/16")], ["unix"])
OTHER = "other.example.org"
ORIGIN = "https://page.example.org"
PASS = cookie()[1]
ALL = ProxyAuthOptions(
    token_cookie="jwt",
    pages=Pages("https://login.example.org/{code}", Handoff([KEY], lambda: NOW)),
    bypass=BYPASS,
)
SETUPS = {
    "plain": Setup(),
    "guests": Setup(policy={"allow_empty_token": True}),
    "cookie": Setup(ProxyAuthOptions(token_cookie="jwt")),
    "bypass": Setup(ProxyAuthOptions(bypass=BYPASS)),
    "report-only": Setup(ProxyAuthOptions(report_only=True)),
    "redirect": Setup(ProxyAuthOptions(pages=REDIRECT)),
    "hand-off": Setup(ProxyAuthOptions(pages=HANDOFF)),
    "all": Setup(ALL),
    "all, report-only": Setup(replace(ALL, report_only=True)),
    "cors": Setup(ProxyAuthOptions(cors=CorsOrigins([ORIGIN]))),
    "all, cors": Setup(replace(ALL, cors=CorsOrigins([ORIGIN], {OTHER: ["https://a.test"]}))),
    "hosts": Setup(hosts={HOST: {}, OTHER: {"asap_accepted_issuers": ("other",)}}),
}
TOKENS = (GOOD, mint(room="*", iss="other"), mint(exp=NOW - 1), None)
ROOMS = (
    *("standup", "retro", "_unlock", "http-bind?room=standup", "xmpp-websocket?room=standup"),
    "conference-request/v1?room=retro",
)
EXTRAS: tuple[Field, ...] = (
    ("Cookie", f"jwt={GOOD}"),
    ("Cookie", PASS),
    ("Cookie", f"{PASS}; jwt={mint(room='retro')}"),
    ("X-Real-IP", "10.9.1.2"),
    ("X-Real-IP", "10.8.1.2"),
    ("Sec-Fetch-Dest", "iframe"),
    ("Sec-Fetch-Dest", "document"),
    ("X-Jitsi-Handoff", "1"),
    ("Authorization", f"Bearer {GOOD}"),
    ("Authorization", "Basic eDp5"),
    ("X-Original-URI", f"/standup?jwt={GOOD}"),
    ("X-Forwarded-Host", OTHER),
    ("X-Forwarded-Uri", "/retro"),
    ("X-Request-Id", "r-1"),
    ("X-Unknown", "a"),
    ("Origin", ORIGIN),
    ("Origin", "https://a.test"),
    ("Access-Control-Request-Method", "POST"),
    *[
        (f"X-{word}-{name}", value)
        for word in ("Original", "Forwarded")
        for name, values in (
            ("Method", ("OPTIONS", "GET", "POST")),
            ("Upgrade", ("-", "websocket")),
        )
        for value in values
    ],
)


PREFLIGHT: list[Field] = [
    *(("Origin", ORIGIN), ("Access-Control-Request-Method", "POST")),
    *(("X-Original-Method", "OPTIONS"), ("X-Forwarded-Method", "OPTIONS")),
]


def all_requests(seed: int) -> list[bytes]:
    """Return many combinations in random order, some of them more than once."""
    chance = random.Random(seed)  # noqa: S311  # an order, not a secret
    requests = []
    for endpoint, token, room, host in product(ENDPOINTS, TOKENS, ROOMS, (HOST, OTHER)):
        target, fields = proxy_request(endpoint, token, room, host)
        for _ in range(3):
            more = chance.sample(EXTRAS, chance.randint(0, 3))
            if chance.random() < 0.1:
                more += PREFLIGHT
            if chance.random() < 0.8:
                more = [*(dict(more) | dict(fields)).items()]
            else:
                more += fields  # some fields are doubled
            requests.append(write_head(chance.choice(("GET", "HEAD", "OPTIONS")), target, more))
    for endpoint in ENDPOINTS:
        target, fields = proxy_request(endpoint)
        singles = [dict([extra]) | dict(fields) for extra in EXTRAS]
        requests += [
            write_head("GET", target, [*each.items()]) for each in (dict(fields), *singles)
        ]
    requests += chance.sample(requests, len(requests) // 2)
    chance.shuffle(requests)
    return requests


@pytest.mark.parametrize("name", SETUPS)
def test_a_cached_response_equals_an_uncached_one(name: str) -> None:
    listener, uncached = DecisionListener(SETUPS[name]), DecisionListener(SETUPS[name])
    for request in all_requests(len(name)):
        response = respond(listener, request)
        uncached.cache.clear()
        assert respond(uncached, request) == response, request
    assert True in listener.observer.lookups
    assert listener.observer.decisions == uncached.observer.decisions
    assert listener.observer.preflights == uncached.observer.preflights != []
    assert listener.lines.written == uncached.lines.written
    assert GOOD not in f"{listener.cache._entries}"


USED = {
    "auth": ("Host", "X-Original-URI", "Authorization", "X-Original-Method"),
    "auth-url": ("X-Original-URL", "Authorization", "X-Original-Method"),
    "forward-auth": (
        *("X-Forwarded-Host", "X-Forwarded-Uri", "Authorization"),
        "X-Forwarded-Method",
    ),
    "ext-authz": ("Authorization",),
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_request_with_a_doubled_header_is_not_cached(endpoint: str) -> None:
    """Neither is it answered from the cache of the request with one of the two values."""
    target, fields = proxy_request(endpoint)
    listener = DecisionListener(SETUPS["cookie"])
    fields += [("Authorization", f"Bearer {GOOD}"), ("Cookie", f"jwt={GOOD}")]
    fields += [(name, "GET") for name in USED[endpoint] if name.endswith("Method")]
    assert respond(listener, write_head("GET", target, fields))[0].startswith(b"HTTP/1.1 200")
    before = len(listener.cache)
    for name in USED[endpoint]:
        if name == "Host":
            continue  # the parser refuses two
        for doubled in (name, name.lower(), name.upper()):
            for value in (dict(fields)[name], "x"):
                for request in ([*fields, (doubled, value)], [(doubled, value), *fields]):
                    head_bytes = write_head("GET", target, request)
                    assert b"ambiguous-request" in respond(listener, head_bytes)[0]
    assert len(listener.cache) == before
    assert listener.observer.lookups == [False] * len(listener.observer.lookups)


@pytest.mark.parametrize("write", [str.lower, str.title, str.upper, str.swapcase])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_header_names_may_be_in_any_case(endpoint: str, write: Any) -> None:
    target, fields = proxy_request(endpoint)
    listener = DecisionListener(Setup())
    plain = respond(listener, write_head("GET", target, fields))
    written = [(write(name), value) for name, value in fields]
    for each in (written, written[:1] + fields[1:]):
        assert respond(listener, write_head("GET", target, each)) == plain
    assert len(listener.cache) == 1


BLANKS = [" {}", "{} ", "\t{}", "{}\t", " {} ", "  {}", "{}" + " " * 99, "\t \t{} \t "]


@pytest.mark.parametrize("form", BLANKS)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_blanks_around_a_value_are_no_part_of_it(endpoint: str, form: str) -> None:
    target, good = proxy_request(endpoint)
    fields = [*good, ("Authorization", f"Bearer {GOOD}"), ("X-Request-Id", "r-1")]
    listener = DecisionListener(SETUPS["cookie"])
    plain = respond(listener, write_head("GET", target, fields))
    assert plain[0].startswith(b"HTTP/1.1 200")
    for at, (name, value) in enumerate(fields):
        changed = [*fields[:at], (name, form.format(value)), *fields[at + 1 :]]
        assert respond(listener, write_head("GET", target, changed)) == plain, name
    assert {line[1:] for line in listener.lines.written} <= {(endpoint, "r-1")}


@pytest.mark.parametrize(
    "field", [("Authorization", "Bearer \udcff"), ("Cookie", "jwt=\udcff"), ("Cookie", "\udcff=a")]
)
async def test_bytes_that_are_not_utf_8_are_no_token(field: Field) -> None:
    target, fields = proxy_request("auth", None)
    listener = DecisionListener(SETUPS["cookie"])
    response = respond(listener, write_head("GET", target, [*fields, field]))
    assert response[0].startswith(b"HTTP/1.1 401")


def test_a_reload_applies_to_the_next_request() -> None:
    listener = DecisionListener(Setup())
    assert respond(listener, head())[0].startswith(b"HTTP/1.1 200")
    listener.install(Setup(policy={"asap_accepted_issuers": ("other",)}))
    assert respond(listener, head())[0].startswith(b"HTTP/1.1 401")
