"""Keeps fetched public keys in a file, and in a Redis if there is one, for the next start.

**Start.** Each source gets what the stores have of it, before it asks. **Later.** The stores are
written within a second after a key was found, replaced, withdrawn or refused; for confirmations
only, once a minute, because the time of the last one bounds the use of a key after a restart.

A store that cannot be read or written is a warning, never a reason not to serve.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from verifier.keys.sources import stored_keys
from verifier.keys.sources.base import Timing
from verifier.keys.sources.key_cache_file import KeyCacheFile
from verifier.keys.sources.polling import PollingTask
from verifier.keys.sources.remote import RemoteSource
from verifier.keys.sources.stored_keys import SourceId, StoredKey
from verifier.log import log
from verifier.storage.redis_url import is_redis_url, parse_redis_url

_CONFIRMATIONS_SECONDS: Final = 60.0
_LOAD_SECONDS: Final = 5.0  # a file system that does not answer must not prevent the start


class KeyStore(Protocol):
    """Where keys are kept."""

    @property
    def place(self) -> str:
        """The store's path or address, without secrets."""

    async def load(self, sources: Sequence[SourceId]) -> list[StoredKey]:
        """Return the records of these sources, and perhaps of others.

        Raises:
            OSError: The store cannot be read.
            ValueError: Its content is broken, or another user could have written it.
        """

    async def save(self, known: Sequence[StoredKey], now: float) -> None:
        """Keep these records, unless the store has a newer one of the same key.

        Raises:
            OSError: The store cannot be written.
        """

    async def close(self) -> None:
        """Release what the store holds."""


def open_key_stores(
    file: str | None, revocation_store: str = "memory:", secret: str | None = None
) -> list[KeyStore]:
    """Return the stores that an operator has configured; they open nothing yet.

    Args:
        file: The option ``key_cache``; without it there are no stores.
        revocation_store: The option of that name.
        secret: The option ``admin_token``.
    """
    if file is None:
        return []
    stores: list[KeyStore] = [KeyCacheFile(Path(file))]
    if is_redis_url(revocation_store) and secret:
        # The client library is an extra, which only users of Redis install.
        from verifier.keys.sources.key_cache_redis import KeyCacheRedis  # noqa: PLC0415

        stores.append(KeyCacheRedis(parse_redis_url(revocation_store), secret))
    return stores


class KeyKeeper:
    """Gives the stored keys to the sources, and stores what changes.

    Args:
        stores: Where the keys are kept.
        sources: The sources at a URL.
        timing: The clocks.
    """

    def __init__(
        self, stores: Sequence[KeyStore], sources: Sequence[RemoteSource], timing: Timing
    ) -> None:
        self._stores = tuple(stores)
        self._sources = tuple(sources)
        self._timing = timing
        self._saved: list[int] = []
        self._confirmed: list[int] = []
        self._saved_at = float("-inf")
        self._errors: dict[str, str] = {}  # the last error of each store that fails
        self._background = PollingTask("key cache", self.tick, timing)

    async def load(self) -> None:
        """Give each source the keys that the stores have of it."""
        ids = [source.id for source in self._sources]
        found = [each for store in self._stores for each in await _load(store, ids)]
        stored = stored_keys.merge(found, self._timing.clock())
        for source in self._sources:
            source.restore([each for each in stored if each.source == source.id])
        for kind, url in sorted({each.source for each in stored}.difference(ids)):
            text = "the file has keys of a source that is not configured: not used"
            log("key cache not used", logging.WARNING, source=kind, url=url, error=text)

    def start(self) -> None:
        """Begin to store changes."""
        self._background.start()

    async def close(self) -> None:
        """Store the last changes and end."""
        await self._background.close()
        await self.tick(at_end=True)
        for store in self._stores:
            await store.close()

    def stop(self) -> None:
        """Store nothing any more: other sources replace these."""
        self._sources = ()

    async def tick(self, *, at_end: bool = False) -> None:
        """Store the keys if that is due."""
        if not self._sources:
            return
        saved = [source.cache_revision for source in self._sources]
        confirmed = [source.cache_confirmations for source in self._sources]
        now = self._timing.monotonic()
        minute_over = at_end or now - self._saved_at >= _CONFIRMATIONS_SECONDS
        if saved == self._saved and not (minute_over and confirmed != self._confirmed):
            return
        known = [each for source in self._sources for each in source.stored_keys()]
        if not known:
            return
        for store in self._stores:
            await self._save(store, known)
        self._saved, self._confirmed, self._saved_at = saved, confirmed, now

    async def _save(self, store: KeyStore, known: Sequence[StoredKey]) -> None:
        try:
            await store.save(known, self._timing.clock())
        except OSError as error:
            # Once for each error; the next change tries again.
            if _text(error) != self._errors.get(store.place):
                path, text = store.place, _text(error)
                log("key cache not written", logging.WARNING, path=path, error=text)
            self._errors[store.place] = _text(error)
        else:
            self._errors.pop(store.place, None)


async def _load(store: KeyStore, ids: Sequence[SourceId]) -> list[StoredKey]:
    try:
        async with asyncio.timeout(_LOAD_SECONDS):
            return await store.load(ids)
    except TimeoutError:
        text = "not read in time"
    except (OSError, ValueError) as error:
        text = _text(error)
    log("key cache not used", logging.WARNING, path=store.place, error=text)
    return []


def _text(error: OSError | ValueError) -> str:
    # The messages of a JSON parser do not quote the text.
    return (error.strerror or "failed") if isinstance(error, OSError) else str(error)
