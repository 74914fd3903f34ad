"""Who is found by what has been taken back, and that nobody else is."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tokens import SECRET, present, segment, sign
from verifier.keys.formats import parse_secret
from verifier.keys.model import KeySet, VerificationKey
from verifier.revocation import matching
from verifier.revocation.index import RevocationIndex
from verifier.revocation.model import Revocation
from verifier.rules.engine import decide
from verifier.rules.model import STEPS, AccessRequest, Allow, Decision, DenialCode, Deny
from verifier.rules.policy import Policy
from verifier.tokens.jws import decode_base64url, read, token_digest

NOW = 1_800_000_000
LATER = NOW + 100
CLAIMS = {
    "iss": "app",
    "aud": "jitsi",
    "sub": "acme",
    "room": "Standup",
    "exp": NOW + 60,
    "iat": NOW - 60,
    "jti": "t-1",
    "context": {"user": {"id": "u-1"}, "tenant": "Other.Corp"},
}
ROOM = "[acme_corp]retro@conference.meet.example.org"


def mint(header: dict[str, Any] | None = None, **claims: Any) -> str:
    return sign(present(CLAIMS | claims), {"kid": "k-1"} | (header or {}))


def finds(
    revocation: Revocation, token: str | None, room: str | None = ROOM, prefix: str | None = None
) -> bool:
    parts = None if token is None else read(token)
    request = AccessRequest(token, room, prefix)
    return RevocationIndex([revocation]).find(request, parts, NOW) is revocation


def revoke(**members: Any) -> Revocation:
    return Revocation(**({"expires": LATER} | members))


@pytest.mark.parametrize(
    "criterion",
    [
        {"jti": "t-1"},
        {"user_id": "u-1"},
        {"kid": "k-1"},
        {"iss": "app", "issued_before": NOW},
        {"room": "retro"},
        {"room": "standup"},
        {"tenant": "acme_corp"},
        {"tenant": "acme.corp"},
        {"tenant": "acme"},
        {"tenant": "other.corp"},
        {"room": "retro", "tenant": "acme"},
        {"jti": "t-1", "user_id": "u-1", "kid": "k-1", "room": "retro"},
    ],
)
def test_a_token_that_meets_all_criteria_is_found(criterion: dict[str, Any]) -> None:
    assert finds(revoke(**criterion), mint())


@pytest.mark.parametrize(
    "criterion",
    [
        {"jti": "T-1"},
        {"user_id": "u-2"},
        {"kid": "k-2"},
        {"iss": "app", "issued_before": NOW - 60},
        {"iss": "App", "issued_before": NOW},
        {"room": "stand"},
        {"tenant": "corp"},
        {"room": "retro", "tenant": "corp"},
        {"jti": "t-1", "user_id": "u-2"},
        {"token_digest": token_digest("another")},
        {"jti": "t-1", "iss": "app", "issued_before": 1},
    ],
)
def test_one_that_meets_only_some_or_none_is_not(criterion: dict[str, Any]) -> None:
    assert not finds(revoke(**criterion), mint())


@pytest.mark.parametrize("issued_at", [..., None, "1", False, [NOW]])
def test_a_token_that_does_not_say_when_it_was_issued_counts_as_older(issued_at: Any) -> None:
    assert finds(revoke(iss="app", issued_before=1), mint(iat=issued_at))


@pytest.mark.parametrize(
    ("claims", "user_id"),
    [
        ({"context": ..., "user_id": "legacy"}, "legacy"),
        ({"context": ..., "user_id": 4711}, "4711"),
        ({"context": {"user": {"id": 4711}}}, "4711"),
    ],
)
def test_the_user_is_whom_jitsi_takes_it_for(claims: dict[str, Any], user_id: str) -> None:
    assert finds(revoke(user_id=user_id), mint(**claims))


def test_a_user_id_beside_a_context_is_nobodys() -> None:
    assert not finds(revoke(user_id="legacy"), mint(user_id="legacy"))


@pytest.mark.parametrize("odd", [None, True, [], {}, "", ["t-1"]])
def test_claims_of_other_types_are_nobodys(odd: Any) -> None:
    token = mint(jti=odd, context=odd, sub=odd, room=odd)
    for criterion in ({"jti": "t-1"}, {"user_id": "u-1"}, {"tenant": "acme"}, {"room": "standup"}):
        assert not finds(revoke(**criterion), token), criterion


def test_a_room_that_nobody_asks_for_is_the_tokens_own() -> None:
    assert finds(revoke(room="standup"), mint(), room=None)
    assert not finds(revoke(room="retro"), mint(), room=None)
    assert finds(revoke(room="standup", tenant="corp"), mint(room="[Corp]Standup"), room=None)


def test_a_wildcard_token_is_refused_in_the_room_and_nowhere_else() -> None:
    closed = revoke(room="retro")
    assert finds(closed, mint(room="*"))
    assert not finds(closed, mint(room="*"), room="other@conference.meet.example.org")


def test_guests_are_told_by_room_and_tenant_only() -> None:
    assert finds(revoke(room="retro"), None)
    assert finds(revoke(tenant="acme_corp"), None)
    assert finds(revoke(tenant="acme"), None, "retro@conference", prefix="acme")
    assert not finds(revoke(jti="t-1"), None)
    assert not finds(revoke(room="retro", jti="t-1"), None)


def test_a_token_is_told_by_its_digest() -> None:
    token = mint()
    assert finds(revoke(token_digest=token_digest(token)), token)
    assert not finds(revoke(token_digest=token_digest(token)), mint(jti="t-2"))


@pytest.mark.parametrize(
    ("curve", "algorithm"),
    [(ec.SECP256R1(), "ES256"), (ec.SECP384R1(), "ES384"), (ec.SECP521R1(), "ES512")],
)
def test_the_twin_of_an_ecdsa_signature_is_refused_with_it(
    curve: ec.EllipticCurve, algorithm: str
) -> None:
    private = ec.generate_private_key(curve)
    key = VerificationKey(None, frozenset({algorithm}), private.public_key(), "file")
    token = sign(CLAIMS, key=private, algorithm=algorithm)
    head, _, tail = token.rpartition(".")
    raw = decode_base64url(tail.encode())
    half = len(raw) // 2
    s = matching.ORDERS[algorithm] - int.from_bytes(raw[half:])
    twin = f"{head}.{segment(raw[:half] + s.to_bytes(half))}"
    assert twin != token
    policy = Policy(signature_algorithm=algorithm, asap_accepted_issuers=("app",))
    for revoked in (token, twin):
        known = RevocationIndex([revoke(token_digest=token_digest(revoked))])
        for asked in (token, twin):
            request = AccessRequest(asked)
            assert isinstance(decide(request, policy, KeySet((key,)), NOW), Allow)
            found = decide(request, policy, KeySet((key,)), NOW, revoked=known.check)
            assert isinstance(found, Deny)
            assert found.code is DenialCode.REVOKED


def test_what_has_ended_refuses_nobody_and_goes() -> None:
    known = RevocationIndex([revoke(jti="t-1", expires=NOW), revoke(kid="k-9", expires=NOW + 1)])
    request, token = AccessRequest(mint()), read(mint())
    assert known.find(request, token, NOW - 1) is not None
    assert known.find(request, token, NOW) is None
    known.purge(NOW)
    assert len(known) == 1
    known.purge(NOW + 1)
    assert len(known) == 0


def test_purging_is_done_in_portions_and_comes_to_an_end() -> None:
    known = RevocationIndex(revoke(jti=str(number), expires=NOW) for number in range(2_500))
    left = []
    while len(known):
        known.purge(NOW)
        left.append(len(known))
    assert left == [1_500, 500, 0]


def test_the_same_criteria_again_replace_reason_and_end() -> None:
    known = RevocationIndex([revoke(jti="t-1", expires=NOW + 5)])
    for end in range(NOW + 10, NOW + 5_000):
        known.put(revoke(jti="t-1", expires=end, reason="again"))
    assert len(known) == 1
    known.purge(NOW + 10)
    found = known.find(AccessRequest(mint()), read(mint()), NOW + 10)
    assert found is not None
    assert found.reason == "again"


def test_what_is_removed_refuses_nobody() -> None:
    one, other = revoke(jti="t-1"), revoke(jti="t-1", kid="k-1")
    known = RevocationIndex([one, other])
    assert known.remove(one.id)
    assert not known.remove(one.id)
    request, token = AccessRequest(mint()), read(mint())
    assert known.find(request, token, NOW) is other
    assert known.remove(other.id)
    assert known.find(request, token, NOW) is None


moments = st.integers(NOW - 5, NOW + 5)


@given(st.dictionaries(moments, moments, min_size=1), st.integers(NOW - 6, NOW + 6))
def test_of_many_moments_of_one_issuer_any_that_holds_counts(
    ends: dict[int, int], issued_at: int
) -> None:
    every = [revoke(iss="app", issued_before=before, expires=end) for before, end in ends.items()]
    found = RevocationIndex(every).find(
        AccessRequest("t"), read(sign({"iss": "app", "iat": issued_at})), NOW
    )
    expected = any(end > NOW and issued_at < before for before, end in ends.items())
    assert (found is not None) is expected


def judged(token: str | None, known: RevocationIndex, **policy: Any) -> Decision:
    accepted = Policy(asap_accepted_issuers=("app",), enable_domain_verification=False, **policy)
    keys = KeySet((VerificationKey(None, frozenset({"HS256"}), SECRET.encode(), "secret"),))
    request = AccessRequest(token, "standup@conference", "")
    return decide(request, accepted, keys, NOW, revoked=known.check)


def test_revocation_comes_behind_the_token_and_before_the_room() -> None:
    known = RevocationIndex([revoke(jti="t-1", reason="not for clients", expires=NOW + 7)])
    refused = judged(mint(room="elsewhere"), known)
    assert refused == Deny(
        DenialCode.REVOKED, "revoked by jti", reason="revoked", key_id="k-1", until=NOW + 7
    )
    assert refused.answer == ("not-allowed", "revoked")
    expired = judged(mint(exp=NOW - 1), known)
    assert isinstance(expired, Deny)
    assert expired.code is DenialCode.TOKEN_EXPIRED
    assert STEPS.index("revocation") == STEPS.index("room address") - 1


def test_guests_stay_out_of_a_room_that_is_closed() -> None:
    known = RevocationIndex([revoke(room="standup")])
    refused = judged(None, known, allow_empty_token=True)
    assert isinstance(refused, Deny)
    assert refused.code is DenialCode.REVOKED
    assert isinstance(judged(None, RevocationIndex(), allow_empty_token=True), Allow)


@pytest.mark.parametrize(
    ("admitted_before", "user", "code"),
    [
        (True, "u-1", DenialCode.REVOKED),
        (True, "u-2", DenialCode.TOKEN_EXPIRED),
        (False, "u-1", DenialCode.TOKEN_EXPIRED),
    ],
)
def test_whoever_was_inside_does_not_return_by_an_expired_token_once_taken_back(
    admitted_before: bool, user: str, code: DenialCode
) -> None:
    policy = Policy(asap_accepted_issuers=("app",), muc_mapper_domain_base="meet.example.org")
    keys = KeySet(static=(parse_secret(SECRET),))
    request = AccessRequest(mint(exp=NOW - 5), ROOM, admitted_before=admitted_before)
    taken_back = RevocationIndex([revoke(user_id=user)]).check
    decision = decide(request, policy, keys, NOW, revoked=taken_back)
    assert isinstance(decision, Deny)
    assert decision.code is code
    forged = AccessRequest(mint(exp=NOW - 5)[:-8] + "AAAAAAAA", ROOM, admitted_before=True)
    decision = decide(forged, policy, keys, NOW, revoked=taken_back)
    assert isinstance(decision, Deny)
    assert decision.code is DenialCode.SIGNATURE_INVALID
