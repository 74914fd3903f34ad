"""A decision says for how long time does not change it, so that it can be cached."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.rules import KEYS, NOW, POLICY, ROOM, code_of, mint
from verifier import AccessRequest, Allow, Decision, decide
from verifier.revocation.index import RevocationIndex
from verifier.revocation.model import Revocation
from verifier.rules.policy import OperatorPolicy, Policy

ENDS = NOW + 60
REGEX = {"room": {"regex": True}}


def ask(token: str, policy: Policy, now: float, *revocations: Revocation) -> Decision:
    check = RevocationIndex(revocations).check
    return decide(AccessRequest(token, ROOM), policy, KEYS, now, revoked=check)


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": "other"}, "issuer-not-accepted"),
        ({"aud": "other"}, "audience-not-accepted"),
        ({"room": ...}, "room-claim-missing"),
        ({"sub": ...}, "subject-missing"),
        ({"context": "x"}, "claim-malformed"),
        ({"room": "*"}, "policy-wildcard-room"),
        ({"jti": "t-1"}, "revoked"),
        ({"room": "["} | {"context": REGEX}, "room-pattern-invalid"),
        ({"room": "other"}, "room-mismatch"),
        ({"sub": "other.example.org"}, "domain-mismatch"),
        ({"nbf": ENDS + 10}, "token-not-yet-valid"),
        ({"nbf": False}, "not-before-malformed"),
    ],
)
@pytest.mark.parametrize("leeway", [0, 5])
def test_denial_ends_with_its_token(claims: dict[str, Any], code: str, leeway: int) -> None:
    rules = OperatorPolicy(forbid_wildcard_room=True)
    policy = replace(POLICY, leeway=leeway, operator_policy=rules)
    revocation, token = Revocation(jti="t-1", expires=ENDS + 100), mint(**claims)
    decision = ask(token, policy, NOW, revocation)
    assert code_of(decision) == code
    assert not isinstance(decision, Allow)
    assert decision.until == ENDS + leeway
    assert code_of(ask(token, policy, decision.until - 0.5, revocation)) == code
    assert code_of(ask(token, policy, decision.until, revocation)) == "token-expired"


def test_denial_without_an_end_of_its_token_has_none() -> None:
    decision = ask(mint(room="other", exp=...), POLICY, NOW)
    assert not isinstance(decision, Allow)
    assert (decision.code, decision.until) == ("room-mismatch", None)


def test_expired_token_has_no_end() -> None:
    decision = ask(mint(exp=NOW), POLICY, NOW)
    assert not isinstance(decision, Allow)
    assert decision.until is None


TIMES = st.none() | st.integers(-100, 100) | st.floats(-100, 100)


@given(
    times=st.fixed_dictionaries(dict.fromkeys(("exp", "nbf", "iat"), TIMES)),
    other=st.sampled_from([{}, {"room": "other"}, {"iss": "other"}, {"sub": "x"}, {"jti": "t"}]),
    leeway=st.sampled_from([0, 7]),
    lifetime=st.sampled_from([None, 20]),
    later=st.floats(0, 200),
)
def test_decision_does_not_change_before_its_end(
    times: dict[str, float | None],
    other: dict[str, Any],
    leeway: int,
    lifetime: int | None,
    later: float,
) -> None:
    claims = {name: ... if at is None else NOW + at for name, at in times.items()}
    rules = OperatorPolicy(max_token_lifetime=lifetime)
    policy = replace(POLICY, leeway=leeway, operator_policy=rules)
    token, revocation = mint(**(claims | other)), Revocation(jti="t", expires=NOW + 40)
    decision = ask(token, policy, NOW, revocation)
    ends = decision.expires_at if isinstance(decision, Allow) else decision.until
    then = ask(token, policy, NOW + later, revocation)
    if NOW + later < (inf if ends is None else ends):
        assert type(then) is type(decision)
        assert isinstance(then, Allow) or then.code == code_of(decision)
