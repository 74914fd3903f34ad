"""Decides access requests for one host: rules, keys, revocations, signature throttle, single use.

This module knows no HTTP, no configuration file and no decision cache.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeGuard

from verifier.decisions.throttle import SignatureThrottle
from verifier.keys.model import KeyLookup, KeySet, VerificationKey
from verifier.keys.sources.base import Missing
from verifier.rules.denials import OVERLOADED
from verifier.rules.engine import SignatureCheck, begin
from verifier.rules.model import (
    AccessRequest,
    Allow,
    Decision,
    DenialCode,
    Deny,
    RevocationCheck,
    no_record,
)
from verifier.rules.policy import Policy
from verifier.single_use.model import SingleUse, is_entry


class Keys(KeyLookup, Protocol):
    """The keys in memory, and a way to fetch others."""

    async def fetch(self, key_id: str) -> VerificationKey | Missing:
        """Return a key, fetched if necessary; waits for at most one shared, bounded fetch."""

    def answer_without_fetch(self, key_id: str) -> Missing | None:
        """Return what ``fetch`` would return without a fetch; None if it would have to fetch."""

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Return the key whose ``kid`` has this SHA-256 (hex), and its freshness, seconds."""


class Observer(Protocol):
    """Counts decisions and lookups in the decision cache."""

    def count_cache_lookup(self, *, hit: bool) -> None:
        """Count one lookup in the decision cache."""

    def track_in_flight(self) -> AbstractContextManager[None]:
        """Count a request as in flight while the context is entered."""

    def outcome_index(self, endpoint: str, decision: Decision, *, enforced: bool = True) -> int:
        """Return the index under which ``count_decision`` counts such decisions."""

    def count_decision(self, endpoint: str, outcome_index: int, seconds: float) -> None:
        """Count one decision, and how many seconds its answer took."""


class Verifier:
    """Decides access requests.

    Args:
        policy: What this host accepts.
        keys: Where verification keys are found.
        clock: Unix time, seconds.
        throttle: Spreads the checks of public-key signatures over the rounds of the event loop.
        revoked: Denies what is revoked; None if there are no revocations.
        single_use: Denies tokens that have been redeemed; None if tokens can be used again.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # the parts of a decision
        self,
        policy: Policy,
        keys: Keys,
        clock: Callable[[], float],
        throttle: SignatureThrottle | None = None,
        revoked: RevocationCheck | None = None,
        single_use: SingleUse | None = None,
    ) -> None:
        self.policy = policy
        self.keys = keys
        self.clock = clock
        self.throttle = throttle or SignatureThrottle()
        self.revoked = revoked
        self.single_use = single_use

    async def verify(self, request: AccessRequest, browser: str | None = None) -> Decision:
        """Decide one request; wait if a key has to be fetched, or for a signature's turn.

        Args:
            request: The token and the room.
            browser: The id in a cookie that only the requesting browser has; None without one.
        """
        decision = await self._decide(request, self.keys)
        if needs_key(decision) and decision.key_id is not None:
            keys = await self._fetch(decision.key_id)
            # All requests that waited for this key go on now, but their signatures take turns.
            decision = decision if keys is None else await self._decide(request, keys)
        if self.single_use is None or not is_entry(decision, request):
            return decision
        return await self.single_use.redeem(decision, self.policy.leeway, browser)

    def begin(self, request: AccessRequest) -> Decision | SignatureCheck | None:
        """Decide one request without waiting, for a caller that cannot use ``await``.

        Returns:
            The decision; or a check, which the caller gives to ``finish`` at its turn; or None if
            only ``verify`` can decide, because a key must be fetched.
        """
        decision = self._begin(request, self.keys)
        if isinstance(decision, SignatureCheck) or not needs_key(decision):
            return decision
        if decision.key_id is None:
            return decision
        answer = self.keys.answer_without_fetch(decision.key_id)
        if answer is Missing.UNAVAILABLE:
            return self._begin(request, KeySet(self.keys.static, unavailable=True))
        return decision if answer is Missing.UNKNOWN else None

    def finish(self, check: SignatureCheck) -> Decision:
        """Decide a request whose turn has come; its key may have been dropped while it waited."""
        return check.finish(self.clock())

    def allow_without_token(self, request: AccessRequest) -> Decision:
        """Allow a client that needs no token, unless the room is revoked for all."""
        refused = self.revoked and self.revoked(request, None, self.clock(), no_record)
        return refused or Allow()

    def is_redeemed(self, request: AccessRequest, decision: Decision) -> bool:
        """Return whether a decision redeems a single-use token."""
        return self.single_use is not None and is_entry(decision, request)

    async def _decide(self, request: AccessRequest, keys: KeyLookup) -> Decision:
        check = self._begin(request, keys)
        if not isinstance(check, SignatureCheck):
            return check
        return self.finish(check) if await self.throttle.wait() else OVERLOADED

    def _begin(self, request: AccessRequest, keys: KeyLookup) -> Decision | SignatureCheck:
        """Return the decision, or the check that must wait for its turn."""
        now = self.clock()
        check = begin(request, self.policy, keys, now, revoked=self.revoked)
        if not isinstance(check, SignatureCheck):
            return check
        # An HMAC costs no more than reading the token, so only public-key signatures take turns.
        if check.is_cheap or self.throttle.take():
            return check.finish(now)
        return check.suspend()

    async def _fetch(self, key_id: str) -> KeyLookup | None:
        """Return the keys to decide with after a fetch; None if no source knows the key."""
        found = await self.keys.fetch(key_id)
        if found is Missing.UNKNOWN:
            return None
        if found is Missing.UNAVAILABLE:
            return KeySet(self.keys.static, unavailable=True)
        return KeySet(self.keys.static, {key_id: found})


def needs_key(decision: Decision) -> TypeGuard[Deny]:
    """Return whether a key that is not in memory may change the decision."""
    return isinstance(decision, Deny) and decision.code is DenialCode.KEY_UNKNOWN
