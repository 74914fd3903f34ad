"""Which requests the index finds revoked, and which it does not."""

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
def test_a_token_that_matches_all_criteria_is_found(criterion: dict[str, Any]) -> None:
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
def test_token_must_match_all_criteria(criterion: dict[str, Any]) -> None:
    assert not finds(revoke(**criterion), mint())


@pytest.mark.parametrize("issued_at", [..., None, "1", False, [NOW]])
def test_a_token_without_a_valid_iat_counts_as_older(issued_at: Any) -> None:
    assert finds(revoke(iss="app", issued_before=1), mint(iat=issued_at))


@pytest.mark.parametrize(
    ("claims", "user_id"),
    [
        ({"context": ..., "user_id": "legacy"}, "legacy"),
        ({"context": ..., "user_id": 4711}, "4711"),
        ({"context": {"user": {"id": 4711}}}, "4711"),
    ],
)
def test_the_user_id_is_the_one_that_jitsi_reads(claims: dict[str, Any], user_id: str) -> None:
    assert finds(revoke(user_id=user_id), mint(**claims))


def test_user_id_beside_a_context_is_ignored() -> None:
    assert not finds(revoke(user_id="legacy"), mint(user_id="legacy"))


@pytest.mark.parametrize("odd", [None, True, [], {}, "", ["t-1"]])
def test_claims_of_other_types_match_nothing(odd: Any) -> None:
    token = mint(jti=odd, context=odd, sub=odd, room=odd)
    for criterion in ({"jti": "t-1"}, {"user_id": "u-1"}, {"tenant": "acme"}, {"room": "standup"}):
        assert not finds(revoke(**criterion), token), criterion


def test_without_a_requested_room_the_room_claim_counts() -> None:
    assert finds(revoke(room="standup"), mint(), room=None)
    assert not finds(revoke(room="retro"), mint(), room=None)
    assert finds(revoke(room="standup", tenant="corp"), mint(room="[Corp]Standup"), room=None)


def test_a_revoked_room_denies_wildcard_tokens_there_only() -> None:
    closed = revoke(room="retro")
    assert finds(closed, mint(room="*"))
    assert not finds(closed, mint(room="*"), room="other@conference.meet.example.org")


def test_guests_match_by_room_and_tenant_only() -> None:
    assert finds(revoke(room="retro"), None)
    assert finds(revoke(tenant="acme_corp"), None)
    assert finds(revoke(tenant="acme"), None, "retro@conference", prefix="acme")
    assert not finds(revoke(jti="t-1"), None)
    assert not finds(revoke(room="retro", jti="t-1"), None)


def test_a_token_matches_by_its_digest() -> None:
    token = mint()
    assert finds(revoke(token_digest=token_digest(token)), token)
    assert not finds(revoke(token_digest=token_digest(token)), mint(jti="t-2"))


@pytest.mark.parametrize(
    ("curve", "algorithm"),
    [(ec.SECP256R1(), "ES256"), (ec.SECP384R1(), "ES384"), (ec.SECP521R1(), "ES512")],
)
def test_the_ecdsa_twin_of_a_revoked_token_is_denied(
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
        index = RevocationIndex([revoke(token_digest=token_digest(revoked))])
        for presented in (token, twin):
            request = AccessRequest(presented)
            assert isinstance(decide(request, policy, KeySet((key,)), NOW), Allow)
            found = decide(request, policy, KeySet((key,)), NOW, revoked=index.check)
            assert isinstance(found, Deny)
            assert found.code is DenialCode.REVOKED


def test_an_ended_revocation_denies_nothing_and_is_purged() -> None:
    index = RevocationIndex([revoke(jti="t-1", expires=NOW), revoke(kid="k-9", expires=NOW + 1)])
    request, token = AccessRequest(mint()), read(mint())
    assert index.find(request, token, NOW - 1) is not None
    assert index.find(request, token, NOW) is None
    index.purge(NOW, NOW)
    assert len(index) == 1
    index.purge(NOW + 1, NOW + 1)
    assert len(index) == 0


def test_purging_removes_all_ended_revocations_in_portions() -> None:
    index = RevocationIndex(revoke(jti=str(number), expires=NOW) for number in range(2_500))
    left = []
    while list(index):
        index.purge(NOW, NOW)
        left.append((len(index), len(list(index))))
    assert left == [(1_500, 1_500), (500, 500), (0, 0)]


def test_an_ended_revocation_counts_again_when_the_clock_is_set_back() -> None:
    index = RevocationIndex(revoke(jti=f"t-{number}", expires=NOW + number) for number in range(3))
    counts = []
    for now in (NOW - 1, NOW + 100, NOW + 1, NOW + 100):
        index.purge(now, NOW - 3_600)
        counts.append(len(index))
    assert counts == [3, 0, 1, 0]
    assert len(list(index)) == 3
    assert index.find(AccessRequest(mint()), read(mint()), NOW) is not None
    index.put(revoke(jti="t-1", expires=NOW + 200))
    assert len(index) == 1
    index.purge(NOW + 100, NOW + 50)
    assert [each.jti for each in index] == ["t-1"]


def test_the_same_criteria_replace_reason_and_end() -> None:
    index = RevocationIndex([revoke(jti="t-1", expires=NOW + 5)])
    for end in range(NOW + 10, NOW + 5_000):
        index.put(revoke(jti="t-1", expires=end, reason="again"))
    assert len(index) == 1
    index.purge(NOW + 10, NOW + 10)
    found = index.find(AccessRequest(mint()), read(mint()), NOW + 10)
    assert found is not None
    assert found.reason == "again"


def test_a_removed_revocation_denies_nothing() -> None:
    one, other = revoke(jti="t-1"), revoke(jti="t-1", kid="k-1")
    index = RevocationIndex([one, other])
    assert index.remove(one.id)
    assert not index.remove(one.id)
    request, token = AccessRequest(mint()), read(mint())
    assert index.find(request, token, NOW) is other
    assert index.remove(other.id)
    assert index.find(request, token, NOW) is None


times = st.integers(NOW - 5, NOW + 5)


@given(st.dictionaries(times, times, min_size=1), st.integers(NOW - 6, NOW + 6))
def test_any_active_issued_before_of_an_issuer_counts(ends: dict[int, int], issued_at: int) -> None:
    every = [revoke(iss="app", issued_before=before, expires=end) for before, end in ends.items()]
    found = RevocationIndex(every).find(
        AccessRequest("t"), read(sign({"iss": "app", "iat": issued_at})), NOW
    )
    expected = any(end > NOW and issued_at < before for before, end in ends.items())
    assert (found is not None) is expected


def decide_with(token: str | None, index: RevocationIndex, **policy: Any) -> Decision:
    accepted = Policy(asap_accepted_issuers=("app",), enable_domain_verification=False, **policy)
    keys = KeySet((VerificationKey(None, frozenset({"HS256"}), SECRET.encode(), "secret"),))
    request = AccessRequest(token, "standup@conference", "")
    return decide(request, accepted, keys, NOW, revoked=index.check)


def test_revocation_comes_after_the_token_and_before_the_room() -> None:
    index = RevocationIndex([revoke(jti="t-1", reason="not for clients", expires=NOW + 7)])
    refused = decide_with(mint(room="elsewhere"), index)
    assert refused == Deny(
        DenialCode.REVOKED, "revoked by jti", reason="revoked", key_id="k-1", until=NOW + 7
    )
    assert refused.answer == ("not-allowed", "revoked")
    expired = decide_with(mint(exp=NOW - 1), index)
    assert isinstance(expired, Deny)
    assert expired.code is DenialCode.TOKEN_EXPIRED
    assert STEPS.index("revocation") == STEPS.index("room address") - 1


def test_guests_are_denied_in_a_revoked_room() -> None:
    index = RevocationIndex([revoke(room="standup")])
    refused = decide_with(None, index, allow_empty_token=True)
    assert isinstance(refused, Deny)
    assert refused.code is DenialCode.REVOKED
    assert isinstance(decide_with(None, RevocationIndex(), allow_empty_token=True), Allow)


@pytest.mark.parametrize(
    ("admitted_before", "user", "code"),
    [
        (True, "u-1", DenialCode.REVOKED),
        (True, "u-2", DenialCode.TOKEN_EXPIRED),
        (False, "u-1", DenialCode.TOKEN_EXPIRED),
    ],
)
def test_revoked_session_with_expired_token_is_denied_as_revoked(
    admitted_before: bool, user: str, code: DenialCode
) -> None:
    policy = Policy(asap_accepted_issuers=("app",), muc_mapper_domain_base="meet.example.org")
    keys = KeySet(static=(parse_secret(SECRET),))
    request = AccessRequest(mint(exp=NOW - 5), ROOM, admitted_before=admitted_before)
    check = RevocationIndex([revoke(user_id=user)]).check
    decision = decide(request, policy, keys, NOW, revoked=check)
    assert isinstance(decision, Deny)
    assert decision.code is code
    forged = AccessRequest(mint(exp=NOW - 5)[:-8] + "AAAAAAAA", ROOM, admitted_before=True)
    decision = decide(forged, policy, keys, NOW, revoked=check)
    assert isinstance(decision, Deny)
    assert decision.code is DenialCode.SIGNATURE_INVALID
