"""Decisions that still hold, so that the same question is not judged twice.

Keyed by a digest of the whole question: no bearer token stays in memory. Bounded, oldest out
first; emptied whole when keys or configuration change.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from verifier.core.decision import AccessRequest, Allow, Decision, DenialCode

_NEVER_CACHED: Final = frozenset(
    {DenialCode.KEY_UNKNOWN, DenialCode.KEYS_UNAVAILABLE, DenialCode.TOKEN_MISSING},
)


class DecisionCache:
    """A bounded map from question to decision.

    Args:
        ttl: Longest time, seconds, that a decision is kept; 0 keeps none.
        size: Most decisions that are kept.
        token_bytes: Most bytes that the tokens of all of them may have had: parsed claims take
            up to twenty times as much.
    """

    def __init__(self, ttl: float, size: int = 10_000, token_bytes: int = 8_000_000) -> None:
        self._ttl = ttl
        self._size = size
        self._token_bytes = token_bytes
        self._weight = 0
        self.generation = 0
        self._entries: dict[bytes, tuple[float, Decision, int]] = {}

    def __len__(self) -> int:
        """Count the decisions, those included that have ended but were not asked for again."""
        return len(self._entries)

    def get(self, key: bytes, now: float) -> Decision | None:
        """Give the decision that holds at ``now``, Unix seconds."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        until, decision, _ = entry
        # A clock that was ahead for a moment must not have the last word until it is right.
        if until - self._ttl <= now < until:
            return decision
        self._drop(key)
        return None

    def put(self, key: bytes, decision: Decision, now: float, weight: int = 0) -> None:
        """Keep a decision for as long as nothing but time can change it.

        Args:
            key: From ``cache_key``.
            decision: The verdict.
            now: Unix time, seconds.
            weight: The length of its token.
        """
        until = self._until(decision, now)
        if until <= now or weight > self._token_bytes:
            return
        if key in self._entries:
            self._drop(key)
        while len(self._entries) >= self._size or self._weight + weight > self._token_bytes:
            self._drop(next(iter(self._entries)))
        self._entries[key] = (until, decision, weight)
        self._weight += weight

    def clear(self) -> None:
        """Forget everything, also what is being judged while this is called."""
        self._entries.clear()
        self._weight = 0
        self.generation += 1

    def _drop(self, key: bytes) -> None:
        self._weight -= self._entries.pop(key)[2]

    def _until(self, decision: Decision, now: float) -> float:
        longest = now + self._ttl
        if isinstance(decision, Allow):
            ends = decision.expires_at
            return longest if ends is None else min(longest, ends)
        if decision.code in _NEVER_CACHED:
            return now
        return longest if decision.until is None else min(longest, decision.until)


def cache_key(request: AccessRequest, scope: str = "") -> bytes:
    """Digest a question put to one of several; two different questions never share a key."""
    question = (
        scope,
        request.token,
        request.room_jid,
        request.query_prefix,
        request.room_requires_authentication,
        request.room_exists,
        request.context_required,
    )
    return blake2b(repr(question).encode("utf-8", "backslashreplace"), digest_size=32).digest()
