"""No two questions share an answer, whatever an operator has set and whoever has asked before."""

from __future__ import annotations

import random
from ipaddress import ip_network
from itertools import product

import pytest

from tests.support.heads import ENDPOINTS, GOOD, HOST, Field, question, written
from tests.support.sidecar import NOW, mint
from tests.support.twins import Setup, Twin, twins
from verifier.decisions.bypass import Bypass
from verifier.http.handoff import Handoff
from verifier.http.handoff_cookie import CookieScope, cookie_name, cookie_value
from verifier.http.pages import Pages
from verifier.http.proxy_auth import ProxyAuthOptions

KEY = b"a key of cookies"
PLACE = CookieScope(HOST, None, "standup")
HANDOFF = Pages(handoff=Handoff(KEY, lambda: NOW))
REDIRECT = Pages("https://login.example.org/?room={room}&code={code}&url={url}")
OTHER = "other.example.org"
PASS = f"{cookie_name(PLACE)}={cookie_value(KEY, PLACE, NOW + 60)}"

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


def questions(seed: int) -> list[bytes]:
    """Give a good part of all combinations, in some order, many of them more than once."""
    chance = random.Random(seed)  # noqa: S311  # an order, not a secret
    asked = []
    for endpoint, token, room, host in product(
        ENDPOINTS, TOKENS, ("standup", "retro", "http-bind?room=standup"), (HOST, OTHER)
    ):
        target, fields = question(endpoint, token, room, host)
        for _ in range(2):
            more = dict(chance.sample(EXTRAS, chance.randint(0, 3))) | dict(fields)
            asked.append(written(chance.choice(("GET", "HEAD")), target, [*more.items()]))
    for endpoint in ENDPOINTS:
        target, fields = question(endpoint)
        singles = [dict([extra]) | dict(fields) for extra in EXTRAS]
        asked += [written("GET", target, [*each.items()]) for each in (dict(fields), *singles)]
    asked += chance.sample(asked, len(asked) // 2)
    chance.shuffle(asked)
    return asked


@pytest.mark.parametrize("name", SETUPS)
async def test_every_answer_is_the_one_that_a_memory_without_a_past_would_give(name: str) -> None:
    setup, asked = SETUPS[name], questions(len(name))
    async with twins(setup) as pair:
        seen = await pair.alike(*asked)
        assert len(seen.answers) == len(asked)
        assert pair.fast.taken == len(asked)
        assert pair.fast.cache._entries
        assert GOOD not in f"{pair.fast.cache._entries}"
        forgetful = Twin(setup, fast=False)
        for head, answer in zip(asked, seen.answers, strict=True):
            forgetful.cache.clear()
            assert (await forgetful.see([head], rush=False)).answers == [answer], head
        await forgetful.stop()
