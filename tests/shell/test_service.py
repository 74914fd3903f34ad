from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.core.test_rules import KEYS, NOW, POLICY, ROOM
from tests.tokens import SECRET, sign
from verifier import AccessRequest, Allow, DenialCode, Deny, VerificationKey
from verifier.shell.decision_cache import DecisionCache
from verifier.shell.keysource import Missing
from verifier.shell.metrics import PrometheusObserver
from verifier.shell.service import Verifier

FETCHED = VerificationKey("k", frozenset({"HS256"}), SECRET.encode(), "asap")
CLAIMS = {"iss": "app", "aud": "jitsi", "sub": "*", "room": "standup"}
REQUEST = AccessRequest(sign(CLAIMS, {"kid": "k"}), ROOM)


@dataclass
class Keys:
    """No static keys; one key that has to be fetched."""

    answer: VerificationKey | Missing = FETCHED
    during: Callable[[], None] = lambda: None
    static: tuple[VerificationKey, ...] = ()
    unavailable: bool = False
    fetched: list[str] = field(default_factory=list)

    def known(self, _key_id: str) -> VerificationKey | None:
        return None

    async def find(self, key_id: str) -> VerificationKey | Missing:
        self.fetched.append(key_id)
        self.during()
        return self.answer

    async def by_digest(self, _digest: str) -> None:
        return None


def verifier(keys: Keys, cache: DecisionCache | None = None) -> tuple[Verifier, PrometheusObserver]:
    observer, cache = PrometheusObserver(), DecisionCache(30) if cache is None else cache
    return Verifier(POLICY, keys, cache, lambda: NOW, observer), observer


async def test_a_key_that_is_not_at_hand_is_fetched_and_the_decision_kept() -> None:
    keys = Keys()
    judge, observer = verifier(keys)
    for _ in range(2):
        assert isinstance(await judge.verify(REQUEST), Allow)
    assert keys.fetched == ["k"]
    hits = observer.registry.get_sample_value(
        "jitsi_verifier_decision_cache_lookups_total", {"result": "hit"}
    )
    assert hits == 1


async def test_a_decision_by_keys_that_are_dropped_meanwhile_is_not_kept() -> None:
    cache = DecisionCache(30)
    keys = Keys(during=cache.clear)
    judge, _ = verifier(keys, cache)
    for _ in range(2):
        assert isinstance(await judge.verify(REQUEST), Allow)
    assert (keys.fetched, len(cache)) == (["k", "k"], 0)


async def test_why_there_is_no_key_is_told_apart() -> None:
    for answer, code in (
        (Missing.UNKNOWN, DenialCode.KEY_UNKNOWN),
        (Missing.UNAVAILABLE, DenialCode.KEY_UNKNOWN),
    ):
        decision = await verifier(Keys(answer))[0].verify(REQUEST)
        assert isinstance(decision, Deny)
        assert decision.code is code
    served = replace(POLICY, key_server=True, signature_algorithm="RS256")
    token = sign(CLAIMS, {"kid": "k", "alg": "RS256"})
    keys = Keys(Missing.UNAVAILABLE)
    judge = Verifier(served, keys, DecisionCache(30), lambda: NOW, PrometheusObserver())
    decision = await judge.verify(AccessRequest(token, ROOM))
    assert isinstance(decision, Deny)
    assert decision.code is DenialCode.KEYS_UNAVAILABLE


async def test_verifiers_that_share_a_cache_do_not_share_decisions() -> None:
    cache, observer = DecisionCache(30), PrometheusObserver()
    strict = replace(POLICY, asap_accepted_issuers=("other",))
    one, two = (
        Verifier(policy, KEYS_AT_HAND, cache, lambda: NOW, observer) for policy in (POLICY, strict)
    )
    request = AccessRequest(sign(CLAIMS), ROOM)
    assert isinstance(await one.verify(request), Allow)
    assert isinstance(await two.verify(request), Deny)
    assert len(cache) == 2


KEYS_AT_HAND = Keys(static=tuple(KEYS.static))
