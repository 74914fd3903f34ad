"""Keys from an ASAP key server: ``<base>/<sha256(kid)>.pem`` is one PEM key or certificate.

Each key is one request. A request has one of three reasons:

==========  ===================================  ==================================================
request     starts when                          limited by
==========  ===================================  ==================================================
lookup      a token names a key id that is not   ``_may_start_lookup``: negative cache, circuit
            cached                               breaker; then ``lookup_queue``, 16 connections
refresh     75 to 90 % of a cached key's         2 of the 16 connections, so that refreshes never
            freshness are over                   delay a lookup; the circuit breaker's pauses
asked       a signature fails under a cached     10 s for each key id (``remote``), then as
again       key                                  a lookup
probe       the server failed, and a pause is    one request: the cached key that is due first,
            over                                 else the key id whose lookup failed
==========  ===================================  ==================================================

The result of a request decides about the cached key and about the answer to the token:

======================  =====================================  ====================================
response                cached key                             answer to a lookup
======================  =====================================  ====================================
200 with a good key     confirmed or replaced                  the key
304                     confirmed                              (only sent for a cached key)
404, 410                withdrawn (usable for 90 min)          unknown; remembered
403                     unchanged; see below                   unknown; remembered
other 4xx; 200 with a   unchanged; see below                   unknown; remembered. Unavailable
web page                                                       before the server has sent a key
200, key not trusted    refused: removed at once               unknown; remembered
200, no key otherwise   unchanged                              unavailable; remembered
other status            unchanged                              unavailable; remembered
server fails            unchanged                              the last minute's answer, else
                                                               unavailable; the circuit opens
======================  =====================================  ====================================

Some responses have two meanings. S3 answers 403 for a file that does not exist, to a client that
may not list the bucket. Other storage servers answer 401 or 400, and the web server of a
single-page application answers 200, with its page. But a server also answers so if an operator made
a mistake with its access rights or with the URL, or while it fails. So a key that the server had
before is kept, as a stale one. If no key was found so far, a warning says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Final, Self

import aiohttp
from yarl import URL

from verifier.keys.document import SkippedKey, refuses_key
from verifier.keys.document_json import decode_text
from verifier.keys.formats import parse_public_key
from verifier.keys.model import InvalidKeyError, Source, VerificationKey, key_id_digest
from verifier.keys.pem import looks_like_pem
from verifier.keys.sources.base import (
    DEFAULT_CONTEXT,
    KeyOrMissing,
    KeySourceError,
    Missing,
    SourceContext,
    SourceStatus,
)
from verifier.keys.sources.cache import CachedKey
from verifier.keys.sources.entry_report import log_irregular, log_skipped
from verifier.keys.sources.http import KeyResponse
from verifier.keys.sources.limits import NegativeCache, SingleFlight
from verifier.keys.sources.lookup_queue import LookupQueue
from verifier.keys.sources.remote import RemoteSource
from verifier.keys.sources.stored_keys import StoredKey
from verifier.log import log

_PARALLEL_REFRESHES: Final = 2
_MOST_SKIPPED: Final = 100  # keys that are shown as not used
_ABSENT: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.FORBIDDEN)
_CLIENT_ERRORS: Final = range(400, 500)
# A key that no token has needed for this time, seconds, is forgotten instead of refreshed. Without
# this limit, keys that no issuer uses any more would be refreshed until the service ends. A key
# that is used less than once a day costs one lookup each time.
_IDLE_SECONDS: Final = 86_400.0


class AsapSource(RemoteSource):
    """Keys by ``kid`` from an ASAP key server; file names are appended to ``url``."""

    name: Source = "asap"
    _per_key = True

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        context: SourceContext = DEFAULT_CONTEXT,
    ) -> None:
        super().__init__(url, session, context)
        self._base = str(self.url).rstrip("/")
        self._queue = LookupQueue(context)
        self._negative = NegativeCache(context)
        self._lookups: SingleFlight[KeyOrMissing] = SingleFlight(self._settings.key_fetch_timeout)
        self._connections = asyncio.Semaphore(self._settings.key_fetch_connections)
        self._failed_key_id: str | None = None
        self._had_a_key = self._warned_of_access = False
        self._skipped: dict[str | None, SkippedKey] = {}  # the latest one is the last

    async def fetch(self, key_id: str) -> KeyOrMissing:
        """Return the key, fetched if necessary; waits for at most one shared fetch."""
        key = self._cache.peek(key_id)
        if key is not None:
            return key
        if not self.may_fetch(key_id):
            return self.answer_without_fetch(key_id)
        self._observer.count_lookup(self.name, "miss")
        requested_at = self._timing.monotonic()
        lookup = self._lookups.start(key_id, lambda: self._look_up(key_id, requested_at))
        return await self._lookups.wait(lookup, default=Missing.UNAVAILABLE)

    def may_fetch(self, key_id: str) -> bool:
        """Return whether ``fetch`` may start or join a fetch now; changes nothing."""
        if self._cache.peek(key_id) is not None or self._lookups.running(key_id) is not None:
            return True
        return self._may_start_lookup(key_id)

    def answer_without_fetch(self, key_id: str) -> Missing:
        """Return the answer of ``fetch`` for a key id where ``may_fetch`` is false; count it."""
        self._observer.count_lookup(self.name, "negative")
        return self._negative.current(key_id) or self._answer_from_memory(key_id)

    def _is_asking(self, key_id: str) -> bool:
        return self._lookups.running(key_id) is not None

    def _asked_again_at(self, key_id: str) -> float:
        entry = self._cache.entry(key_id)
        return float("-inf") if entry is None else entry.asked_again_at

    async def _ask_again(self, key_id: str) -> KeyOrMissing:
        now, before = self._timing.monotonic(), self._cache.entry(key_id)
        lookup = self._lookups.start(key_id, lambda: self._look_up(key_id, now, before))
        return await self._lookups.wait(lookup, default=Missing.UNAVAILABLE)

    async def close(self) -> None:
        """End all background work and all lookups."""
        await super().close()
        self._queue.close()
        await self._lookups.close()

    async def tick(self) -> None:
        """Refresh the keys that are due; request one key before the others if the server fails."""
        await super().tick()
        if not self._circuit.allows_refresh():
            return
        self._forget_idle_keys()
        due = self._due_keys()
        if self._circuit.is_open:
            probe, due = due[:1] or self._probe_keys(), due[1:]
            await self._refresh(probe)
        for first in range(0, len(due), _PARALLEL_REFRESHES):
            if self._circuit.is_open:
                return
            await self._refresh(due[first : first + _PARALLEL_REFRESHES])

    def status(self) -> SourceStatus:
        """Return the state of the source."""
        return replace(super().status(), skipped=tuple(self._skipped.values()))

    def copy_from(self, other: Self) -> None:
        """Take over the keys and the failures of another source with the same URL."""
        super().copy_from(other)
        self._failed_key_id = other._failed_key_id
        self._had_a_key = other._had_a_key
        self._skipped = dict(other._skipped)
        self._report_skipped()
        for _, entry in self._cache:
            entry.refresh_at, entry.past_caches = self._timing.monotonic(), True

    def restore(self, stored: Sequence[StoredKey]) -> None:
        """Use keys of an earlier process as stale ones; ask for them at once."""
        super().restore(stored)
        self._had_a_key = self._had_a_key or bool(stored)

    def _may_start_lookup(self, key_id: str) -> bool:
        """Return whether a token may cause a request for this key id, which is not cached."""
        if self._negative.current(key_id) is not None:
            return False
        return self._circuit.allows_lookup(self._timing.monotonic())

    def _answer_from_memory(self, key_id: str) -> Missing:
        """Return the answer for a key id that cannot be requested while the server fails."""
        return self._negative.latest(key_id) or Missing.UNAVAILABLE

    async def _look_up(
        self, key_id: str, requested_at: float, unfit: CachedKey | None = None
    ) -> KeyOrMissing:
        """Request the key for a token that came at ``requested_at``; remember a failure.

        ``unfit`` is the cached key, if it did not make a signature.
        """
        old = None if unfit is None else unfit.key
        if not await self._queue.wait(key_id):
            # Nothing is known about this key id, so its client must be told to try again.
            is_open = self._circuit.is_open
            return self._answer_from_memory(key_id) if is_open else Missing.UNAVAILABLE
        with self._queue.lookup(key_id) as lookup:
            if unfit is not None:
                unfit.asked_again_at, unfit.etag = self._timing.monotonic(), ""
            answer = await self._request_for_token(key_id, requested_at, again=old is not None)
            # A key that is found in vain, because it is the cached one, counts as none.
            lookup.found = isinstance(answer, VerificationKey) and answer != old
        return answer

    async def _request_for_token(
        self, key_id: str, requested_at: float, *, again: bool
    ) -> KeyOrMissing:
        try:
            async with self._connections:
                # While this lookup waited for a connection, another may have found the server
                # down. Without this check, each of them would wait for its own time-out.
                if not self._circuit.allows_lookup(requested_at):
                    return self._answer_from_memory(key_id)
                key = await self._request(key_id, past_caches=again)
        except KeySourceError as error:
            missing = self._lookup_failed(key_id, requested_at, error)
            return self._cache.peek(key_id) or missing
        if key is not None:
            return key
        self._negative.add(key_id, Missing.UNKNOWN, requested_at)
        return self._cache.peek(key_id) or Missing.UNKNOWN  # a withdrawn key is used for some time

    def _lookup_failed(self, key_id: str, requested_at: float, error: KeySourceError) -> Missing:
        if error.source_wide:
            self._failed_key_id = key_id
            self._queue.drop_all()
            return self._answer_from_memory(key_id)
        answer = Missing.UNKNOWN if refuses_key(error.reason) else Missing.UNAVAILABLE
        self._negative.add(key_id, answer, requested_at)
        return answer

    async def _request(self, key_id: str, *, past_caches: bool = False) -> VerificationKey | None:
        """Request one key and update the cache; return None if the server has no such key.

        Raises:
            KeySourceError: There is no good response.
        """
        cached = self._cache.entry(key_id)
        past_caches = past_caches or (cached is not None and cached.past_caches)
        url = URL(f"{self._base}/{key_id_digest(key_id)}.pem")
        try:
            response, key = await self._fetcher.fetch(
                url,
                cached.etag if cached else "",
                lambda body: self._parse(body, key_id),
                absent=_CLIENT_ERRORS if self._had_a_key else _ABSENT,
                past_caches=past_caches,
            )
        except KeySourceError as error:
            self._report_bad_key(key_id, error)
            raise
        if self._skipped.pop(key_id, None) is not None:
            self._report_skipped()
        if response.outcome == "not-found":
            if response.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
                self._check_access(key_id, response.status)
            self._cache.withdraw(key_id)
            self._postpone_refresh(key_id)
            return None
        self._had_a_key, self._warned_of_access = True, False
        return self._store(key_id, response, key, cached)

    def _check_access(self, key_id: str, status: int) -> None:
        """Tell a key id that has no key from a server that refuses us.

        Raises:
            KeySourceError: The server refuses a key that it had.
        """
        url, entry = self._shown_url, self._cache.entry(key_id)
        answer = f"status {status}" if status in _CLIENT_ERRORS else "a web page"
        if self._cache.peek(key_id) is not None and entry is not None and not entry.withdrawn:
            error = f"{answer} from {url} for a key that it had before"
            self._circuit.record_key_failure(error)
            if self._logs_refusal():
                log("keys cannot be fetched", logging.WARNING, **self._fields(error))
            raise KeySourceError(error, source_wide=False)
        if not self._had_a_key:
            error = f"{answer} for every key so far from {url}: check its access rights"
            self._circuit.record_key_failure(error)
            if self._logs_refusal():
                log("no key found yet", logging.WARNING, **self._fields(error))

    def _fields(self, error: str) -> dict[str, str]:
        return {"source": self.name, "url": self._shown_url, "error": error}

    def _logs_refusal(self) -> bool:
        """Return whether to log that the server refuses us: once, until it sends a key again."""
        first, self._warned_of_access = not self._warned_of_access, True
        return first

    def _parse(self, body: bytes, key_id: str) -> VerificationKey | None:
        text = decode_text(body)
        if looks_like_pem(text):
            return parse_public_key(text, key_id, self.name)
        # Jitsi takes nothing but PEM from a key server, so a JWK is not accepted either.
        if self._had_a_key and text.lstrip().startswith("<"):
            return None
        raise InvalidKeyError("expected a public key or certificate in PEM")

    def _store(
        self,
        key_id: str,
        response: KeyResponse,
        received: VerificationKey | None,
        cached: CachedKey | None,
    ) -> VerificationKey | None:
        """Put the key of a response into the cache; a 304 confirms the cached key."""
        key, default, etag = received, self._settings.asap_lifetime, response.etag
        if received is None and cached is not None:
            # A 304 may leave out what has not changed (RFC 9110, section 15.4.5).
            key, default = cached.key, cached.lifetime or default
            etag = response.etag or cached.etag
        if key is None:
            return None
        before = cached.key.interop_warning if cached else ""
        if key.interop_warning not in ("", before):
            log_irregular(self.name, self._shown_url, key_id, key.interop_warning)
        lifetime = self._settings.lifetime(response.lifetime, default)
        entry = self._cache.put(key_id, key, lifetime)
        entry.etag, entry.refresh_at = etag, self._refresh_time(lifetime)
        return key

    def _report_bad_key(self, key_id: str, error: KeySourceError) -> None:
        """Log and count a key that cannot be used; remove the cached one if it is refused."""
        if error.reason is not None:
            self._observer.count_skipped(self.name, error.reason)
            self._remember_skipped(SkippedKey(error.reason, key_id, str(error.__cause__ or error)))
        if refuses_key(error.reason):
            self._cache.refuse([key_id])

    def _remember_skipped(self, entry: SkippedKey) -> None:
        # Only what the server has sent is remembered, so invented key ids displace nothing.
        log_skipped(self.name, self._shown_url, entry)
        self._skipped.pop(entry.key_id, None)
        self._skipped[entry.key_id] = entry
        if len(self._skipped) > _MOST_SKIPPED:
            del self._skipped[next(iter(self._skipped))]
        self._report_skipped()

    def _report_skipped(self) -> None:
        reasons = Counter(entry.reason for entry in self._skipped.values())
        self._observer.set_skipped(self.name, reasons)

    def _forget_idle_keys(self) -> None:
        # While the server fails, a forgotten key could not be fetched again.
        if self._circuit.is_open:
            return
        now = self._timing.monotonic()
        for key_id, entry in self._cache:
            if now - entry.used_at > _IDLE_SECONDS:
                self._cache.forget(key_id)

    def _due_keys(self) -> list[str]:
        """Return the key ids that are due for a refresh, the most overdue first."""
        now = self._timing.monotonic()
        due = sorted((entry.refresh_at, key_id) for key_id, entry in self._cache)
        return [key_id for refresh_at, key_id in due if refresh_at <= now]

    def _probe_keys(self) -> list[str]:
        """Return the key id to request from a failing server when no cached key is due."""
        return [] if self._failed_key_id is None else [self._failed_key_id]

    async def _refresh(self, key_ids: list[str]) -> None:
        await asyncio.gather(*map(self._refresh_key, key_ids))

    async def _refresh_key(self, key_id: str) -> None:
        try:
            async with self._connections:
                await self._request(key_id)
        except KeySourceError as error:
            # The circuit breaker delays the next attempt only if the whole server failed.
            if not error.source_wide:
                self._postpone_refresh(key_id)

    def _postpone_refresh(self, key_id: str) -> None:
        entry = self._cache.entry(key_id)
        if entry is not None:
            entry.refresh_at = self._timing.monotonic() + self._settings.key_backoff_max
