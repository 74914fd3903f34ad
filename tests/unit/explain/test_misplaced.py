"""Claims in the wrong place are found, wherever they stand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.explanations import GOOD, KEYS, NOW, POLICY, RS256, check_suggestion, signed
from tests.support.tokens import segment, sign
from verifier.explain import explain
from verifier.explain.misplaced import find_misplaced
from verifier.keys.model import KeySet
from verifier.rules.model import AccessRequest
from verifier.rules.policy import OperatorPolicy
from verifier.tokens.claims import Claims


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("iss", "issuer-missing"),
        ("aud", "audience-missing"),
        ("sub", "subject-missing"),
        ("room", "room-claim-missing"),
    ],
)
@pytest.mark.parametrize("wrapper", ["context", "payload", "claims", "data"])
def test_claim_within_another_object_is_found(name: str, code: str, wrapper: str) -> None:
    claims = {other: value for other, value in GOOD.items() if other not in (name, "context")}
    token = sign(claims | {wrapper: {name: GOOD[name]}})
    words = "one bracket too late" if wrapper == "context" else "one level too deep"
    check_suggestion(code, token, f"{name} stands within {wrapper}: {words}")


def test_claims_are_found_deeper_and_in_the_header() -> None:
    inner = {"context": {"user": {"id": "7", "iss": "app"}}}
    check_suggestion("issuer-missing", signed(iss=..., **inner), "iss stands within context.user")
    check_suggestion("issuer-missing", signed({"iss": "app"}, iss=...), "the token's header")
    listed = [{"iss": "app"}]
    check_suggestion("issuer-missing", signed(iss=..., claims=listed), "within claims[0]")


def test_other_name_of_a_claim_is_found() -> None:
    found = check_suggestion("issuer-missing", signed(iss=..., issuer="app"), "issuer")
    assert found.startswith("The token has issuer, but the claim's name is iss.")


def test_header_parameters_in_the_payload_are_found() -> None:
    keys = KeySet()
    token = signed(kid="k-1")
    check_suggestion(
        "key-id-missing", token, "kid stands within the payload", policy=RS256, keys=keys
    )
    without = f"{segment({'alg': 'HS256'})}.{segment(GOOD | {'typ': 'JWT'})}.{segment(b'x')}"
    check_suggestion("type-not-jwt", without, "typ stands within the payload")


def notes(**claims: Any) -> str:
    request = AccessRequest(signed(**claims), "standup@conference.meet.jitsi", "")
    return "\n".join(explain(request, POLICY, KEYS, NOW).notes)


def test_time_without_effect_is_noted() -> None:
    found = notes(exp=..., context={"exp": NOW - 5, "nbf": NOW + 5, "user": {"id": "7"}})
    assert "exp stands within context, where it never ends the token" in found
    assert "nbf stands within context, where it does not delay the token" in found
    assert "stands within" not in notes(context={"user": {"id": "7", "exp": 5}})


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"context": {"moderator": True, "user": {"id": "7"}}}, "moderator stands within context"),
        ({"context": {"user": {"id": "7"}, "features": {"moderator": True}}}, "context.features"),
        ({"context": {"name": "Ada", "id": "7"}}, "id and name stand within context"),
        ({"user": {"id": "7"}, "context": {}}, "user stands at the top level of the token"),
        ({"features": {"recording": True}}, "features stands at the top level of the token"),
        ({"recording": True}, "recording stands at the top level of the token"),
        (
            {"context": {"user": {"id": "7", "recording": True}}},
            "recording stands within context.user",
        ),
        ({"context": ..., "data": {"context": {}}}, "context stands within data"),
    ],
)
def test_right_without_effect_is_noted(claims: dict[str, Any], words: str) -> None:
    assert words in notes(**claims)


def test_operator_policy_names_the_place() -> None:
    policy = replace(POLICY, operator_policy=OperatorPolicy(require_jti=True))
    token = signed(context={"jti": "a", "user": {"id": "7"}})
    check_suggestion("policy-jti-missing", token, "jti stands within context", policy=policy)
    policy = replace(POLICY, operator_policy=OperatorPolicy(require_expiry=True))
    token = signed(exp=..., context={"exp": NOW + 60, "user": {"id": "7"}})
    check_suggestion("policy-expiry-missing", token, "exp stands within context", policy=policy)
    policy = replace(POLICY, operator_policy=OperatorPolicy(require_user_id=True))
    token = signed(context={"id": "7", "user": {"name": "Ada"}})
    check_suggestion("policy-user-id-missing", token, "id stands within context", policy=policy)


def test_deep_and_wide_claims_are_searched_up_to_a_bound() -> None:
    deep: dict[str, Any] = {"exp": 5}
    for _ in range(50):
        deep = {"a": deep}
    assert not list(find_misplaced(Claims(deep), {}))
    wide = {"a": [{"exp": 5}] * 900, "b": {"exp": 5}}
    assert len(list(find_misplaced(Claims(wide), {}))) == 1
