"""Keys from one document: a JWK set, or a map of kid to certificate or PEM (Firebase's form).

Knows when the document is to be fetched and what its keys are worth; HTTP is ``fetcher``'s
business.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Self

import aiohttp

from verifier.keys.formats import Document, SkippedKey, parse_document
from verifier.keys.model import InvalidKeyError, Source, VerificationKey
from verifier.keys.sources.base import Found, KeySourceError, Missing
from verifier.keys.sources.remote import RemoteSource
from verifier.keys.sources.settings import DEFAULTS, SourceContext
from verifier.log import log


class _NothingUsableError(InvalidKeyError):
    """A document has entries, and none of them is a key."""

    def __init__(self, skipped: tuple[SkippedKey, ...]) -> None:
        super().__init__(f"none of its {len(skipped)} entries is a key that can be used")
        self.skipped = skipped


class DocumentSource(RemoteSource):
    """Keys by ``kid`` from a document.

    A token that names an unknown key has the document fetched at once, so that rotation is picked
    up; then not again for ``key_recheck`` seconds. One that comes in between causes the next
    refresh when that time is over.
    """

    name: Source = "document"

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        surroundings: SourceContext = DEFAULTS,
    ) -> None:
        super().__init__(url, session, surroundings)
        self._etag = ""
        self._lifetime = 0.0
        self._due_at = float("-inf")
        self._demanded_at = float("-inf")
        self._wanted = False
        self._flight: asyncio.Task[None] | None = None
        self._complaints: tuple[SkippedKey, ...] = ()

    async def fetch(self, key_id: str) -> Found:
        """Give a key, fetched if need be; waits for at most one shared fetch."""
        key = self._table.peek(key_id)
        if key is not None:
            return key
        began_before = self._flight
        flight = self._demand()
        if flight is None:
            return self.answer_without_fetch(key_id)
        self._observer.lookup(self.name, "miss")
        if not await self._wait(flight):
            return Missing.UNAVAILABLE
        key = self._table.peek(key_id)
        if key is None and flight is began_before:
            # The key may have been published since that fetch began.
            self._wanted = True
        return key or self._missing()

    def may_fetch(self, key_id: str) -> bool:
        """Tell whether ``find`` might have to wait; changes nothing."""
        if self._table.peek(key_id) is not None or self._flight is not None:
            return True
        return self._may_demand(self._timing.monotonic())

    def answer_without_fetch(self, key_id: str) -> Missing:  # noqa: ARG002  # one for all
        """Say what ``find`` says of a key that it would not ask for."""
        self._observer.lookup(self.name, "negative")
        # The key may have been published since the last fetch began.
        self._wanted = True
        return self._missing()

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Give the key whose ``kid`` has this SHA-256 (hex), and its freshness, seconds."""
        found = self._table.find_by_digest(digest)
        flight = self._demand() if found is None else None
        if flight is not None:
            await self._wait(flight)
        return found or self._table.find_by_digest(digest)

    async def close(self) -> None:
        """Stop all work in the background."""
        await super().close()
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)

    async def tick(self) -> None:
        """Fetch the document if that is due, or wanted and not too soon."""
        await super().tick()
        now = self._timing.monotonic()
        wanted = self._wanted and self._may_demand(now)
        due = self._health.may_retry() and (self._health.failing or now >= self._due_at)
        if wanted:
            self._demanded_at = now
        if wanted or due:
            await asyncio.shield(self._fly())

    def inherit(self, other: Self) -> None:
        """Go on with what another object knew of the same URL."""
        super().inherit(other)
        self._etag, self._lifetime = other._etag, other._lifetime
        self._due_at, self._complaints = other._due_at, other._complaints

    def _missing(self) -> Missing:
        sure = self._health.answered and not self._health.failing
        return Missing.UNKNOWN if sure else Missing.UNAVAILABLE

    def _may_demand(self, now: float) -> bool:
        return now - self._demanded_at >= self._settings.key_recheck

    def _demand(self) -> asyncio.Task[None] | None:
        """Have the document fetched for an unknown key; None if it is too soon for that."""
        now = self._timing.monotonic()
        if self._flight is not None:
            return self._flight
        if not self._may_demand(now):
            return None
        self._demanded_at = now
        return self._fly()

    async def _wait(self, flight: asyncio.Task[None]) -> bool:
        try:
            async with asyncio.timeout(self._settings.key_fetch_timeout):
                await asyncio.shield(flight)
        except TimeoutError:
            return False
        except asyncio.CancelledError:
            if flight.cancelled():  # the source was closed, not whoever waits here
                return False
            raise
        return True

    def _fly(self) -> asyncio.Task[None]:
        if self._flight is None:
            self._wanted = False
            self._flight = asyncio.create_task(self._fetch())
        return self._flight

    async def _fetch(self) -> None:
        try:
            answer, document = await self._upstream.ask(self.url, self._etag, self._read)
        except KeySourceError as error:
            if isinstance(error.__cause__, _NothingUsableError):
                self._complain(error.__cause__.skipped)
                self._table.drop(_refused(error.__cause__.skipped))
            return
        finally:
            self._flight = None
        default = self._settings.document_lifetime if document else self._lifetime
        self._lifetime = self._settings.lifetime(answer.lifetime, default)
        self._due_at = self._refresh_at(self._lifetime)
        self._etag = answer.etag or ("" if document else self._etag)
        if document is None:
            self._table.renew(self._lifetime)
        else:
            self._complain(document.skipped)
            refused = _refused(document.skipped)
            self._table.replace_all(document.keys, self._lifetime, refused)

    def _read(self, body: bytes) -> Document:
        document = parse_document(body, self.name)
        if document.skipped and not document.keys:
            raise _NothingUsableError(document.skipped)
        return document

    def _complain(self, skipped: tuple[SkippedKey, ...]) -> None:
        for entry in skipped:
            self._observer.skipped(self.name, entry.reason)
        if skipped != self._complaints:
            self._complaints = skipped
            for entry in skipped[:20]:
                reason, key_id = entry.reason, entry.key_id
                log("key not used", logging.WARNING, source=self.name, key_id=key_id, error=reason)


def _refused(skipped: Collection[SkippedKey]) -> set[str]:
    """What the document names with something that must not be trusted, mere rubbish apart."""
    return {
        entry.key_id
        for entry in skipped
        if entry.key_id is not None and entry.reason != "malformed"
    }
