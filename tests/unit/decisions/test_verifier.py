from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.keys import Keys
from tests.support.rules import NOW, POLICY, ROOM
from tests.support.tokens import SECRET, sign
from verifier import AccessRequest, Allow, Deny, VerificationKey
from verifier.decisions.throttle import SignatureThrottle
from verifier.decisions.verifier import Decided, Verifier, wait_for_decision
from verifier.keys.sources.base import Missing
from verifier.rules.policy import Policy
from verifier.single_use.model import EntryAttempt, SingleUse

EC_KEY = ec.generate_private_key(ec.SECP256R1())
CLAIMS = {"iss": "app", "aud": "jitsi", "sub": "*", "room": "standup"}
REQUEST = AccessRequest(sign(CLAIMS, {"kid": "k"}), ROOM)


SERVED = replace(POLICY, key_server=True, signature_algorithm="RS256")
SERVED_REQUEST = AccessRequest(sign(CLAIMS, {"kid": "k", "alg": "RS256"}), ROOM)


def make_verifier(
    keys: Keys, policy: Policy = POLICY, throttle: SignatureThrottle | None = None
) -> Verifier:
    return Verifier(policy, keys, lambda: NOW, throttle)


def at_once(decided: Decided) -> Allow | Deny:
    """Return a decision for which nothing has to be awaited."""
    assert isinstance(decided, Allow | Deny)
    return decided


def later(decided: Decided) -> asyncio.Task[Allow | Deny]:
    """Return the task of a decision that has to be awaited."""
    assert isinstance(decided, Coroutine)
    return asyncio.create_task(decided)


def code_of(decision: Allow | Deny) -> str:
    return "allowed" if isinstance(decision, Allow) else decision.code.value


async def test_unknown_key_is_fetched() -> None:
    keys = Keys()
    decision = await later(make_verifier(keys).verify(REQUEST))
    assert isinstance(decision, Allow)
    assert keys.fetched == ["k"]


async def test_unknown_and_unavailable_keys_have_different_codes() -> None:
    for policy, request, answer, code in (
        (POLICY, REQUEST, Missing.UNKNOWN, "key-unknown"),
        (POLICY, REQUEST, Missing.UNAVAILABLE, "key-unknown"),
        (SERVED, SERVED_REQUEST, Missing.UNKNOWN, "key-unknown"),
        (SERVED, SERVED_REQUEST, Missing.UNAVAILABLE, "keys-unavailable"),
    ):
        keys = Keys(answer)
        decision = await later(make_verifier(keys, policy).verify(request))
        assert code_of(decision) == code
        assert isinstance(decision, Deny)
        assert decision.key_id == "k"
        at_hand = make_verifier(Keys(answer, at_once=True), policy).verify(request)
        assert at_once(at_hand) == decision


async def test_key_without_a_possible_fetch_is_denied_at_once() -> None:
    keys = Keys(Missing.UNKNOWN, at_once=True)
    assert code_of(at_once(make_verifier(keys, SERVED).verify(SERVED_REQUEST))) == "key-unknown"
    assert not keys.fetched


@dataclass
class UnusedKey(Keys):
    """A key that is in memory, and that strict rules do not use."""

    def get(self, _key_id: str) -> VerificationKey | None:
        public = EC_KEY.public_key()
        return VerificationKey("k", frozenset({"RS256"}), public, "asap", interop_warning="w")


async def test_unused_key_is_not_fetched_again() -> None:
    for answer in (Missing.UNKNOWN, Missing.UNAVAILABLE):
        keys = UnusedKey(answer)
        decision = at_once(make_verifier(keys, replace(SERVED, strict=True)).verify(SERVED_REQUEST))
        assert code_of(decision) == "key-unknown"
        assert isinstance(decision, Deny)
        assert "not used" in decision.detail


PUBLIC = replace(POLICY, signature_algorithm="ES256")
SIGNED = AccessRequest(sign(CLAIMS, key=EC_KEY, algorithm="ES256"), ROOM)
KEYS_AT_HAND = Keys(
    static=(VerificationKey(None, frozenset({"ES256"}), EC_KEY.public_key(), "file"),)
)


async def test_some_public_key_signatures_are_checked_at_once() -> None:
    verifier = make_verifier(KEYS_AT_HAND, PUBLIC, SignatureThrottle(max_turns=2, clock=lambda: 0))
    for _ in range(2):
        assert isinstance(at_once(verifier.verify(SIGNED)), Allow)
    waiting = later(verifier.verify(SIGNED))
    await asyncio.sleep(0)
    assert isinstance(await waiting, Allow)
    await asyncio.sleep(0)
    assert isinstance(at_once(verifier.verify(SIGNED)), Allow)


async def test_cheap_denials_and_keyed_hashes_do_not_wait() -> None:
    verifier = make_verifier(KEYS_AT_HAND, PUBLIC, SignatureThrottle(max_turns=1))
    at_once(verifier.verify(SIGNED))
    refused = at_once(verifier.verify(AccessRequest(sign(CLAIMS), ROOM)))
    assert code_of(refused) == "algorithm-not-allowed"
    assert code_of(at_once(verifier.verify(AccessRequest(None, ROOM)))) == "token-missing"
    secret = VerificationKey(None, frozenset({"HS256"}), SECRET.encode(), "secret")
    hashed = make_verifier(Keys(static=(secret,)), throttle=verifier.throttle)
    for _ in range(2):
        assert isinstance(at_once(hashed.verify(AccessRequest(sign(CLAIMS), ROOM))), Allow)


async def test_keyed_hashes_do_not_wait_besides_public_keys() -> None:
    secret = VerificationKey(None, frozenset({"HS256"}), SECRET.encode(), "secret")
    keys = Keys(static=(secret, *KEYS_AT_HAND.static))
    policy = replace(POLICY, strict=True, other_algorithms=("ES256",))
    verifier = make_verifier(keys, policy, SignatureThrottle(max_turns=1))
    assert isinstance(at_once(verifier.verify(SIGNED)), Allow)
    waiting = later(verifier.verify(SIGNED))
    assert isinstance(at_once(verifier.verify(AccessRequest(sign(CLAIMS), ROOM))), Allow)
    assert isinstance(await waiting, Allow)


async def test_all_waiting_requests_are_decided() -> None:
    verifier = make_verifier(KEYS_AT_HAND, PUBLIC)
    waiting = [wait_for_decision(verifier.verify(SIGNED)) for _ in range(20)]
    decisions = await asyncio.gather(*waiting)
    assert all(isinstance(each, Allow) for each in decisions)


async def test_requests_over_the_limit_are_denied_as_overloaded() -> None:
    throttle = SignatureThrottle(max_waiting=2, max_turns=1)
    verifier = make_verifier(KEYS_AT_HAND, PUBLIC, throttle)
    decided = [verifier.verify(SIGNED) for _ in range(5)]
    assert [code_of(at_once(decided[place])) for place in (0, 3, 4)] == [
        "allowed",
        "overloaded",
        "overloaded",
    ]
    waiting = [later(decided[place]) for place in (1, 2)]
    assert all(isinstance(each, Allow) for each in await asyncio.gather(*waiting))


async def test_requests_that_waited_for_one_key_take_turns() -> None:
    key = VerificationKey("k", frozenset({"ES256"}), EC_KEY.public_key(), "asap")
    keys = Keys(key)
    keys.published.clear()
    throttle = SignatureThrottle(max_waiting=2, max_turns=1)
    verifier = make_verifier(keys, replace(PUBLIC, key_server=True), throttle)
    request = AccessRequest(sign(CLAIMS, {"kid": "k"}, EC_KEY, "ES256"), ROOM)
    waiting = [later(verifier.verify(request)) for _ in range(5)]
    await asyncio.sleep(0)
    assert len(keys.fetched) == 5
    keys.published.set()
    decisions = await asyncio.gather(*waiting)
    assert [code_of(each) for each in decisions].count("overloaded") == 2


@dataclass
class DroppedKey(Keys):
    """A key that is in memory once, and is then dropped."""

    dropped: bool = False

    def get(self, _key_id: str) -> VerificationKey | None:
        return None if self.dropped else VERIFYING_KEY


VERIFYING_KEY = VerificationKey("k", frozenset({"ES256"}), EC_KEY.public_key(), "asap")


async def test_key_that_was_dropped_during_the_wait_is_fetched() -> None:
    for dropped, fetched in ((False, []), (True, ["k"])):
        keys = DroppedKey(VERIFYING_KEY)
        throttle = SignatureThrottle(max_turns=1)
        verifier = make_verifier(keys, replace(PUBLIC, key_server=True), throttle)
        assert throttle.take()
        request = AccessRequest(sign(CLAIMS, {"kid": "k"}, EC_KEY, "ES256"), ROOM)
        waiting = later(verifier.verify(request))
        keys.dropped = dropped
        assert isinstance(await waiting, Allow)
        assert keys.fetched == fetched


async def test_waiting_check_uses_the_time_of_its_turn() -> None:
    times = iter((NOW, NOW + 60))
    throttle = SignatureThrottle(max_turns=1)
    verifier = Verifier(PUBLIC, KEYS_AT_HAND, lambda: next(times), throttle)
    assert throttle.take()
    token = sign(CLAIMS | {"exp": NOW + 30}, key=EC_KEY, algorithm="ES256")
    waiting = later(verifier.verify(AccessRequest(token, ROOM)))
    assert code_of(await waiting) == "token-expired"


async def test_malformed_tokens_take_turns() -> None:
    secret = VerificationKey(None, frozenset({"HS256"}), SECRET.encode(), "secret")
    throttle = SignatureThrottle(max_waiting=1, max_turns=1)
    verifier = make_verifier(Keys(static=(secret,)), throttle=throttle)
    malformed = [AccessRequest(f"{sign(CLAIMS)}=", ROOM) for _ in range(3)]
    assert code_of(at_once(verifier.verify(malformed[0]))) == "token-malformed"
    waiting = later(verifier.verify(malformed[1]))
    assert code_of(at_once(verifier.verify(malformed[2]))) == "overloaded"
    assert malformed[2].read is None
    too_long = AccessRequest(f"{sign(CLAIMS)}{'=' * 9_000}", ROOM)
    assert code_of(at_once(verifier.verify(too_long))) == "token-malformed"
    assert code_of(await waiting) == "token-malformed"


async def test_malformed_token_is_read_once_although_a_key_is_fetched() -> None:
    keys = Keys(VERIFYING_KEY)
    keys.published.clear()
    throttle = SignatureThrottle(max_turns=1)
    verifier = make_verifier(keys, replace(PUBLIC, key_server=True), throttle)
    token = sign(CLAIMS | {"exp": NOW}, {"kid": "k"}, EC_KEY, "ES256")
    request = AccessRequest(f"{token}=", ROOM)
    waiting = later(verifier.verify(request))
    await asyncio.sleep(0)
    assert keys.fetched == ["k"]
    read = request.read
    keys.published.set()
    # The signature is good, and so the end is looked at, as Jitsi does.
    assert code_of(await waiting) == "token-expired"
    assert read is not None
    assert request.read is read


async def test_long_token_is_not_kept_while_its_key_is_fetched() -> None:
    for length, kept in ((10, True), (3_000, False)):
        keys = Keys(VERIFYING_KEY)
        keys.published.clear()
        verifier = make_verifier(keys, replace(PUBLIC, key_server=True))
        token = sign(CLAIMS | {"x": "a" * length}, {"kid": "k"}, EC_KEY, "ES256")
        request = AccessRequest(token, ROOM)
        waiting = later(verifier.verify(request))
        await asyncio.sleep(0)
        assert (request.read is not None) is kept
        keys.published.set()
        assert isinstance(await waiting, Allow)


@dataclass
class Redemptions:
    """Admits the first attempt for each token, when ``answering`` is set."""

    redeemed: list[str] = field(default_factory=list)
    answering: asyncio.Event = field(default_factory=asyncio.Event)

    async def redeem(self, attempt: EntryAttempt) -> bool:
        await self.answering.wait()
        self.redeemed.append(attempt.token_id)
        return self.redeemed.count(attempt.token_id) == 1

    async def close(self) -> None:
        """Do nothing."""


USED_ONCE = CLAIMS | {"jti": "1", "exp": NOW + 60}


def single_use_verifier(redemptions: Redemptions) -> Verifier:
    secret = VerificationKey(None, frozenset({"HS256"}), SECRET.encode(), "secret")
    single_use = SingleUse(redemptions, 0)
    return Verifier(POLICY, Keys(static=(secret,)), lambda: NOW, single_use=single_use)


async def test_only_entries_with_a_token_wait_for_redemptions() -> None:
    redemptions = Redemptions()
    verifier = single_use_verifier(redemptions)
    redemptions.answering.set()
    entry = AccessRequest(sign(USED_ONCE), ROOM)
    assert isinstance(await later(verifier.verify(entry)), Allow)
    assert code_of(await later(verifier.verify(entry))) == "token-already-used"
    assert isinstance(at_once(verifier.verify(replace(entry, room_jid=None))), Allow)
    assert code_of(at_once(verifier.verify(AccessRequest("forged", ROOM)))) == "token-malformed"


async def test_redemption_goes_on_after_its_request_was_cancelled() -> None:
    redemptions = Redemptions()
    waiting = later(single_use_verifier(redemptions).verify(AccessRequest(sign(USED_ONCE), ROOM)))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    redemptions.answering.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(redemptions.redeemed) == 1


# A key id with a new key


OLD = VerificationKey("k", frozenset({"HS256"}), b"another secret of the same issuer", "asap")


@dataclass
class RotatedKey(Keys):
    """A fetched key that did not make the signature; ``answer`` is what its source has now.

    Attributes:
        pause: In how many seconds the source may be asked; None if it is no source at a URL.
        asked: How often it was asked.
    """

    pause: float | None = 0.0
    asked: int = 0

    def get(self, _key_id: str) -> VerificationKey | None:
        return OLD

    def asks_again_in(self, _key_id: str) -> float | None:
        return self.pause

    async def ask_again(self, _key_id: str) -> VerificationKey | Missing:
        self.asked, self.pause = self.asked + 1, 10.0
        return self.answer


async def test_token_of_a_new_key_is_accepted_at_its_first_request() -> None:
    keys = RotatedKey()
    assert isinstance(await later(make_verifier(keys).verify(REQUEST)), Allow)
    assert (keys.asked, keys.fetched) == (1, [])


@dataclass
class KeyRotatedAfterTurn(Keys):
    """A key that is asked for while a check waits; the answer comes right after its turn."""

    was_checked: bool = False
    is_asked: bool = True

    def get(self, _key_id: str) -> VerificationKey | None:
        if not self.was_checked:
            self.was_checked = True
            asyncio.get_running_loop().call_soon(setattr, self, "is_asked", False)
        return VERIFYING_KEY if self.is_asked else NEW_KEY

    def asks_again_in(self, _key_id: str) -> float | None:
        return 0.0 if self.is_asked else 10.0

    async def ask_again(self, _key_id: str) -> VerificationKey | Missing:
        return NEW_KEY


NEW_EC_KEY = ec.generate_private_key(ec.SECP256R1())
NEW_KEY = VerificationKey("k", frozenset({"ES256"}), NEW_EC_KEY.public_key(), "asap")


async def test_token_of_a_key_that_arrives_after_its_turn_is_accepted() -> None:
    keys = KeyRotatedAfterTurn()
    throttle = SignatureThrottle(max_turns=1)
    verifier = make_verifier(keys, replace(PUBLIC, key_server=True), throttle)
    assert throttle.take()
    request = AccessRequest(sign(CLAIMS, {"kid": "k"}, NEW_EC_KEY, "ES256"), ROOM)
    waiting = verifier.verify(request)
    keys.was_checked = False
    assert isinstance(await later(waiting), Allow)


async def test_forged_signature_is_denied_until_the_source_may_be_asked() -> None:
    keys = RotatedKey(OLD)
    verifier = make_verifier(keys)
    first = await later(verifier.verify(REQUEST))
    assert (code_of(first), keys.asked) == ("signature-invalid", 1)
    second = at_once(verifier.verify(REQUEST))
    assert second == first
    # The cached response ends then, so that a retry reaches the source.
    assert isinstance(second, Deny)
    assert second.until == NOW + 10.0


async def test_signature_under_a_configured_key_asks_nothing() -> None:
    decision = at_once(make_verifier(RotatedKey(pause=None)).verify(REQUEST))
    assert isinstance(decision, Deny)
    assert (code_of(decision), decision.until) == ("signature-invalid", None)


async def test_source_that_cannot_be_asked_makes_the_client_try_again() -> None:
    decided = make_verifier(RotatedKey(Missing.UNAVAILABLE), SERVED).verify(SERVED_REQUEST)
    assert code_of(await later(decided)) == "keys-unavailable"
