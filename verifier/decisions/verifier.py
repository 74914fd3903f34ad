"""Decides access requests for one host: rules, keys, revocations, signature throttle, single use.

This module knows no HTTP, no configuration file and no decision cache.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeGuard

from verifier.decisions.throttle import SignatureThrottle
from verifier.keys.model import KeyLookup, KeySet, VerificationKey
from verifier.keys.sources.base import Missing
from verifier.rules.denials import OVERLOADED, deny
from verifier.rules.engine import SecondPhase, begin
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
from verifier.rules.token import forget_long_token
from verifier.single_use.model import SingleUse, UsedToken, is_entry
from verifier.tokens.marks import TokenMarks

if TYPE_CHECKING:  # it imports prometheus_client, which would delay commands that decide once
    from verifier.observability.first_decisions import DecidedToken

Decided: TypeAlias = Decision | Coroutine[Any, Any, Decision]
"""A decision, or a coroutine that waits and returns one; it must be awaited."""


class _NeedsKey(NamedTuple):
    """A key that must be fetched, and the denial of the token without it.

    Attributes:
        again: Whether the key that is cached did not make the signature, or is not used.
    """

    key_id: str
    denial: Deny
    again: bool = False


class Keys(KeyLookup, Protocol):
    """The keys in memory, and a way to fetch others."""

    async def fetch(self, key_id: str) -> VerificationKey | Missing:
        """Return a key, fetched if necessary; waits for at most one shared, bounded fetch."""

    def answer_without_fetch(self, key_id: str) -> Missing | None:
        """Return what ``fetch`` would return without a fetch; None if it would have to fetch."""

    def asks_again_in(self, key_id: str) -> float | None:
        """Return in how many seconds ``ask_again`` may ask; None if the key was not fetched."""

    async def ask_again(self, key_id: str) -> VerificationKey | Missing:
        """Return the key that the source has now; waits for at most one shared, bounded fetch."""

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Return the key whose ``kid`` has this SHA-256 (hex), and its freshness, seconds."""


class Observer(Protocol):
    """Counts decisions and lookups in the decision cache."""

    def count_cache_lookup(self, *, hit: bool) -> None:
        """Count one lookup in the decision cache."""

    def track_in_flight(self) -> AbstractContextManager[None]:
        """Count a request as in flight while the context is entered."""

    def count_preflight(self, endpoint: str) -> None:
        """Count a CORS preflight that was let through without a decision."""

    def outcome_index(
        self,
        endpoint: str,
        decision: Decision,
        *,
        enforced: bool = True,
        is_keep_alive: bool = False,
    ) -> int:
        """Return the index under which ``count_decision`` counts such decisions.

        Args:
            endpoint: The endpoint's name in metrics.
            decision: The decision.
            enforced: Whether a denial is more than reported.
            is_keep_alive: Whether the request is a keep-alive, and is counted as that only.
        """

    def count_decision(self, outcome_index: int, seconds: float) -> None:
        """Count one decision, and how many seconds its response took."""

    def count_token(self, token: DecidedToken, /) -> None:
        """Count the decision about a token, if it is the first one."""


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
        self._redemptions = set[asyncio.Task[Decision]]()

    def verify(self, request: AccessRequest, browser_id: str | None = None) -> Decided:
        """Decide one request.

        Args:
            request: The token and the room.
            browser_id: The id in a cookie that only the requesting browser has; None without one.

        Returns:
            The decision, if it can be made at once. Otherwise a coroutine that waits for a key, for
            the turn of a signature or for the store of redemptions, and returns the decision. It
            must be awaited to its end, even if the client closes its connection meanwhile: the
            client may send the request again, and the response is cached for it then.
        """
        check = self._begin(request, self.keys)
        if isinstance(check, (Allow, Deny)):
            return self._follow_up(request, check, browser_id)
        # The same turn finds out whether a key is needed. A moment later a new key may have arrived
        # that did not check the signature.
        turn = self.throttle.submit(lambda: self._without_fetch(check.finish(self.clock())))
        return OVERLOADED if turn is None else self._after_turn(request, turn, browser_id)

    def allow_without_token(self, request: AccessRequest) -> Decision:
        """Allow a client that needs no token, unless the room is revoked for all."""
        refused = self.revoked and self.revoked(request, None, self.clock(), no_record)
        return refused or Allow()

    def allow_again(
        self, request: AccessRequest, marks: TokenMarks, used: UsedToken | None
    ) -> Decided:
        """Allow a page without a token, whose token was accepted earlier and has not ended.

        Args:
            request: The room.
            marks: The marks of the token.
            used: What is known of the token's redemption; None if the token can be used again.

        Returns:
            A denial, if the token was revoked, or used by another browser. A coroutine, if the
            store of redemptions must be asked.
        """
        refused = self.revoked and self.revoked(request, marks, self.clock(), no_record)
        if refused:
            return refused
        if self.single_use is None or used is None:
            return Allow()
        return self._await_redemption(self.single_use.readmit(used))

    def is_redeemed(self, request: AccessRequest, decision: Decision) -> bool:
        """Return whether a decision redeems a single-use token."""
        return self.single_use is not None and is_entry(decision, request)

    def _follow_up(
        self, request: AccessRequest, decision: Decision, browser_id: str | None
    ) -> Decided:
        """Return the decision, or what waits for a key or for the store of redemptions."""
        return self._follow_up_checked(request, self._without_fetch(decision), browser_id)

    def _follow_up_checked(
        self, request: AccessRequest, checked: Decision | _NeedsKey, browser_id: str | None
    ) -> Decided:
        """Do the same after it was found out whether the decision needs a key."""
        if isinstance(checked, _NeedsKey):
            return self._fetch(request, checked, browser_id)
        if self.single_use is not None and is_entry(checked, request):
            return self._redeem(self.single_use, checked, browser_id)
        return checked

    def _without_fetch(self, decision: Decision) -> Decision | _NeedsKey:
        """Return the decision, or the key id to fetch if a key may change the decision."""
        if not isinstance(decision, Deny) or decision.key_id is None:
            return decision
        if decision.code is DenialCode.SIGNATURE_INVALID:
            return self._deny_or_ask_again(decision, decision.key_id)
        if not needs_key(decision):
            return decision
        if self.keys.get(decision.key_id) is not None:
            # The key is there, and strict rules do not use it.
            return self._deny_or_ask_again(decision, decision.key_id)
        answer = self.keys.answer_without_fetch(decision.key_id)
        if answer is None:
            return _NeedsKey(decision.key_id, decision)
        return self._without_key(decision, answer)

    def _deny_or_ask_again(self, denial: Deny, key_id: str) -> Decision | _NeedsKey:
        """Return the denial of a token that its cached key did not sign, or the key to ask for.

        The issuer may sign with a new key under the same key id; ``keys.sources.remote`` says how
        often its source is asked. In between, forged signatures are denied without a wait.
        """
        seconds = self.keys.asks_again_in(key_id)
        if seconds is None:
            return denial
        if seconds > 0.0:
            return replace(denial, until=self.clock() + seconds)
        return _NeedsKey(key_id, denial, again=True)

    def _without_key(self, decision: Deny, answer: Missing) -> Decision:
        """Return the denial of a token whose key no source has, or has now."""
        # Without a key server, an unknown key id is only one reason of several.
        if answer is Missing.UNKNOWN or not self.policy.key_server:
            return decision
        return deny(DenialCode.KEYS_UNAVAILABLE, decision.detail, decision.key_id)

    async def _fetch(
        self, request: AccessRequest, needed: _NeedsKey, browser_id: str | None
    ) -> Decision:
        """Fetch the key; with the key, take all steps of the rules again."""
        forget_long_token(request)
        fetch = self.keys.ask_again if needed.again else self.keys.fetch
        found = await fetch(needed.key_id)
        if isinstance(found, Missing):
            return self._without_key(needed.denial, found)
        check = self._begin(request, KeySet(self.keys.static, {needed.key_id: found}))
        if not isinstance(check, (Allow, Deny)):
            # All requests that waited for this key go on now, but their signatures take turns.
            turn = self._submit(check)
            if turn is None:
                return OVERLOADED
            check = await turn
        if needed.again:
            # With the time until the key's source may be asked again, but not asked a second time.
            denied = self._without_fetch(check)
            check = check if isinstance(denied, _NeedsKey) else denied
        if self.single_use is None or not is_entry(check, request):
            return check
        return await self._redeem(self.single_use, check, browser_id)

    async def _after_turn(
        self,
        request: AccessRequest,
        turn: Awaitable[Decision | _NeedsKey],
        browser_id: str | None,
    ) -> Decision:
        """Wait for the turn; the key may have been dropped meanwhile."""
        checked = await turn
        return await wait_for_decision(self._follow_up_checked(request, checked, browser_id))

    async def _redeem(
        self, single_use: SingleUse, allow: Allow, browser_id: str | None
    ) -> Decision:
        redemption = single_use.redeem(allow, self.policy.leeway, browser_id)
        return await self._await_redemption(redemption)

    async def _await_redemption(self, redemption: Coroutine[Any, Any, Decision]) -> Decision:
        task = asyncio.create_task(redemption)
        # The event loop itself keeps no task alive.
        self._redemptions.add(task)
        task.add_done_callback(self._redemptions.discard)
        # Shielded: a store may record a redemption whose task was cancelled. The token would count
        # as used, although no browser got a response.
        return await asyncio.shield(task)

    def _submit(self, check: SecondPhase) -> Awaitable[Decision] | None:
        """Return the decision of a check at its turn; None if too many checks wait."""
        return self.throttle.submit(lambda: check.finish(self.clock()))

    def _begin(self, request: AccessRequest, keys: KeyLookup) -> Decision | SecondPhase:
        """Return the decision, or the check that must wait for its turn."""
        now = self.clock()
        check = begin(request, self.policy, keys, now, revoked=self.revoked)
        if isinstance(check, (Allow, Deny)):
            return check
        # An HMAC costs no more than reading the token in good form, and takes no turn.
        if check.is_cheap or self.throttle.take():
            return check.finish(now)
        return check.suspend()


async def wait_for_decision(decided: Decided) -> Decision:
    """Return the result of ``Verifier.verify``; wait for it if it is not there yet."""
    return decided if isinstance(decided, Allow | Deny) else await decided


def needs_key(decision: Decision) -> TypeGuard[Deny]:
    """Return whether a key that is not in memory may change the decision."""
    return isinstance(decision, Deny) and decision.code is DenialCode.KEY_UNKNOWN
