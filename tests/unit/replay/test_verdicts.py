"""The decisions that a replay remembers are those of the rules at every time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.keys import RSA_KEY, RSA_PRIVATE_KEY, certificate
from tests.support.tokens import SECRET, sign
from verifier.keys.formats import parse_secret
from verifier.keys.model import KeySet
from verifier.keys.sources.settings import KeyLocations, KeySourceSettings
from verifier.replay.keys import open_keys
from verifier.replay.verdicts import TimedVerifier
from verifier.rules.engine import decide
from verifier.rules.model import AccessRequest, Allow, Decision
from verifier.rules.policy import OperatorPolicy, Policy

POLICY = Policy(asap_accepted_issuers=("app",), enable_domain_verification=False, leeway=2)
OPERATOR_POLICY = replace(
    POLICY, operator_policy=OperatorPolicy(max_token_lifetime=5, require_expiry=True)
)
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


@pytest.mark.slow
@given(st.lists(tokens(), min_size=1, max_size=3), st.data())
@settings(deadline=None)
def test_remembered_decisions_are_those_of_the_rules(
    candidates: list[str], data: st.DataObject
) -> None:
    locations = KeyLocations(secrets=(SECRET,))
    with open_keys([locations], KeySourceSettings()) as keys:
        policy = data.draw(st.sampled_from((POLICY, OPERATOR_POLICY)))
        verifier = TimedVerifier(policy, keys.resolver_for(locations), keys.run)
        for now in data.draw(st.lists(TIMES, max_size=12)):
            for token in candidates:
                for room in ("a@muc", "b@muc"):
                    request = AccessRequest(token, room)
                    expected = verdict(decide(request, policy, KEYS, now))
                    assert verdict(verifier.verify(request, now)) == expected


def test_strict_rules_compare_a_certificates_end_each_time() -> None:
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
    with open_keys([locations], KeySourceSettings()) as keys:
        verifier = TimedVerifier(policy, keys.resolver_for(locations), keys.run)
        verdicts = [verdict(verifier.verify(request, now)) for now in (10, 20, 10, 0)]
    assert verdicts == ["allowed", "key-unknown", "allowed", "key-unknown"]
