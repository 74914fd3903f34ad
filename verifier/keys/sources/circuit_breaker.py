"""Whether a request to a remote source may start now: the failures and the pauses after them.

=========  =======================  ======================  ==================================
state      refreshes may start      lookups for tokens may  next state
=========  =======================  ======================  ==================================
closed     yes                      start: yes              the source fails: open
open       no                       no                      pause over: half-open for both;
                                                            10 s (``key_recheck``) since the
                                                            last attempt: half-open for lookups
half-open  yes                      one at a time           any response: closed;
                                                            failure: open, pause twice as long
=========  =======================  ======================  ==================================

The pauses are 1, 2, 4, 8, 16, 32 and then 60 seconds (``key_backoff_min``, ``key_backoff_max``),
each with up to 25 % jitter.

Why a token may shorten the pause: a key that its server has just published must be accepted
within 10 s of the first token that names it, even after an outage of an hour. Why only one lookup
at a time: clients choose the key ids, and a flood of invented key ids must not cause a flood of
requests to a server that has just started again.

A response about one key, such as 404 or an unusable body, closes the circuit: the server works.
Only an error that concerns the whole source opens it (``KeySourceError.source_wide``); the one
document of a document source is the whole source.

This module knows nothing of keys.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from verifier.keys.model import Source
from verifier.keys.sources.base import SourceContext, State
from verifier.log import log


class CircuitBreaker:
    """Counts the failures of one source and decides when the next request may start.

    Args:
        name: The kind of source.
        context: Pauses, clocks and observers.
        url: The source's URL for the log, without secrets.

    Attributes:
        answered: Whether the source has ever given a good response.
        last_success: The time of the last good response, Unix seconds.
        last_error: The last error's message; empty after a good response.
    """

    def __init__(self, name: Source, context: SourceContext, url: str) -> None:
        self.answered = False
        self.last_success: float | None = None
        self.last_error = ""
        self._name: Source = name
        self._url = url
        self._settings = context.settings
        self._observer = context.observer
        self._timing = context.timing
        self._failures = 0
        self._attempts = 0
        self._running = 0
        self._attempted_at = float("-inf")
        self._retry_at = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether the circuit is open or half-open: the source's last attempt failed."""
        return self._failures > 0

    def allows_refresh(self) -> bool:
        """Return whether background work may start a request now."""
        return not self.is_open or self._timing.monotonic() >= self._retry_at

    def allows_lookup(self, requested_at: float) -> bool:
        """Return whether a token that came at ``requested_at`` (monotonic) may cause a request."""
        if not self.is_open:
            return True
        # Compared with the token's arrival, not with now: a lookup that waited in a queue while
        # another attempt failed must not make one more attempt.
        recheck_due = requested_at - self._attempted_at >= self._settings.key_recheck
        return self._running == 0 and (recheck_due or self.allows_refresh())

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Mark that a request is running."""
        self._attempted_at = self._timing.monotonic()
        self._attempts += 1
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def record_success(self) -> None:
        """Record a good response."""
        if self.is_open:
            number, url = self._failures, self._url
            log("keys can be fetched again", source=self._name, url=url, failures=number)
        self._failures = 0
        self.answered = True
        self.last_error = ""
        self.last_success = self._timing.clock()
        self._observer.set_last_success(self._name, self.last_success)

    def record_key_failure(self, error: str) -> None:
        """Record a failure that concerns one key; the source itself works."""
        self._failures = 0
        self.last_error = error

    def record_failure(self, error: str) -> None:
        """Record a failure of the source and start the next pause."""
        # Each error is logged once, not at every attempt.
        if not self.is_open or error != self.last_error:
            fields = {"source": self._name, "url": self._url, "error": error}
            log("keys cannot be fetched", logging.WARNING, **fields)
        self.last_error = error
        # Requests that ran at the same time count as one failure: several stalled connections must
        # not make the pause 8 s.
        if not self.is_open or self.allows_refresh():
            self._failures += 1
            self._retry_at = self._timing.monotonic() + self._pause()

    def _pause(self) -> float:
        low, high = self._settings.key_backoff_min, self._settings.key_backoff_max
        # Bounded exponent: after a long outage 2.0 ** failures would overflow.
        doubled = low * 2.0 ** min(self._failures - 1, 30)
        # With jitter, many verifiers do not all come back at the same moment. The limits cut the
        # jitter off, so that half of the first pauses are equal, and half of the longest ones.
        # That is accepted, because the configured limits must hold exactly.
        return min(max(doubled * (0.75 + self._timing.random() / 2), low), high)

    def state(self, usable_keys: int) -> State:
        """Return the source's state, given the number of its keys that can be used."""
        if self.is_open:
            return "stale" if usable_keys else "failing"
        if self.answered:
            return "ready"
        return "starting" if self._attempts else "never-needed"

    def copy_from(self, other: CircuitBreaker) -> None:
        """Take over the state of another circuit breaker of the same source."""
        self.answered = other.answered
        self.last_success = other.last_success
        self.last_error = other.last_error
        self._failures = other._failures
        self._attempts = other._attempts
        self._attempted_at = other._attempted_at
        self._retry_at = other._retry_at
