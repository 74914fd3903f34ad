"""Keys from an ASAP key server: ``<base>/<sha256(kid)>.pem``, one PEM key or certificate each.

Knows how such keys are asked for, refreshed and given up; HTTP is ``fetcher``'s business.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Self

import aiohttp
from yarl import URL

from verifier.keys.formats import parse_public_key
from verifier.keys.model import InvalidKeyError, Source, VerificationKey
from verifier.keys.pem import looks_like_pem
from verifier.keys.sources.base import Found, KeySourceError, Missing
from verifier.keys.sources.entry import Entry, key_digest
from verifier.keys.sources.http import Answer
from verifier.keys.sources.limits import Lookups
from verifier.keys.sources.remote import RemoteSource
from verifier.keys.sources.settings import DEFAULTS, SourceContext
from verifier.log import log

# Of the source's connections, so that refreshing never holds up a new key.
_REFRESHES_AT_ONCE: Final = 2
# A key that no token has used for a day is not refreshed any more; seconds.
_IDLE: Final = 86_400.0


class AsapSource(RemoteSource):
    """Keys by ``kid`` from an ASAP key server; ``url`` is what the file names are appended to."""

    name: Source = "asap"
    _per_key = True

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        surroundings: SourceContext = DEFAULTS,
    ) -> None:
        super().__init__(url, session, surroundings)
        self._base = str(self.url).rstrip("/")
        self._lookups = Lookups(surroundings)
        self._slots = asyncio.Semaphore(self._settings.key_fetch_connections)
        self._probe: str | None = None

    async def fetch(self, key_id: str) -> Found:
        """Give a key, fetched if need be; waits for at most one shared fetch."""
        key = self._table.peek(key_id)
        if key is not None:
            return key
        if not self.may_fetch(key_id):
            return self.answer_without_fetch(key_id)
        self._observer.lookup(self.name, "miss")
        if not self._lookups.is_flying(key_id):
            self._lookups.admit(key_id)
        asked_at = self._timing.monotonic()
        return await self._lookups.share(key_id, lambda: self._look_up(key_id, asked_at))

    def may_fetch(self, key_id: str) -> bool:
        """Tell whether ``find`` might have to wait; changes nothing."""
        if self._table.peek(key_id) is not None or self._lookups.is_flying(key_id):
            return True
        if self._lookups.recall(key_id) is not None:
            return False
        now = self._timing.monotonic()
        return self._health.may_ask(now) and self._lookups.admits(key_id)

    def answer_without_fetch(self, key_id: str) -> Missing:
        """Say what ``find`` says of a key that it would not ask for."""
        self._observer.lookup(self.name, "negative")
        remembered = self._lookups.recall(key_id)
        if remembered is not None:
            return remembered
        if self._health.may_ask(self._timing.monotonic()):
            self._lookups.turn_away(key_id)
        return self._best_answer(key_id)

    async def close(self) -> None:
        """Stop all work in the background, and all look-ups."""
        await super().close()
        await self._lookups.close()

    async def tick(self) -> None:
        """Refresh what is due; ask a failing server for one key before the others."""
        await super().tick()
        if not self._health.may_retry():
            return
        due = self._due()
        if self._health.failing:
            await self._refresh(due[:1] or self._probes())
        for first in range(0, len(due), _REFRESHES_AT_ONCE):
            if self._health.failing:
                return
            await self._refresh(due[first : first + _REFRESHES_AT_ONCE])

    def inherit(self, other: Self) -> None:
        """Go on with what another object knew of the same URL."""
        super().inherit(other)
        self._probe = other._probe

    def _best_answer(self, key_id: str) -> Missing:
        """What to say of a key while the server is not asked for it."""
        failing = Missing.UNAVAILABLE if self._health.failing else Missing.UNKNOWN
        return self._lookups.last_word(key_id) or failing

    async def _look_up(self, key_id: str, asked_at: float) -> Found:
        try:
            async with self._slots:
                # While this one queued, another may have found the server to be down.
                if not self._health.may_ask(asked_at):
                    return self._best_answer(key_id)
                key = await self._fetch(key_id)
        except KeySourceError as error:
            return self._failed(key_id, asked_at, error)
        if key is not None:
            return key
        self._lookups.remember(key_id, Missing.UNKNOWN, asked_at)
        return Missing.UNKNOWN

    def _failed(self, key_id: str, asked_at: float, error: KeySourceError) -> Missing:
        if error.shared:
            self._probe = key_id
            return self._best_answer(key_id)
        answer = Missing.UNKNOWN if _is_refusal(error) else Missing.UNAVAILABLE
        self._lookups.remember(key_id, answer, asked_at)
        return answer

    async def _fetch(self, key_id: str) -> VerificationKey | None:
        """Ask the server for one key; None if it has none.

        Raises:
            KeySourceError: it gave no good answer.
        """
        old = self._table.entry(key_id)
        url = URL(f"{self._base}/{key_digest(key_id)}.pem")
        try:
            answer, key = await self._upstream.ask(
                url, old.etag if old else "", lambda body: self._read(body, key_id)
            )
        except KeySourceError as error:
            self._complain(key_id, error)
            raise
        if answer.outcome == "not-found":
            self._table.vanish(key_id)
            self._postpone(key_id)
            return None
        return self._take(key_id, answer, key, old)

    def _read(self, body: bytes, key_id: str) -> VerificationKey:
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        if not looks_like_pem(text):
            raise InvalidKeyError("expected a public key or certificate in PEM")
        return parse_public_key(text, key_id, self.name)

    def _take(
        self,
        key_id: str,
        answer: Answer,
        sent: VerificationKey | None,
        old: Entry | None,
    ) -> VerificationKey | None:
        key, default, etag = sent, self._settings.asap_lifetime, answer.etag
        if sent is None and old is not None:  # not modified
            key, default, etag = old.key, old.lifetime or default, answer.etag or old.etag
        if key is None:
            return None
        lifetime = self._settings.lifetime(answer.lifetime, default)
        entry = self._table.put(key_id, key, lifetime)
        entry.etag, entry.refresh_at = etag, self._refresh_at(lifetime)
        return key

    def _complain(self, key_id: str, error: KeySourceError) -> None:
        if error.reason is not None:
            self._observer.skipped(self.name, error.reason)
            words, level = str(error), logging.WARNING
            log("key not used", level, source=self.name, key_id=key_id, error=words)
        if _is_refusal(error):
            self._table.drop([key_id])

    def _due(self) -> list[str]:
        now = self._timing.monotonic()
        for key_id, entry in self._table:
            if now - entry.used_at > _IDLE and not self._health.failing:
                self._table.forget(key_id)
        due = [(entry.refresh_at, key_id) for key_id, entry in self._table]
        return [key_id for refresh_at, key_id in sorted(due) if refresh_at <= now]

    def _probes(self) -> list[str]:
        """A key to ask a failing server for when none is due: the one that it failed on."""
        return [] if self._probe is None else [self._probe]

    async def _refresh(self, key_ids: list[str]) -> None:
        await asyncio.gather(*map(self._refresh_one, key_ids))

    async def _refresh_one(self, key_id: str) -> None:
        try:
            async with self._slots:
                await self._fetch(key_id)
        except KeySourceError as error:
            if not error.shared:
                self._postpone(key_id)

    def _postpone(self, key_id: str) -> None:
        entry = self._table.entry(key_id)
        if entry is not None:
            pause = self._settings.key_backoff_max
            entry.refresh_at = self._timing.monotonic() + pause


def _is_refusal(error: KeySourceError) -> bool:
    """Tell a key that must not be trusted from mere rubbish, which a sick server sends as well."""
    return error.reason not in (None, "malformed")
