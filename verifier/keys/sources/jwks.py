"""Keys from one document: a JWK set, or a map of ``kid`` to certificate or PEM (Firebase's form).

All keys come in one response, so a fetch for one key id answers all. A fetch starts:

===============================  ==================================================================
when                             provided that
===============================  ==================================================================
75 to 90 % of the document's     the circuit breaker allows a refresh. A failed document is
freshness are over, or the last  fetched again after its pause, even if its keys are still fresh
fetch failed
a token names an unknown key id  10 s (``key_recheck``) have passed since the last fetch that a
                                 token caused. The circuit breaker is not consulted: this interval
                                 limits the requests, also while the server fails
a signature fails under one of   10 s have passed since the last such fetch (see ``remote``), and
its keys                         the circuit breaker allows a lookup
such a token came too early      the 10 s are over: the next ``tick`` fetches, so that the key is
                                 there when the client tries again
===============================  ==================================================================

Why 10 s are enough protection: invented key ids cause at most one request in 10 s, however many
tokens come. A refresh in the background does not count, because a key may be published right
after it.

A token may join a fetch that began before it came. The key may have been published in between;
then the answer is "unknown", and one more fetch follows when the 10 s are over.

The document decides about the cached keys:

===============================  ==================================================================
response                         cached keys
===============================  ==================================================================
200 with keys, or an empty set   named: confirmed or replaced; not named: withdrawn (90 min);
                                 named with something that must not be trusted: refused, removed;
                                 named with a malformed entry or with two keys: contested, used
                                 until ``key_stale_grace`` after its freshness
200, all entries unusable        unchanged, but refused ones are removed; counts as a failure,
                                 because the cause is usually a broken server
200, empty, there was no key     counts as a failure: a server that has just started may publish
yet, and no other source         its keys in a moment, and until then the service is not ready
304                              confirmed
anything else                    unchanged; a failure
===============================  ==================================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Final, Self

import aiohttp

from verifier.keys.document import Document
from verifier.keys.formats import describe_skipped, parse_document
from verifier.keys.model import InvalidKeyError, Source, VerificationKey
from verifier.keys.sources.base import (
    DEFAULT_CONTEXT,
    KeyOrMissing,
    KeySourceError,
    Missing,
    SourceContext,
    SourceStatus,
)
from verifier.keys.sources.entry_report import EntryReport
from verifier.keys.sources.limits import SingleFlight
from verifier.keys.sources.remote import RemoteSource

_DOCUMENT: Final = "document"


class _NothingUsableError(InvalidKeyError):
    """A document has no key that can be used."""

    def __init__(self, document: Document) -> None:
        number = len(document.skipped)
        reasons = f"none of its {number} entries is a usable key: "
        reasons += describe_skipped(document.skipped)
        super().__init__(reasons if number else "it has no keys")
        self.document = document


class DocumentSource(RemoteSource):
    """Keys by ``kid`` from a document.

    Args:
        url: Where the document is, http or https.
        session: From ``open_session``; the caller closes it.
        context: Settings, clocks and observers.
        alone: Whether no other source could have a key, so that the service is of no use before
            the document has one.
    """

    name: Source = "document"

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        context: SourceContext = DEFAULT_CONTEXT,
        *,
        alone: bool = True,
    ) -> None:
        super().__init__(url, session, context)
        self._alone = alone
        # The value says only that a fetch has ended in time; the keys are in the cache.
        self._fetches: SingleFlight[bool] = SingleFlight(self._settings.key_fetch_timeout)
        self._etag = ""
        self._document_key_ids: Collection[str] = ()
        self._lifetime = 0.0
        self._refresh_at = float("-inf")
        self._lookup_at = float("-inf")
        self._asked_at = float("-inf")
        self._past_caches = False  # the next fetch must reach the server
        self._lookup_wanted = False
        self._report = EntryReport(self.name, self._observer, self._shown_url)

    async def fetch(self, key_id: str) -> KeyOrMissing:
        """Return the key, fetched if necessary; waits for at most one shared fetch."""
        key = self._cache.peek(key_id)
        if key is not None:
            return key
        earlier_fetch = self._fetches.running(_DOCUMENT)
        fetch = self._fetch_for_token()
        if fetch is None:
            return self.answer_without_fetch(key_id)
        self._observer.count_lookup(self.name, "miss")
        if not await self._fetches.wait(fetch, default=False):
            return Missing.UNAVAILABLE
        key = self._cache.peek(key_id)
        if key is None and fetch is earlier_fetch:
            # The key may have been published since that fetch began.
            self._lookup_wanted = True
        return key or self._missing()

    def may_fetch(self, key_id: str) -> bool:
        """Return whether ``fetch`` may start or join a fetch now; changes nothing."""
        if self._cache.peek(key_id) is not None or self._fetches.running(_DOCUMENT) is not None:
            return True
        return self._may_start_lookup()

    def answer_without_fetch(self, key_id: str) -> Missing:  # noqa: ARG002  # the same for all
        """Return the answer of ``fetch`` for a key id where ``may_fetch`` is false; count it."""
        self._observer.count_lookup(self.name, "negative")
        # The key may have been published since the last fetch began.
        self._lookup_wanted = True
        return self._missing()

    def _is_asking(self, key_id: str) -> bool:  # noqa: ARG002  # a fetch answers for all
        return self._fetches.running(_DOCUMENT) is not None

    def _asked_again_at(self, key_id: str) -> float:  # noqa: ARG002  # the same for all
        return self._asked_at

    async def _ask_again(self, key_id: str) -> KeyOrMissing:
        old, running = self._cache.peek(key_id), self._fetches.running(_DOCUMENT)
        if running is not None:
            # It may have begun before the issuer published the key; then one more fetch follows.
            ended = await self._fetches.wait(running, default=False)
            new = self._cache.peek(key_id)
            if not ended or new != old or self.asks_again_in(key_id) != 0.0:
                return new or self._missing()
        if self._fetches.running(_DOCUMENT) is None:
            self._asked_at, self._etag = self._timing.monotonic(), ""
        if not await self._fetches.wait(self._start_fetch(past_caches=True), default=False):
            return Missing.UNAVAILABLE
        return self._cache.peek(key_id) or self._missing()

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Return the key whose ``kid`` has this SHA-256 (hex), and its freshness in seconds.

        May fetch the document as for a token, because the caller is a Jitsi that needs a new key.
        """
        found = self._cache.find_by_digest(digest)
        fetch = self._fetch_for_token() if found is None else None
        if fetch is not None:
            await self._fetches.wait(fetch, default=False)
        return found or self._cache.find_by_digest(digest)

    async def close(self) -> None:
        """End all background work and the fetch that is under way."""
        await super().close()
        await self._fetches.close()

    async def tick(self) -> None:
        """Fetch the document if a refresh is due, or if a token that came too early wants it."""
        await super().tick()
        now = self._timing.monotonic()
        for_token = self._lookup_wanted and self._may_start_lookup()
        refresh_is_due = self._circuit.is_open or now >= self._refresh_at
        if for_token:
            self._lookup_at = now
        if for_token or (refresh_is_due and self._circuit.allows_refresh()):
            # Shielded: a token may wait for this fetch when the background work is cancelled.
            await asyncio.shield(self._start_fetch())

    def copy_from(self, other: Self) -> None:
        """Take over the keys and the failures of another source with the same URL."""
        super().copy_from(other)
        self._etag, self._document_key_ids = other._etag, other._document_key_ids
        self._lifetime = other._lifetime
        self._past_caches = True
        self._report.copy_from(other._report)

    def status(self) -> SourceStatus:
        """Return the state of the source."""
        return replace(super().status(), skipped=self._report.skipped)

    def _missing(self) -> Missing:
        sure = self._circuit.answered and not self._circuit.is_open
        return Missing.UNKNOWN if sure else Missing.UNAVAILABLE

    def _may_start_lookup(self) -> bool:
        """Return whether a token may cause a fetch now."""
        return self._timing.monotonic() - self._lookup_at >= self._settings.key_recheck

    def _fetch_for_token(self) -> asyncio.Task[bool] | None:
        """Return the running fetch or a new one; None if it is too early for a new one."""
        running = self._fetches.running(_DOCUMENT)
        if running is not None:
            return running
        if not self._may_start_lookup():
            return None
        self._lookup_at = self._timing.monotonic()
        return self._start_fetch()

    def _start_fetch(self, *, past_caches: bool = False) -> asyncio.Task[bool]:
        if self._fetches.running(_DOCUMENT) is None:
            self._lookup_wanted = False
            self._past_caches = self._past_caches or past_caches
        return self._fetches.start(_DOCUMENT, self._fetch_document)

    async def _fetch_document(self) -> bool:
        past_caches, self._past_caches = self._past_caches, False
        try:
            etag = self._etag_of_cached_document()
            response, document = await self._fetcher.fetch(
                self.url, etag, self._parse, past_caches=past_caches
            )
        except KeySourceError as error:
            if isinstance(error.__cause__, _NothingUsableError):
                self._report.update(error.__cause__.document)
                self._cache.refuse(error.__cause__.document.refused)
            return True
        # A 304 may leave out what has not changed (RFC 9110, section 15.4.5).
        default = self._settings.document_lifetime if document else self._lifetime
        self._lifetime = self._settings.lifetime(response.lifetime, default)
        self._refresh_at = self._refresh_time(self._lifetime)
        self._etag = response.etag or ("" if document else self._etag)
        if document is None:
            self._cache.confirm_all(self._lifetime)
        else:
            self._document_key_ids = frozenset(document.keys)
            self._report.update(document)
            self._cache.replace_all(
                document.keys, self._lifetime, document.refused, document.contested
            )
        return True

    def _etag_of_cached_document(self) -> str:
        """Return the document's ``ETag`` if all of its keys are still cached, else an empty text.

        A 304 brings no keys: a key that has expired or was refused since would not come back.
        """
        complete = all(self._cache.peek(key_id) is not None for key_id in self._document_key_ids)
        return self._etag if complete else ""

    def _parse(self, body: bytes) -> Document:
        document = parse_document(body, self.name)
        # An empty set withdraws keys only from a source that had keys.
        unready = self._alone and not self._circuit.answered
        if not document.keys and (document.skipped or unready):
            raise _NothingUsableError(document)
        return document
