"""What a key server and a key document have in common: a URL, a table of keys, a beat."""

from __future__ import annotations

from typing import Self

import aiohttp

from verifier.keys.model import Source, VerificationKey
from verifier.keys.sources.base import SourceStatus
from verifier.keys.sources.cache import KeyTable
from verifier.keys.sources.circuit_breaker import CircuitBreaker
from verifier.keys.sources.http import HttpFetcher, key_url
from verifier.keys.sources.polling import PollingTask
from verifier.keys.sources.settings import DEFAULTS, SourceContext
from verifier.keys.sources.upstream import KeyFetcher


class RemoteSource:
    """Keys by ``kid`` from a URL, kept fresh in the background.

    Args:
        url: Where they are, http or https.
        session: The process' session, from ``open_session``; the caller closes it.
        surroundings: Options, clocks, and whom to tell.

    Raises:
        ValueError: ``url`` is not an http or https URL.
    """

    name: Source
    static: tuple[VerificationKey, ...] = ()
    _per_key = False

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        surroundings: SourceContext = DEFAULTS,
    ) -> None:
        self.url = key_url(url)
        self._settings = surroundings.settings
        self._observer = surroundings.observer
        self._timing = surroundings.timing
        self._health = CircuitBreaker(self.name, surroundings)
        self._table = KeyTable(self.name, surroundings)
        self._upstream = KeyFetcher(
            self.name,
            HttpFetcher(session, surroundings),
            self._health,
            surroundings,
            per_key=self._per_key,
        )
        self._background = PollingTask(self.name, self.tick, surroundings.timing)

    def get(self, key_id: str) -> VerificationKey | None:
        """Give a key that is at hand; never waits."""
        return self._table.get(key_id)

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Give the key whose ``kid`` has this SHA-256 (hex), and its freshness, seconds."""
        return self._table.find_by_digest(digest)

    async def start(self) -> None:
        """Begin to keep keys fresh; does not wait for the first answer."""
        self._background.start()

    async def close(self) -> None:
        """Stop all work in the background."""
        await self._background.close()

    async def tick(self) -> None:
        """Do what is due."""
        self._table.purge()

    def status(self) -> SourceStatus:
        """Say how the source is doing."""
        keys, health = self._table.status(), self._health
        state = "stale" if self._table.has_stale() else health.state(len(keys))
        return SourceStatus(
            self.name, state, health.answered, health.last_success, health.last_error, keys
        )

    def inherit(self, other: Self) -> None:
        """Go on with what another object knew of the same URL."""
        self._health.inherit(other._health)
        self._table.inherit(other._table)

    def _refresh_at(self, lifetime: float) -> float:
        """When to ask again, well before ``lifetime`` is over; with jitter (monotonic)."""
        share = 0.75 + 0.15 * self._timing.random()
        return self._timing.monotonic() + lifetime * share
