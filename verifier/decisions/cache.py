"""The decision cache: responses that are still valid, so that no request is decided twice.

A response is cached as the bytes that are sent, under a digest of everything that it depends on.
So no bearer token stays in memory. The number and the length of the entries are bounded: a new
entry replaces the oldest ones. The whole cache is emptied when keys, revocations or options change.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final, NamedTuple

from verifier.rules.model import UNAVAILABLE_CODES, Allow, Decision, DenialCode

# The default of the option `decision_cache_size`; so many usual responses take about 40 MB.
SIZE: Final = 50_000
# The bound on the mean length. Without it, tokens with long names could use up the memory.
_MEAN_BYTES: Final = 1_024
# Two requests with the same key would get the same response. No client can find two such requests
# if the key has 192 bits. A longer key would only take more memory.
_KEY_BYTES: Final = 24
ABSENT: Final = b"\0"
"""The part of a cache key for what a request does not have. No header and no text can be this."""

# Each of these decisions may change at any moment for a reason that is not in the request.
_NEVER_CACHED: Final = UNAVAILABLE_CODES | {
    DenialCode.KEY_UNKNOWN,
    DenialCode.TOKEN_MISSING,
    DenialCode.TOKEN_ALREADY_USED,
}


class CachedResponse(NamedTuple):
    """A response to one request, ready to be sent again.

    Attributes:
        valid_until: The time until which the decision cannot change, Unix seconds.
        cacheable_until: The time until which a proxy may cache the response, as in
            ``responses.Response``.
        head: The status line and the headers, without ``Date`` and lifetime.
        body: The body.
        outcome: The index under which the metrics count the decision.
        log_record: What the decision log writes about the decision, JSON; empty for nothing.
    """

    valid_until: float
    cacheable_until: float | None
    head: bytes
    body: bytes
    outcome: int
    log_record: bytes


# A call of `CachedResponse` itself would take twice as long.
_new = tuple.__new__


class DecisionCache:
    """A bounded map from cache keys to responses.

    Args:
        ttl: The longest time, seconds, that a response is valid; 0 caches none.
        size: The largest number of responses.
    """

    def __init__(self, ttl: float, size: int = SIZE) -> None:
        self._ttl = ttl
        self._size = size
        self._most_bytes = size * _MEAN_BYTES
        self._bytes = 0
        self.generation = 0
        # The entries are plain tuples. The garbage collector stops tracking a plain tuple of
        # numbers and bytes, but never a NamedTuple. A full collection with 50,000 entries takes
        # 0.8 ms with plain tuples and 5 ms with NamedTuples, and all requests wait meanwhile.
        #
        # An OrderedDict, because a dict takes longer to find its oldest entry the more entries
        # have been removed before it.
        self._entries: OrderedDict[bytes, tuple[Any, ...]] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of entries, including those that are no longer valid."""
        return len(self._entries)

    def get(self, key: bytes, now: float) -> CachedResponse | None:
        """Return the response that is valid at ``now``, Unix seconds."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        response = _new(CachedResponse, entry)
        # The lower bound is for a clock that was set back. An entry that was stored before would
        # otherwise be valid until the clock reaches the old time again.
        if response.valid_until - self._ttl <= now < response.valid_until:
            return response
        self._drop(key)
        return None

    def put(self, key: bytes, response: CachedResponse, now: float) -> None:
        """Store a response.

        Args:
            key: From ``cache_key``.
            response: The response, with the ``valid_until`` that this cache returned.
            now: Unix time, seconds.
        """
        length = _length(response)
        if response.valid_until <= now or length > self._most_bytes:
            return
        if key in self._entries:
            self._drop(key)
        while self._entries and (
            len(self._entries) >= self._size or self._bytes + length > self._most_bytes
        ):
            self._drop(next(iter(self._entries)))
        self._entries[key] = tuple(response)
        self._bytes += length

    def clear(self) -> None:
        """Remove all entries.

        The ``generation`` changes, so that a request whose decision began earlier can see that
        its response must not be stored.
        """
        self._entries.clear()
        self._bytes = 0
        self.generation += 1

    def valid_until(self, decision: Decision, now: float) -> float:
        """Return the end of a decision's validity, Unix seconds; ``now`` if it is not cached."""
        longest = now + self._ttl
        if isinstance(decision, Allow):
            ends = decision.expires_at
            return longest if ends is None else min(longest, ends)
        if decision.code in _NEVER_CACHED:
            return now
        return longest if decision.until is None else min(longest, decision.until)

    def _drop(self, key: bytes) -> None:
        self._bytes -= _length(CachedResponse._make(self._entries.pop(key)))


def cache_key(parts: Iterable[bytes]) -> bytes:
    """Return the digest of everything that a response depends on.

    Args:
        parts: The parts; ``ABSENT`` for one that is missing. The number of parts must be the same
            for each endpoint, and no part may contain a line feed. Then two different lists never
            have the same text, and so never the same key.
    """
    return sha256(b"\n".join(parts)).digest()[:_KEY_BYTES]


def _length(response: CachedResponse) -> int:
    return len(response.head) + len(response.body) + len(response.log_record)
