"""Answers that still hold, so that the same question is not judged twice.

What is kept is an answer as it goes over the wire, under a digest of the whole question: no
bearer token stays in memory, and nothing that a garbage collection would have to walk through.
Bounded, oldest out first; emptied whole when keys, revocations or configuration change.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, TypeAlias

from verifier.rules.model import Allow, Decision, DenialCode

SIZE: Final = 50_000
_BYTES_EACH: Final = 1_024  # of answers, in the mean: no token's long names can take the memory
_DIGEST_BYTES: Final = 24
_ABSENT: Final = b"\0"

_NEVER_CACHED: Final = frozenset(
    {
        DenialCode.KEY_UNKNOWN,
        DenialCode.KEYS_UNAVAILABLE,
        DenialCode.TOKEN_MISSING,
        DenialCode.OVERLOADED,
        DenialCode.STORE_UNAVAILABLE,
        DenialCode.TOKEN_ALREADY_USED,
    },
)

CachedResponse: TypeAlias = tuple[float, float | None, bytes, bytes, int, bytes]
"""Until when it holds (Unix seconds); when the allow in it ends (Unix seconds, infinity for never;
None where no proxy may keep it); head and body of the answer; the number that it is counted under
(``Tallies``); what a log says about it, in JSON. A plain tuple: collections skip those."""


class DecisionCache:
    """A bounded map from question to answer.

    Args:
        ttl: Longest time, seconds, that an answer is kept; 0 keeps none.
        size: Most answers that are kept.
    """

    def __init__(self, ttl: float, size: int = SIZE) -> None:
        self._ttl = ttl
        self._size = size
        self._most_bytes = size * _BYTES_EACH
        self._bytes = 0
        self.generation = 0
        # A plain dict would look for its oldest entry behind all those that have gone.
        self._entries: OrderedDict[bytes, CachedResponse] = OrderedDict()

    def __len__(self) -> int:
        """Count the answers, those included that have ended but were not asked for again."""
        return len(self._entries)

    def get(self, key: bytes, now: float) -> CachedResponse | None:
        """Give the answer that holds at ``now``, Unix seconds."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        # A clock that was ahead for a moment must not have the last word until it is right.
        if entry[0] - self._ttl <= now < entry[0]:
            return entry
        self._drop(key)
        return None

    def put(self, key: bytes, entry: CachedResponse, now: float) -> None:
        """Keep an answer.

        Args:
            key: From ``digest``.
            entry: The answer, and until when it holds (``holds_until``).
            now: Unix time, seconds.
        """
        weight = _weight(entry)
        if entry[0] <= now or weight > self._most_bytes:
            return
        if key in self._entries:
            self._drop(key)
        while self._entries and (
            len(self._entries) >= self._size or self._bytes + weight > self._most_bytes
        ):
            self._drop(next(iter(self._entries)))
        self._entries[key] = entry
        self._bytes += weight

    def clear(self) -> None:
        """Forget everything, also what is being judged while this is called."""
        self._entries.clear()
        self._bytes = 0
        self.generation += 1

    def holds_until(self, decision: Decision, now: float) -> float:
        """Say how long nothing but time can change a decision, Unix seconds; ``now`` for not."""
        longest = now + self._ttl
        if isinstance(decision, Allow):
            ends = decision.expires_at
            return longest if ends is None else min(longest, ends)
        if decision.code in _NEVER_CACHED:
            return now
        return longest if decision.until is None else min(longest, decision.until)

    def _drop(self, key: bytes) -> None:
        self._bytes -= _weight(self._entries.pop(key))


def digest(parts: Iterable[bytes | None]) -> bytes:
    """Digest the parts of a question; two different questions never share a key.

    Args:
        parts: Always as many for the same kind of question; None for one that is not there. None
            of them contains a line feed.
    """
    text = b"\n".join([_ABSENT if part is None else part for part in parts])
    return blake2b(text, digest_size=_DIGEST_BYTES).digest()


def _weight(entry: CachedResponse) -> int:
    return len(entry[2]) + len(entry[3]) + len(entry[5])
