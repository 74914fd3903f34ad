"""Whether a source answers: its failures, and the pauses that they cost it.

Knows nothing of keys.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from verifier.keys.model import Source
from verifier.keys.sources.base import State
from verifier.keys.sources.settings import SourceContext
from verifier.log import log


class CircuitBreaker:
    """Counts one source's failures and says when it may be asked again.

    A failing source is left alone for 1 s, then 2 s, and so on up to a minute. A token that names
    an unknown key may cut that short, but not before ``key_recheck`` has passed since the last
    attempt, and one at a time: so a key that the source has newly published is accepted within
    that time even after a long outage.
    """

    def __init__(self, name: Source, surroundings: SourceContext) -> None:
        self.answered = False
        self.last_success: float | None = None
        self.last_error = ""
        self._name: Source = name
        self._settings = surroundings.settings
        self._observer = surroundings.observer
        self._timing = surroundings.timing
        self._failures = 0
        self._attempts = 0
        self._running = 0
        self._attempted_at = float("-inf")
        self._retry_at = float("-inf")

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def may_retry(self) -> bool:
        """Whether work in the background may ask the source now."""
        return not self.failing or self._timing.monotonic() >= self._retry_at

    def may_ask(self, asked_at: float) -> bool:
        """Whether a token that came at ``asked_at`` (monotonic) may have the source asked."""
        if not self.failing:
            return True
        waited = asked_at - self._attempted_at >= self._settings.key_recheck
        return self._running == 0 and (waited or self.may_retry())

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Note that the source is being asked."""
        self._attempted_at = self._timing.monotonic()
        self._attempts += 1
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def succeeded(self) -> None:
        """Note a good answer."""
        if self.failing:
            log("keys can be fetched again", source=self._name, failures=self._failures)
        self._failures = 0
        self.answered = True
        self.last_error = ""
        self.last_success = self._timing.clock()
        self._observer.succeeded(self._name, self.last_success)

    def noted(self, words: str) -> None:
        """Note what went wrong with one key; the source itself is there, and may be asked on."""
        self._failures = 0
        self.last_error = words

    def failed(self, words: str) -> None:
        """Note a failure and begin the next pause."""
        if not self.failing or words != self.last_error:
            level = logging.WARNING
            log("keys cannot be fetched", level, source=self._name, error=words)
        self.last_error = words
        # What failed together with others is one failure: four of them must not cost 8 s.
        if not self.failing or self.may_retry():
            self._failures += 1
            self._retry_at = self._timing.monotonic() + self._pause()

    def _pause(self) -> float:
        low, high = self._settings.key_backoff_min, self._settings.key_backoff_max
        doubled = low * 2.0 ** min(self._failures - 1, 30)
        # Jitter, so that many verifiers do not come back at once.
        return min(max(doubled * (0.75 + self._timing.random() / 2), low), high)

    def state(self, keys: int) -> State:
        """Say it in one word, given how many keys there are to go on with."""
        if self.failing:
            return "stale" if keys else "failing"
        if self.answered:
            return "ready"
        return "starting" if self._attempts else "never-needed"

    def inherit(self, other: CircuitBreaker) -> None:
        """Go on from what another knew of the same source."""
        self.answered = other.answered
        self.last_success = other.last_success
        self.last_error = other.last_error
        self._failures = other._failures
        self._attempts = other._attempts
        self._attempted_at = other._attempted_at
        self._retry_at = other._retry_at
