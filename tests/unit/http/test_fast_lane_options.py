"""No two requests share a response, whatever the options and the earlier requests are."""

from __future__ import annotations

import random
from ipaddress import ip_network
from itertools import product

import pytest

from tests.support.heads import ENDPOINTS, GOOD, HOST, Field, proxy_request, write_head
from tests.support.reader_pair import DecisionListener, Setup, reader_pair
from tests.support.sidecar import NOW, mint
from verifier.decisions.bypass import Bypass
from verifier.http.handoff import Handoff
from verifier.http.handoff_cookie import CookieScope, cookie_name, cookie_value
from verifier.http.pages import Pages
from verifier.http.proxy_auth import ProxyAuthOptions

pytestmark = pytest.mark.slow  # each request is sent in two ways

KEY = b"a key of cookies"
SCOPE = CookieScope(HOST, None, "standup")
HANDOFF = Pages(handoff=Handoff(KEY, lambda: NOW))
REDIRECT = Pages("https://login.example.org/?room={room}&code={code}&url={url}")
OTHER = "other.example.org"
PASS = f"{cookie_name(SCOPE)}={cookie_value(KEY, SCOPE, NOW + 60)}"

SETUPS = {
    "plain": Setup(),
    "guests": Setup(policy={"allow_empty_token": True}),
    "cookie": Setup(ProxyAuthOptions(token_cookie="jwt")),
    "bypass": Setup(ProxyAuthOptions(bypass=Bypass([ip_network("10.9.0.0/16")], ["unix"]))),
    "report-only": Setup(ProxyAuthOptions(report_only=True)),
    "redirect": Setup(ProxyAuthOptions(pages=REDIRECT)),
    "hand-off": Setup(ProxyAuthOptions(pages=HANDOFF)),
    "all": Setup(
        ProxyAuthOptions(
            token_cookie="jwt",
            pages=Pages("https://login.example.org/{code}", Handoff(KEY, lambda: NOW)),
            bypass=Bypass([ip_network("10.9.0.0/16")], ["unix"]),
        )
    ),
    "hosts": Setup(hosts={HOST: {}, OTHER: {"asap_accepted_issuers": ("other",)}}),
}
TOKENS = (GOOD, mint(room="*", iss="other"), mint(exp=NOW - 1), None)
EXTRAS: tuple[Field, ...] = (
    ("Cookie", f"jwt={GOOD}"),
    ("Cookie", f"a=b; {PASS}"),
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
)


def all_requests(seed: int) -> list[bytes]:
    """Return many combinations in random order, some of them more than once."""
    chance = random.Random(seed)  # noqa: S311  # an order, not a secret
    requests = []
    for endpoint, token, room, host in product(
        ENDPOINTS, TOKENS, ("standup", "retro", "http-bind?room=standup"), (HOST, OTHER)
    ):
        target, fields = proxy_request(endpoint, token, room, host)
        for _ in range(2):
            more = dict(chance.sample(EXTRAS, chance.randint(0, 3))) | dict(fields)
            requests.append(write_head(chance.choice(("GET", "HEAD")), target, [*more.items()]))
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
async def test_a_cached_response_equals_an_uncached_one(name: str) -> None:
    setup, requests = SETUPS[name], all_requests(len(name))
    async with reader_pair(setup) as pair:
        observed = await pair.compare(*requests)
        assert len(observed.responses) == len(requests)
        assert pair.fast.fast_count == len(requests)
        assert pair.fast.cache._entries
        assert GOOD not in f"{pair.fast.cache._entries}"
        uncached = DecisionListener(setup, fast=False)
        for head, answer in zip(requests, observed.responses, strict=True):
            uncached.cache.clear()
            assert (await uncached.exchange([head], pipelined=False)).responses == [answer], head
        await uncached.stop()
