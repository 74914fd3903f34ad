"""The verifier itself: rules, keys and clock in one place.

Knows no HTTP, no configuration file, and nothing of answers that are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeGuard

from verifier.decisions.throttle import SignatureThrottle
from verifier.keys.model import KeyLookup, KeySet, VerificationKey
from verifier.keys.sources.base import Missing
from verifier.rules.engine import RevocationCheck, decide, read_token
from verifier.rules.model import AccessRequest, Allow, Decision, DenialCode, Deny
from verifier.rules.policy import Policy
from verifier.single_use.model import SingleUse, is_entry
from verifier.tokens.jws import Token

OVERLOADED: Final = Deny(DenialCode.OVERLOADED, "too many tokens wait for their check")
"""Said where the wait for a signature's turn would be too long."""

_MOST_BYTES_READ_WAITING: Final = 2_048  # of a token; a longer one is read again in its turn


class Keys(KeyLookup, Protocol):
    """Keys at hand, and a way to ask for one that is not."""

    async def fetch(self, key_id: str) -> VerificationKey | Missing:
        """Ask the sources for a key; waits for at most one shared, bounded fetch."""

    def answer_without_fetch(self, key_id: str) -> Missing | None:
        """Say at once what ``fetch`` says of a key that is not at hand; None where it may wait."""

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Give the public key whose ``kid`` has this SHA-256 (hex), and its freshness, seconds."""


class Observer(Protocol):
    """Is told what happens; what it does with that is its own affair."""

    def count_cache_lookup(self, *, hit: bool) -> None:
        """Count one lookup in the decision cache."""

    def track_in_flight(self) -> AbstractContextManager[None]:
        """Count a request as in flight while the context is entered."""

    def outcome_index(self, endpoint: str, decision: Decision, *, enforced: bool = True) -> int:
        """Return the index under which ``count_decision`` counts such decisions."""

    def count_decision(self, endpoint: str, outcome_index: int, seconds: float) -> None:
        """Count one decision, and how many seconds its answer took."""


class _NotNowError(Exception):
    """The signature's turn has not come; nothing has been judged."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A request whose signature waits for its turn, as far as it has been read."""

    request: AccessRequest
    keys: KeyLookup = field(repr=False)
    token: Token | None = field(repr=False)


class Verifier:
    """Answers access requests.

    Args:
        policy: What this host accepts.
        keys: Where verification keys are found.
        clock: Unix time, seconds.
        turns: Whose turn it is to have a signature checked.
        revoked: Refuses what has been taken back.
        single_use: Lets each token in once; None where tokens can be used again.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what a verdict is made of
        self,
        policy: Policy,
        keys: Keys,
        clock: Callable[[], float],
        turns: SignatureThrottle | None = None,
        revoked: RevocationCheck | None = None,
        single_use: SingleUse | None = None,
    ) -> None:
        self.policy = policy
        self.keys = keys
        self.now = clock
        self.turns = turns or SignatureThrottle()
        self.revoked = revoked
        self.single_use = single_use
        # A keyed hash costs no more than reading the token; only public keys take turns.
        pinned = (policy.signature_algorithm, *policy.other_algorithms)
        self._takes_turns = not all(name.startswith("HS") for name in pinned)

    def verify_now(self, request: AccessRequest) -> Decision | Pending | None:
        """Judge one request with what is at hand, cheap checks first.

        Returns:
            The verdict; or what is left to ``finish`` when the turn of its signature has come; or
            None where a key has to be asked for, which only ``verify`` does.
        """
        decision = self._begin(request, self.keys)
        if isinstance(decision, Pending) or not needs_a_key(decision):
            return decision
        missing = (
            None if decision.key_id is None else self.keys.answer_without_fetch(decision.key_id)
        )
        if missing is Missing.UNAVAILABLE:
            return self._begin(request, KeySet(self.keys.static, unavailable=True))
        return decision if decision.key_id is None or missing is Missing.UNKNOWN else None

    def finish(self, pending: Pending) -> Decision:
        """Judge a request whose turn has come; it may want for a key that was there before."""
        request, token = pending.request, pending.token
        now, revoked = self.now(), self.revoked
        return decide(request, self.policy, pending.keys, now, read=token, revoked=revoked)

    def admit(self, request: AccessRequest) -> Decision:
        """Let somebody in who needs no token, unless the room is closed to everybody."""
        refused = self.revoked and self.revoked(request, None, self.now(), _untold)
        return refused or Allow()

    def is_one_use(self, request: AccessRequest, decision: Decision) -> bool:
        """Tell whether somebody would enter by a token that lets in once (``settle``)."""
        return self.single_use is not None and is_entry(decision, request)

    async def settle(
        self, request: AccessRequest, decision: Decision, browser: str | None = None
    ) -> Decision:
        """Let in by a token that lets in once only whoever was first.

        Args:
            request: The question.
            decision: What ``verify`` says to it.
            browser: Who asks, by a cookie that only this browser has; None for anybody.
        """
        if self.single_use is None or not is_entry(decision, request):
            return decision
        return await self.single_use.settle(decision, self.policy.leeway, browser)

    async def verify(self, request: AccessRequest) -> Decision:
        """Judge one request; waits where a key must be fetched first, or others were sooner."""
        decision = await self._decide(request, self.keys)
        if not needs_a_key(decision) or decision.key_id is None:
            return decision
        found = await self.keys.fetch(decision.key_id)
        if found is Missing.UNKNOWN:
            return decision
        if found is Missing.UNAVAILABLE:
            keys = KeySet(self.keys.static, unavailable=True)
        else:
            keys = KeySet(self.keys.static, {decision.key_id: found})
        # All who have waited for the same key have it at once; their signatures take turns.
        return await self._decide(request, keys)

    async def _decide(self, request: AccessRequest, keys: KeyLookup) -> Decision:
        decision = self._begin(request, keys)
        if not isinstance(decision, Pending):
            return decision
        return self.finish(decision) if await self.turns.wait() else OVERLOADED

    def _begin(self, request: AccessRequest, keys: KeyLookup) -> Decision | Pending:
        if not self._takes_turns:
            return decide(request, self.policy, keys, self.now(), revoked=self.revoked)
        token = None if request.token is None else read_token(request.token)
        try:
            now, stop, revoked = self.now(), self._stop_early, self.revoked
            return decide(request, self.policy, keys, now, stop, token, revoked)
        except _NotNowError:
            return Pending(request, keys, token if _is_small(request) else None)

    def _stop_early(self, step: str, expected: Any, _found: Any) -> None:
        if step == "signature" and not expected.startswith("HS") and not self.turns.take():
            raise _NotNowError


def _untold(_step: str, _expected: Any, _found: Any) -> None:
    """Tell nobody."""


def _is_small(request: AccessRequest) -> bool:
    """Tell whether what was read may wait: JSON in memory can be 25 times as long as written."""
    return len(request.token or "") <= _MOST_BYTES_READ_WAITING


def needs_a_key(decision: Decision) -> TypeGuard[Deny]:
    """Tell whether a key that is not at hand may turn the decision."""
    return isinstance(decision, Deny) and decision.code is DenialCode.KEY_UNKNOWN
