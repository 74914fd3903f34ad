"""What is remembered for speed changes no verdict, and what is asked for stays within bounds."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.key_server import running_key_server
from tests.support.keys import RSA_KEY, RSA_PRIVATE_KEY, certificate
from tests.support.tokens import SECRET, sign
from verifier.keys.formats import parse_secret
from verifier.keys.model import KeySet
from verifier.keys.resolver import open_resolver
from verifier.keys.sources.http import open_session
from verifier.keys.sources.settings import KeyLocations, KeySourceSettings
from verifier.replay import Court, KeyDesk, open_desks
from verifier.replay import keys as replay_keys
from verifier.rules.engine import decide
from verifier.rules.model import AccessRequest, Allow, Decision
from verifier.rules.policy import OperatorPolicy, Policy

POLICY = Policy(asap_accepted_issuers=("app",), enable_domain_verification=False, leeway=2)
HOUSE = replace(POLICY, operator_policy=OperatorPolicy(max_token_lifetime=5, require_expiry=True))
KEYS = KeySet((parse_secret(SECRET),))
TIMES = st.integers(0, 20)


def verdict(decision: Decision) -> str:
    return "allowed" if isinstance(decision, Allow) else decision.code


@st.composite
def tokens(draw: st.DrawFn) -> str:
    claims = {"iss": "app", "aud": "x", "sub": "x", "room": "a"}
    times = {name: draw(TIMES) for name in ("nbf", "exp") if draw(st.booleans())}
    wrong = {"iss": "b"} if draw(st.booleans()) else {}
    return sign(claims | times | wrong, key=SECRET if draw(st.booleans()) else SECRET[::-1])


@given(st.lists(tokens(), min_size=1, max_size=3), st.data())
@settings(deadline=None)
def test_a_court_that_remembers_says_what_the_rules_say(
    every: list[str], data: st.DataObject
) -> None:
    with open_desks([KeyLocations(secrets=(SECRET,))], KeySourceSettings()) as desks:
        policy = data.draw(st.sampled_from((POLICY, HOUSE)))
        court = Court(policy, desks.of(KeyLocations(secrets=(SECRET,))))
        for now in data.draw(st.lists(TIMES, max_size=12)):
            for token in every:
                for room in ("a@muc", "b@muc"):
                    request = AccessRequest(token, room)
                    said = verdict(court.judge(request, now))
                    assert said == verdict(decide(request, policy, KEYS, now))


def test_hosts_with_the_same_keys_share_a_desk() -> None:
    one, two = KeyLocations(secrets=(SECRET,)), KeyLocations(secrets=(SECRET * 2,))
    with open_desks([one, two, one], KeySourceSettings()) as desks:
        assert desks.of(one) is desks.of(KeyLocations(secrets=(SECRET,)))
        assert desks.of(one) is not desks.of(two)


async def test_invented_key_ids_are_asked_for_a_bounded_number_of_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replay_keys, "_MOST_ASKED", 20)
    loop = asyncio.get_running_loop()
    async with running_key_server() as server, open_session() as session:
        ring = open_resolver(KeyLocations(asap_url=server.url), session)
        desk = KeyDesk(ring, lambda work: asyncio.run_coroutine_threadsafe(work, loop).result())

        def ask() -> list[bool]:
            return [desk.find(f"invented-{number % 50}").unavailable for number in range(100)]

        unavailable = await asyncio.to_thread(ask)
        assert len(server.requests) == 20
        assert unavailable == ([False] * 20 + [True] * 30) * 2
        await ring.close()


def test_a_court_of_strict_rules_looks_at_a_certificates_end_each_time() -> None:
    text = certificate(RSA_KEY, 5, 15)
    locations = KeyLocations(public_keys={"k": text})
    policy = replace(
        POLICY,
        signature_algorithm="RS256",
        muc_mapper_domain_base="x",
        strict=True,
    )
    token = sign(
        {"iss": "app", "aud": "x", "sub": "x", "room": "a"},
        {"kid": "k"},
        RSA_PRIVATE_KEY,
        "RS256",
    )
    request = AccessRequest(token, "a@conference.x")
    with open_desks([locations], KeySourceSettings()) as desks:
        court = Court(policy, desks.of(locations))
        told = [verdict(court.judge(request, now)) for now in (10, 20, 10, 0)]
    assert told == ["allowed", "key-unknown", "allowed", "key-unknown"]
