from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.rules import KEYS, NOW, POLICY, ROOM, code_of, mint
from tests.support.tokens import sign
from verifier import AccessRequest, Allow, Decision, DenialCode, Deny, decide
from verifier.decisions.cache import DecisionCache
from verifier.rules.denials import ANSWERS
from verifier.rules.policy import OperatorPolicy

MODERATOR: dict[str, Any] = {"user": {"id": "u-1", "moderator": True}}
PATTERN: dict[str, Any] = {"user": {"id": "u-1"}, "room": {"regex": True}}
DAY = 86_400


def ask(token: str | None, now: float = NOW, leeway: float = 0, **options: Any) -> Decision:
    """Decide with these ``[policy]`` options; ``policy`` and ``request`` replace other fields."""
    policy = replace(POLICY, leeway=leeway, **options.pop("policy", {}))
    request = AccessRequest(token, **{"room_jid": ROOM, **options.pop("request", {})})
    return decide(request, replace(policy, operator_policy=OperatorPolicy(**options)), KEYS, now)


@pytest.mark.parametrize(
    ("option", "claims", "code"),
    [
        ({"forbid_wildcard_room": True}, {"room": "*"}, "policy-wildcard-room"),
        ({"forbid_wildcard_sub": True}, {"sub": "*"}, "policy-wildcard-sub"),
        ({"forbid_room_patterns": True}, {"context": PATTERN}, "policy-room-pattern"),
        ({"max_token_lifetime": 59}, {}, "policy-token-lifetime"),
        ({"max_token_lifetime": DAY}, {"exp": ...}, "policy-token-lifetime"),
        ({"require_jti": True}, {}, "policy-jti-missing"),
        ({"require_jti": True}, {"jti": ""}, "policy-jti-missing"),
        ({"require_jti": True}, {"jti": 5}, "policy-jti-missing"),
        ({"require_expiry": True}, {"exp": ...}, "policy-expiry-missing"),
        ({"require_user_id": True}, {"context": ...}, "policy-user-id-missing"),
        ({"require_user_id": True}, {"context": {"user": {"id": " "}}}, "policy-user-id-missing"),
        ({"require_user_id": True}, {"context": {"user": {"id": None}}}, "policy-user-id-missing"),
    ],
)
def test_each_option_denies_what_jitsi_accepts(
    option: dict[str, Any], claims: dict[str, Any], code: str
) -> None:
    token = mint(**claims)
    refused = ask(token, **option)
    assert code_of(refused) == code
    assert isinstance(refused, Deny)
    assert refused.answer == ("not-allowed", ANSWERS[refused.code][1])
    assert refused.detail
    assert isinstance(ask(token), Allow)


@pytest.mark.parametrize(
    ("option", "claims"),
    [
        ({"forbid_wildcard_room": True, "forbid_wildcard_sub": True}, {}),
        ({"forbid_room_patterns": True}, {"context": {"room": {"regex": False}}}),
        ({"max_token_lifetime": 60}, {}),
        ({"max_token_lifetime": 120}, {"iat": NOW - 60}),
        ({"require_jti": True}, {"jti": "one"}),
        ({"require_expiry": True}, {}),
        ({"require_user_id": True}, {}),
        ({"require_user_id": True}, {"context": {"user": {"id": 0}}}),
        ({"require_user_id": True}, {"context": ..., "user_id": "u-9"}),
        ({"moderators_create_rooms": True}, {}),
    ],
)
def test_each_option_allows_everything_else(option: dict[str, Any], claims: dict[str, Any]) -> None:
    assert isinstance(ask(mint(**claims), **option), Allow)


def test_options_are_checked_in_the_order_of_their_codes() -> None:
    everything: dict[str, Any] = {
        "forbid_wildcard_room": True,
        "forbid_wildcard_sub": True,
        "forbid_room_patterns": True,
        "max_token_lifetime": 30,
        "require_jti": True,
        "require_expiry": True,
        "require_user_id": True,
        "moderators_create_rooms": True,
    }
    opened: dict[str, Any] = {"request": {"creates_room": True}}
    claims: dict[str, Any] = {"room": "*", "sub": "*", "context": {"room": {"regex": True}}}
    mended: dict[str, Any] = {
        "room": {"room": "standup"},
        "sub": {"sub": "meet.example.org"},
        "pattern": {"context": {}},
        "lifetime": {"exp": NOW + 30},
        "jti": {"jti": "one"},
        "user": {"context": {"user": {"id": "u-1"}}},
        "moderator": {"context": MODERATOR},
    }
    found = []
    for mend in mended.values():
        found.append(code_of(ask(mint(**claims), **everything, **opened)))
        claims |= mend
    assert isinstance(ask(mint(**claims), **everything, **opened), Allow)
    operator_policy = [code for code in DenialCode if code.startswith("policy-")]
    assert found == [code for code in operator_policy if code != "policy-expiry-missing"]


def test_operator_policy_comes_between_token_and_room() -> None:
    assert code_of(ask(mint(exp=NOW), require_jti=True)) == "token-expired"
    assert code_of(ask(mint(room="other"), require_jti=True)) == "policy-jti-missing"
    request = AccessRequest(mint(), ROOM)

    def revoked(*_: Any) -> Deny:
        return Deny(DenialCode.REVOKED)

    strict = replace(POLICY, operator_policy=OperatorPolicy(require_jti=True))
    assert code_of(decide(request, strict, KEYS, NOW, revoked=revoked)) == "policy-jti-missing"
    assert code_of(decide(request, POLICY, KEYS, NOW, revoked=revoked)) == "revoked"


def test_denial_by_operator_policy_carries_the_key_id() -> None:
    refused = ask(mint({"kid": "k-1"}), require_jti=True)
    assert isinstance(refused, Deny)
    assert refused.key_id == "k-1"


def test_absent_room_claim_counts_as_wildcard() -> None:
    optional = {"asap_require_room_claim": False}
    token = mint(room=...)
    assert isinstance(ask(token, policy=optional), Allow)
    assert code_of(ask(token, policy=optional, forbid_wildcard_room=True)) == "policy-wildcard-room"


def test_wildcards_are_denied_without_domain_verification_too() -> None:
    plain = {"enable_domain_verification": False}
    refused = ask(mint(room="*"), policy=plain, forbid_wildcard_room=True)
    assert code_of(refused) == "policy-wildcard-room"
    refused = ask(mint(sub="*"), policy=plain, forbid_wildcard_sub=True)
    assert code_of(refused) == "policy-wildcard-sub"


@pytest.mark.parametrize(
    ("claims", "seconds"),
    [
        ({"iat": NOW - 1000, "exp": NOW + 60}, 1060),
        # An iat in the future makes no token shorter.
        ({"iat": NOW + DAY, "exp": NOW + 2 * DAY}, 2 * DAY),
        ({"iat": NOW + 1e18, "exp": NOW + 60}, 60),
        ({"iat": 1e-9, "exp": NOW + 60}, NOW + 60),
        ({"iat": -(2**62), "exp": NOW + 60}, 2**62),
        ({"iat": "soon", "exp": NOW + 60}, 60),
        ({"iat": True, "exp": NOW + 60}, 60),
        ({"iat": None, "exp": NOW + 60.5}, 60.5),
        ({"exp": 2**62}, 2**62 - NOW),
        ({"exp": 9.2e18}, 9.2e18),
    ],
)
def test_lifetime_counts_from_iat_or_now_to_exp(claims: dict[str, Any], seconds: float) -> None:
    token = mint(**claims)
    assert isinstance(ask(token, max_token_lifetime=seconds * 1.000001), Allow)
    short = ask(token, max_token_lifetime=seconds * 0.999)
    assert code_of(short) == "policy-token-lifetime"


def test_leeway_covers_an_iat_in_the_near_future() -> None:
    token = mint(iat=NOW + 2, exp=NOW + 62)
    assert code_of(ask(token, max_token_lifetime=60)) == "policy-token-lifetime"
    assert isinstance(ask(token, max_token_lifetime=60, leeway=5), Allow)


@pytest.mark.parametrize("payload", ['{"exp":NaN}', '{"exp":1e999}', '{"exp":1,"exp":1e400}'])
def test_nan_and_infinity_are_no_lifetime(payload: str) -> None:
    claims = f'{{"iss":"app","aud":"jitsi","sub":"a","room":"*",{payload[1:]}'.encode()
    assert isinstance(ask(sign(claims), max_token_lifetime=60), Deny)


@given(
    iat=st.none() | st.integers(NOW - 10 * DAY, NOW + 10 * DAY) | st.floats(NOW - DAY, NOW + DAY),
    left=st.integers(1, 10 * DAY),
    longest=st.integers(1, 5 * DAY),
)
def test_lifetime_denial_ends_when_it_says(iat: float | None, left: int, longest: int) -> None:
    token = mint(exp=NOW + left, iat=... if iat is None else iat)
    decision = ask(token, max_token_lifetime=longest)
    if isinstance(decision, Allow):
        assert left <= longest
        return
    assert left > longest or (iat is not None and NOW + left - iat > longest)
    later = [NOW + left - 0.5, NOW + left - min(left, longest) + 0.5]
    assert decision.until is not None
    if decision.until == NOW + left:  # the token's end
        assert all(isinstance(ask(token, at, max_token_lifetime=longest), Deny) for at in later)
        assert code_of(ask(token, decision.until, max_token_lifetime=longest)) == "token-expired"
    else:
        before, after = decision.until - 0.25, decision.until + 0.25
        assert isinstance(ask(token, before, max_token_lifetime=longest), Deny)
        assert isinstance(ask(token, after, max_token_lifetime=longest), Allow)


def test_denial_is_cached_only_until_it_ends() -> None:
    cache = DecisionCache(ttl=30)
    token = mint(exp=NOW + 70)
    refused = ask(token, max_token_lifetime=60)
    assert cache.valid_until(refused, NOW) == NOW + 10
    lenient = ask(token, leeway=3, max_token_lifetime=60)
    assert cache.valid_until(lenient, NOW) == NOW + 7
    assert isinstance(ask(token, NOW + 7, leeway=3, max_token_lifetime=60), Allow)
    with_iat = ask(mint(exp=NOW + 70, iat=NOW), max_token_lifetime=60)
    assert cache.valid_until(with_iat, NOW) == NOW + 30


def test_only_moderators_create_rooms() -> None:
    option: dict[str, Any] = {"moderators_create_rooms": True, "request": {"creates_room": True}}
    assert code_of(ask(mint(), **dict(option))) == "policy-moderator-required"
    assert isinstance(ask(mint(context=MODERATOR), **dict(option)), Allow)
    assert isinstance(ask(mint(), request={"creates_room": True}), Allow)


def test_guests_never_create_rooms() -> None:
    for guests in (True, False):
        policy = {"allow_empty_token": guests}
        new = ask(None, policy=policy, moderators_create_rooms=True, request={"creates_room": True})
        assert code_of(new) == "policy-moderator-required"
    assert isinstance(
        ask(None, policy={"allow_empty_token": True}, moderators_create_rooms=True), Allow
    )
    assert code_of(ask(None, moderators_create_rooms=True)) == "token-missing"


def test_other_options_do_not_concern_guests() -> None:
    policy = {"allow_empty_token": True}
    assert isinstance(ask(None, policy=policy, require_jti=True, max_token_lifetime=1), Allow)
