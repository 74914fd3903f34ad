"""What the key server and the key document have in common: the cache and the background work.

**A key id with a new key.** An identity provider that starts again may sign with a new key under
the old key id. So if the cached key did not make a signature, the source is asked again, past
all HTTP caches, and the token is checked with the answer. Forged signatures look the same, so:

- the source is asked once in 10 s (``key_recheck``): a key server for each key id, a document at
  all. In these 10 s, a forged signature costs one lookup in the cache. Only key ids that have a key
  can cause a request, so an attacker can neither invent them nor displace others;
- tokens that name the key id while the source is asked wait for that answer, at most 256 of them;
  more are told to try again (``keys-unavailable``). The next ones are answered at once;
- a key server is asked in the order of ``lookup_queue``, and a failing source is not asked.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, Self

import aiohttp

from verifier.keys.model import Source, VerificationKey
from verifier.keys.sources.base import (
    DEFAULT_CONTEXT,
    KeyOrMissing,
    Missing,
    SourceContext,
    SourceStatus,
)
from verifier.keys.sources.cache import CachedKeys
from verifier.keys.sources.circuit_breaker import CircuitBreaker
from verifier.keys.sources.fetcher import KeyFetcher
from verifier.keys.sources.http import HttpFetcher, parse_key_url, redacted_url
from verifier.keys.sources.polling import PollingTask
from verifier.keys.sources.proxy import proxy_for
from verifier.keys.sources.stored_keys import SourceId, StoredKey, source_url
from verifier.log import log

_MOST_WAITING: Final = 256  # tokens, for the answer about a key that did not make a signature


class RemoteSource(ABC):
    """Keys by ``kid`` from a URL, kept fresh in the background.

    Args:
        url: Where the keys are, http or https.
        session: From ``open_session``; the caller closes it.
        context: Settings, clocks and observers.

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
        context: SourceContext = DEFAULT_CONTEXT,
    ) -> None:
        self.url = parse_key_url(url)
        self.id: SourceId = (self.name, source_url(self.url))
        self._shown_url = redacted_url(self.url)
        self._settings = context.settings
        self._observer = context.observer
        self._timing = context.timing
        self._circuit = CircuitBreaker(self.name, context, self._shown_url)
        self._cache = CachedKeys(self.name, context)
        http = HttpFetcher(session, context)
        self._fetcher = KeyFetcher(self.name, http, self._circuit, context, per_key=self._per_key)
        self._background = PollingTask(f"{self.name} keys", self.tick, context.timing)
        self._waiting = 0

    def get(self, key_id: str) -> VerificationKey | None:
        """Return the key if it is in memory; never waits."""
        return self._cache.get(key_id)

    def asks_again_in(self, key_id: str) -> float | None:
        """Return in how many seconds ``ask_again`` may ask; None if the key id has no key here."""
        if self._cache.peek(key_id) is None:
            return None
        if self._is_asking(key_id):
            return 0.0
        now = self._timing.monotonic()
        pause = self._asked_again_at(key_id) + self._settings.key_recheck - now
        if pause <= 0.0 and not self._circuit.allows_lookup(now):
            return self._settings.key_backoff_min
        return max(0.0, pause)

    async def ask_again(self, key_id: str) -> KeyOrMissing:
        """Ask the source for a cached key that did not make a signature; return its key now."""
        pause = self._asked_again_at(key_id) + self._settings.key_recheck
        if self._timing.monotonic() < pause and not self._is_asking(key_id):
            # The source has answered since the caller found that it may be asked.
            return self._cache.peek(key_id) or Missing.UNAVAILABLE
        if self._waiting >= _MOST_WAITING:
            return Missing.UNAVAILABLE
        self._waiting += 1
        try:
            return await self._ask_again(key_id)
        finally:
            self._waiting -= 1

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Return the key whose ``kid`` has this SHA-256 (hex), and its freshness in seconds."""
        return self._cache.find_by_digest(digest)

    async def start(self) -> None:
        """Begin to keep keys fresh; does not wait for the first response."""
        self._log_proxy()
        self._background.start()

    async def close(self) -> None:
        """End all background work."""
        await self._background.close()

    async def tick(self) -> None:
        """Do the background work that is due now."""
        self._cache.purge()

    def status(self) -> SourceStatus:
        """Return the state of the source."""
        keys, circuit = self._cache.status(), self._circuit
        # Keys can be stale while the circuit is closed: the server refuses them one by one.
        state = "stale" if self._cache.has_stale() else circuit.state(len(keys))
        return SourceStatus(
            self.name,
            state,
            circuit.answered,
            circuit.last_success,
            circuit.last_error,
            keys,
            url=self._shown_url,
        )

    def copy_from(self, other: Self) -> None:
        """Take over the keys and the failures of another source with the same URL.

        All keys are due at once: an operator who reloads wants to see what the source has now.
        """
        self._circuit.copy_from(other._circuit)
        self._cache.copy_from(other._cache)

    def restore(self, stored: Sequence[StoredKey]) -> None:
        """Use keys of an earlier process as stale ones, until the source answers."""
        for each in stored:
            if each.key is not None:
                self._cache.restore(each.key_id, each.key, each)

    def stored_keys(self) -> list[StoredKey]:
        """Return what the next process should know about this source's keys."""
        now, clock, settings = self._timing.monotonic(), self._timing.clock(), self._settings
        keys = [
            StoredKey(
                self.id,
                key_id,
                entry.answered_at,
                entry.confirmed_at,
                clock + entry.usable_until - now,
                entry.withdrawn,
                entry.key,
            )
            for key_id, entry in self._cache
        ]
        # A refusal is kept until no worker can still have the key from before.
        longest = settings.key_max_lifetime + settings.key_stale_grace
        return keys + [
            StoredKey(self.id, key_id, at, at, at + longest, withdrawn=True, key=None)
            for key_id, at in self._cache.refused.items()
        ]

    @property
    def cache_revision(self) -> int:
        """A number that changes with each new, replaced, withdrawn or refused key."""
        return self._cache.revision

    @property
    def cache_confirmations(self) -> int:
        """A number that changes when a key is confirmed."""
        return self._cache.confirmations

    @abstractmethod
    def _is_asking(self, key_id: str) -> bool:
        """Return whether a fetch runs that will answer for this key id."""

    @abstractmethod
    def _asked_again_at(self, key_id: str) -> float:
        """Return when ``ask_again`` last asked for this key id (monotonic)."""

    @abstractmethod
    async def _ask_again(self, key_id: str) -> KeyOrMissing:
        """Ask the source; see ``ask_again``."""

    def _log_proxy(self) -> None:
        source, url = self.name, self._shown_url
        try:
            proxy = proxy_for(self.url)
        except ValueError as error:
            log("proxy not used", logging.ERROR, source=source, url=url, error=str(error))
        else:
            if proxy is not None:
                log(
                    "keys are fetched through a proxy",
                    source=source,
                    url=url,
                    proxy=redacted_url(proxy),
                )

    def _refresh_time(self, lifetime: float) -> float:
        """Return when to request again a response that is fresh for ``lifetime`` (monotonic)."""
        # Well before the end, so that no token meets a stale key. With jitter, so that keys that
        # were fetched together are not all refreshed together.
        share = 0.75 + 0.15 * self._timing.random()
        return self._timing.monotonic() + lifetime * share
