from __future__ import annotations

import asyncio
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.keys import FETCHED, Keys
from tests.support.rules import NOW, POLICY, ROOM
from tests.support.tokens import SECRET, sign
from verifier import AccessRequest, Allow, DenialCode, Deny, VerificationKey
from verifier.decisions.throttle import SignatureThrottle
from verifier.decisions.verifier import Verifier
from verifier.keys.sources.base import Missing
from verifier.rules.engine import SignatureCheck
from verifier.rules.policy import Policy

EC_KEY = ec.generate_private_key(ec.SECP256R1())
CLAIMS = {"iss": "app", "aud": "jitsi", "sub": "*", "room": "standup"}
REQUEST = AccessRequest(sign(CLAIMS, {"kid": "k"}), ROOM)


def make_verifier(keys: Keys, policy: Policy = POLICY) -> Verifier:
    return Verifier(policy, keys, lambda: NOW)


async def test_unknown_key_is_fetched() -> None:
    keys = Keys()
    assert isinstance(await make_verifier(keys).verify(REQUEST), Allow)
    assert keys.fetched == ["k"]


async def test_unknown_and_unavailable_keys_have_different_codes() -> None:
    for answer, code in (
        (Missing.UNKNOWN, DenialCode.KEY_UNKNOWN),
        (Missing.UNAVAILABLE, DenialCode.KEY_UNKNOWN),
    ):
        decision = await make_verifier(Keys(answer)).verify(REQUEST)
        assert isinstance(decision, Deny)
        assert decision.code is code
    served = replace(POLICY, key_server=True, signature_algorithm="RS256")
    token = sign(CLAIMS, {"kid": "k", "alg": "RS256"})
    verifier = make_verifier(Keys(Missing.UNAVAILABLE), served)
    decision = await verifier.verify(AccessRequest(token, ROOM))
    assert isinstance(decision, Deny)
    assert decision.code is DenialCode.KEYS_UNAVAILABLE


async def test_key_without_a_possible_fetch_is_denied_at_once() -> None:
    served = replace(POLICY, key_server=True, signature_algorithm="RS256")
    request = AccessRequest(sign(CLAIMS, {"kid": "k", "alg": "RS256"}), ROOM)
    for answer, at_once, code in (
        (Missing.UNKNOWN, True, DenialCode.KEY_UNKNOWN),
        (Missing.UNAVAILABLE, True, DenialCode.KEYS_UNAVAILABLE),
        (Missing.UNKNOWN, False, None),
        (FETCHED, True, None),
    ):
        keys = Keys(answer, at_once=at_once)
        decision = make_verifier(keys, served).begin(request)
        assert (decision.code if isinstance(decision, Deny) else decision) is code
        assert not keys.fetched


PUBLIC = replace(POLICY, signature_algorithm="ES256")
SIGNED = AccessRequest(sign(CLAIMS, key=EC_KEY, algorithm="ES256"), ROOM)
KEYS_AT_HAND = Keys(
    static=(VerificationKey(None, frozenset({"ES256"}), EC_KEY.public_key(), "file"),)
)


async def test_one_public_key_signature_is_checked_per_loop_round() -> None:
    verifier = make_verifier(KEYS_AT_HAND, PUBLIC)
    assert isinstance(verifier.begin(SIGNED), Allow)
    assert isinstance(verifier.begin(SIGNED), SignatureCheck)
    await asyncio.sleep(0)
    assert isinstance(verifier.begin(SIGNED), Allow)


async def test_cheap_denials_and_keyed_hashes_do_not_wait() -> None:
    verifier = make_verifier(KEYS_AT_HAND, PUBLIC)
    verifier.begin(SIGNED)
    refused = verifier.begin(AccessRequest(sign(CLAIMS), ROOM))
    assert isinstance(refused, Deny)
    assert refused.code is DenialCode.ALGORITHM_NOT_ALLOWED
    secret = VerificationKey(None, frozenset({"HS256"}), SECRET.encode(), "secret")
    hashed = make_verifier(Keys(static=(secret,)))
    for _ in range(2):
        assert isinstance(hashed.begin(AccessRequest(sign(CLAIMS), ROOM)), Allow)


async def test_keyed_hashes_do_not_wait_besides_public_keys() -> None:
    secret = VerificationKey(None, frozenset({"HS256"}), SECRET.encode(), "secret")
    keys = Keys(static=(secret, *KEYS_AT_HAND.static))
    verifier = make_verifier(keys, replace(POLICY, strict=True, other_algorithms=("ES256",)))
    for _ in range(2):
        assert isinstance(verifier.begin(AccessRequest(sign(CLAIMS), ROOM)), Allow)
    assert isinstance(verifier.begin(SIGNED), Allow)
    assert isinstance(verifier.begin(SIGNED), SignatureCheck)
    assert isinstance(verifier.begin(AccessRequest(sign(CLAIMS), ROOM)), Allow)


async def test_all_waiting_requests_are_decided() -> None:
    verifier = make_verifier(KEYS_AT_HAND, PUBLIC)
    waiting = [asyncio.create_task(verifier.verify(SIGNED)) for _ in range(5)]
    decisions = await asyncio.gather(*waiting)
    assert all(isinstance(each, Allow) for each in decisions)


async def test_requests_over_the_limit_are_denied_as_overloaded() -> None:
    verifier = Verifier(PUBLIC, KEYS_AT_HAND, lambda: NOW, SignatureThrottle(max_waiting=2))
    waiting = [asyncio.create_task(verifier.verify(SIGNED)) for _ in range(5)]
    decisions = await asyncio.gather(*waiting)
    codes = [each.code for each in decisions if isinstance(each, Deny)]
    assert codes == [DenialCode.OVERLOADED] * 2


async def test_requests_that_waited_for_one_key_take_turns() -> None:
    key = VerificationKey("k", frozenset({"ES256"}), EC_KEY.public_key(), "asap")
    keys = Keys(key)
    keys.published.clear()
    verifier = Verifier(
        replace(PUBLIC, key_server=True), keys, lambda: NOW, SignatureThrottle(max_waiting=2)
    )
    request = AccessRequest(sign(CLAIMS, {"kid": "k"}, EC_KEY, "ES256"), ROOM)
    waiting = [asyncio.create_task(verifier.verify(request)) for _ in range(5)]
    await asyncio.sleep(0)
    assert len(keys.fetched) == 5
    keys.published.set()
    decisions = await asyncio.gather(*waiting)
    codes = [each.code for each in decisions if isinstance(each, Deny)]
    assert codes == [DenialCode.OVERLOADED] * 2


async def test_waiting_check_keeps_no_long_token_in_memory() -> None:
    verifier = make_verifier(KEYS_AT_HAND, PUBLIC)
    for length, kept in ((10, True), (3_000, False)):
        token = sign(CLAIMS | {"x": "[]" * (length // 2)}, key=EC_KEY, algorithm="ES256")
        verifier.begin(SIGNED)
        pending = verifier.begin(AccessRequest(token, ROOM))
        assert isinstance(pending, SignatureCheck)
        assert (pending.token is not None) is kept
        assert isinstance(verifier.finish(pending), Allow)
        await asyncio.sleep(0)
