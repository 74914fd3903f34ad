"""The verifier itself: rules, keys, clock and remembered decisions in one place.

Knows no HTTP and no configuration file.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from verifier.core.decision import AccessRequest, Decision, DenialCode, Deny
from verifier.core.keys import KeyLookup, KeySet, VerificationKey
from verifier.core.policy import Policy
from verifier.core.rules import decide
from verifier.shell.decision_cache import DecisionCache, cache_key
from verifier.shell.keysource.interface import Missing


class Keys(KeyLookup, Protocol):
    """Keys at hand, and a way to ask for one that is not."""

    async def find(self, key_id: str) -> VerificationKey | Missing:
        """Ask the sources for a key; waits for at most one shared, bounded fetch."""

    async def by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Give the public key whose ``kid`` has this SHA-256 (hex), and its freshness, seconds."""


class Observer(Protocol):
    """Is told what happens; what it does with that is its own affair."""

    def looked_up(self, *, hit: bool) -> None:
        """Take note of one look-up in the decision cache."""

    def in_flight(self) -> AbstractContextManager[None]:
        """Enter while a request is being judged."""

    def decided(self, endpoint: str, decision: Decision, seconds: float) -> None:
        """Take note of one decision, and how long it took."""


class Verifier:
    """Answers access requests.

    Args:
        policy: What this host accepts.
        keys: Where verification keys are found.
        cache: Decisions that still hold; may be other verifiers' too.
        clock: Unix time, seconds.
        observer: Told of cache look-ups.
    """

    def __init__(
        self,
        policy: Policy,
        keys: Keys,
        cache: DecisionCache,
        clock: Callable[[], float],
        observer: Observer,
    ) -> None:
        # Hosts share the cache, and live as long as it does.
        self._scope = str(id(self))
        self.policy = policy
        self.keys = keys
        self._cache = cache
        self.now = clock
        self._observer = observer

    async def verify(self, request: AccessRequest) -> Decision:
        """Judge one request; waits only where a key must be fetched first."""
        now = self.now()
        key = cache_key(request, self._scope)
        cached = self._cache.get(key, now)
        self._observer.looked_up(hit=cached is not None)
        if cached is not None:
            return cached
        generation = self._cache.generation
        decision = decide(request, self.policy, self.keys, now)
        if isinstance(decision, Deny) and decision.code is DenialCode.KEY_UNKNOWN:
            decision = await self._decide_with_fetched_key(request, decision)
        # What was judged by keys that have been dropped meanwhile must not be remembered.
        if generation == self._cache.generation:
            self._cache.put(key, decision, self.now(), len(request.token or ""))
        return decision

    async def _decide_with_fetched_key(self, request: AccessRequest, unknown: Deny) -> Decision:
        if unknown.key_id is None:
            return unknown
        found = await self.keys.find(unknown.key_id)
        if found is Missing.UNKNOWN:
            return unknown
        if found is Missing.UNAVAILABLE:
            keys = KeySet(self.keys.static, unavailable=True)
        else:
            keys = KeySet(self.keys.static, {unknown.key_id: found})
        return decide(request, self.policy, keys, self.now())
