"""Keys that are all there from the start, in the configuration's text or in files beside it.

Files are read again when they have changed; what cannot be used leaves the running keys as they
are. Knows nothing of what the keys are for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from verifier.keys.formats import Document
from verifier.keys.model import Source, VerificationKey
from verifier.keys.sources.base import (
    Found,
    KeySourceError,
    KeyStatus,
    Missing,
    SourceStatus,
    State,
)
from verifier.keys.sources.entry import key_digest
from verifier.keys.sources.polling import PollingTask
from verifier.keys.sources.settings import SourceContext
from verifier.keys.sources.watch import FileWatch
from verifier.log import log


class ConfiguredSource:
    """Keys that are all there from the start.

    Args:
        name: Which kind of source.
        read: Reads all of them anew; raises ``KeySourceError``. Runs in a thread.
        paths: The files among them.
        surroundings: Options, clocks, and whom to tell.
    """

    def __init__(
        self,
        name: Source,
        read: Callable[[], Document],
        paths: Sequence[Path],
        surroundings: SourceContext,
    ) -> None:
        self.name: Source = name
        self._read = read
        self._watch = FileWatch(paths)
        self._has_files = bool(paths)
        self._settings = surroundings.settings
        self._observer = surroundings.observer
        self._on_change = surroundings.on_change
        self._timing = surroundings.timing
        self._keys: Mapping[str, VerificationKey] = {}
        self._static: tuple[VerificationKey, ...] = ()
        self._read_at: float | None = None
        self._last_error = ""
        self._background = PollingTask(
            name, self.tick, surroundings.timing, self._settings.key_file_poll
        )

    @property
    def static(self) -> tuple[VerificationKey, ...]:
        """Keys for tokens of any key id, tried in order."""
        return self._static

    def get(self, key_id: str) -> VerificationKey | None:
        """Give a key that is at hand; never waits."""
        key = self._keys.get(key_id)
        if key is not None:
            self._observer.lookup(self.name, "hit")
        return key

    async def fetch(self, key_id: str) -> Found:
        """Give a key, or say that there is none: all are at hand."""
        return self._keys.get(key_id, Missing.UNKNOWN)

    def may_fetch(self, key_id: str) -> bool:
        """Tell whether ``find`` knows more than ``known``: it does not."""
        return key_id in self._keys

    def answer_without_fetch(self, key_id: str) -> Missing:  # noqa: ARG002  # one for all
        """Say that there is no such key."""
        return Missing.UNKNOWN

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Give the key whose ``kid`` has this SHA-256 (hex); its file may change at any time."""
        for key_id, key in self._keys.items():
            if key_digest(key_id) == digest:
                return key, self._settings.key_min_lifetime
        return None

    async def start(self) -> None:
        """Read the keys, and begin to watch their files.

        Raises:
            KeySourceError: some cannot be used; names all of them.
        """
        await self._load()
        if self._has_files:
            self._background.start()

    async def close(self) -> None:
        """Stop watching."""
        await self._background.close()

    async def tick(self) -> None:
        """Read the keys again if a file has changed."""
        before = self._last_error
        # What could not be read may become readable without looking any different.
        if not await self._watch.changed() and not before:
            return
        try:
            await self._load()
        except KeySourceError as error:
            if str(error) != before:
                log("keys not read again", logging.WARNING, source=self.name, error=str(error))
        else:
            log("keys read again", source=self.name)

    def status(self) -> SourceStatus:
        """Say how the source is doing."""
        read = self._read_at is not None
        state: State = "stale" if self._last_error else "ready"
        return SourceStatus(
            self.name,
            state if read else "starting",
            read,
            self._read_at,
            self._last_error,
            tuple(self._describe(key) for key in (*self._static, *self._keys.values())),
        )

    async def _load(self) -> None:
        started = self._timing.monotonic()
        try:
            document = await asyncio.to_thread(self._read)
        except KeySourceError as error:
            self._last_error = str(error)
            self._count("error", started)
            raise
        self._last_error, self._read_at = "", self._timing.clock()
        self._count("ok", started)
        self._observer.succeeded(self.name, self._read_at)
        for skipped in document.skipped:
            self._observer.skipped(self.name, skipped.reason)
        self._take(document)

    def _take(self, document: Document) -> None:
        changed: set[str | None] = {
            key_id for key_id, key in self._keys.items() if document.keys.get(key_id) != key
        }
        if any(key not in document.static for key in self._static):
            changed.add(None)
        self._keys, self._static = document.keys, document.static
        self._observer.keys(self.name, len(self._keys) + len(self._static))
        if changed:
            self._on_change(frozenset(changed))

    def _count(self, result: Literal["ok", "error"], started: float) -> None:
        if self._has_files:
            self._observer.fetched("file", result, self._timing.monotonic() - started)

    def _describe(self, key: VerificationKey) -> KeyStatus:
        algorithms = tuple(sorted(key.algorithms))
        fetched = self._read_at or 0.0
        return KeyStatus(key.key_id, key.source, algorithms, fetched, None, key.fingerprint)
