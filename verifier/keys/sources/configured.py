"""Keys from the configuration: in its text, or in files that it names.

All keys are in memory from the start, so no lookup waits. Files are read again when they change:

=====================  ======================  ================================================
state of ``status``    keys in use             next state
=====================  ======================  ================================================
starting               none                    all keys are usable: ready;
                                               otherwise ``start`` raises, naming every problem
ready                  as last read            a file changed and is usable: ready;
                                               a file changed and is not usable: stale
stale                  of each file, as last   all files are usable again: ready. The files are
                       read with success       read at every check, because a file may become
                                               readable without any other change (permissions)
=====================  ======================  ================================================

A file that cannot be used never removes a key that is in use, and does not keep the other files
from being read: an operator's mistake while the service runs must not cause the denial of every
token. The same is true for an entry of a JWK set that is malformed, or that makes its ``kid``
ambiguous. A key that a usable file no longer contains is removed at once, because the operator
removed it on purpose. This module does not know what the keys are for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from verifier.keys.document import Document, join_documents, keep_contested
from verifier.keys.model import InvalidKeyError, Source, VerificationKey, key_id_digest
from verifier.keys.sources.base import (
    DEFAULT_CONTEXT,
    KeyOrMissing,
    KeySourceError,
    Missing,
    SourceContext,
    SourceStatus,
    State,
    key_statuses,
)
from verifier.keys.sources.entry_report import EntryReport
from verifier.keys.sources.key_files import read_public_keys, read_secrets
from verifier.keys.sources.polling import FileWatch, PollingTask
from verifier.log import log


class ConfiguredSource:
    """Keys that are all in memory from the start.

    Args:
        name: The kind of source.
        readers: For each entry its name in messages, and a function that reads it and raises
            ``InvalidKeyError``. Runs in a thread.
        paths: The files that they read.
        context: Settings, clocks and observers.
    """

    def __init__(
        self,
        name: Source,
        readers: Sequence[tuple[str, Callable[[], Document]]],
        paths: Sequence[Path],
        context: SourceContext,
    ) -> None:
        self.name: Source = name
        self._readers = readers
        self._watch = FileWatch(paths)
        self._has_files = bool(paths)
        self._settings = context.settings
        self._observer = context.observer
        self._on_change = context.on_change
        self._timing = context.timing
        self._report = EntryReport(name, context.observer)
        self._documents: Sequence[Document] = [Document()] * len(readers)
        self._keys: Mapping[str, VerificationKey] = {}
        self._static: tuple[VerificationKey, ...] = ()
        self._read_at: float | None = None
        self._last_error = ""
        self._background = PollingTask(
            f"{name} keys", self.tick, context.timing, self._settings.key_file_poll
        )

    @property
    def static(self) -> tuple[VerificationKey, ...]:
        """Keys that are tried for every token, in this order."""
        return self._static

    def get(self, key_id: str) -> VerificationKey | None:
        """Return the key if there is one; never waits."""
        key = self._keys.get(key_id)
        if key is not None:
            self._observer.count_lookup(self.name, "hit")
        return key

    async def fetch(self, key_id: str) -> KeyOrMissing:
        """Return the key, or that there is none; never waits."""
        return self._keys.get(key_id, Missing.UNKNOWN)

    def may_fetch(self, key_id: str) -> bool:
        """Return whether ``fetch`` has the key: there is no server to ask."""
        return key_id in self._keys

    def answer_without_fetch(self, key_id: str) -> Missing:  # noqa: ARG002  # the same for all
        """Return that there is no such key."""
        return Missing.UNKNOWN

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Return the key whose ``kid`` has this SHA-256 (hex), and its freshness in seconds."""
        for key_id, key in self._keys.items():
            if key_id_digest(key_id) == digest:
                # The shortest freshness, because the file may change at any time.
                return key, self._settings.key_min_lifetime
        return None

    async def start(self) -> None:
        """Read the keys and begin to check their files for changes.

        Raises:
            KeySourceError: Keys cannot be used; names all of them.
        """
        documents, problems = await self._read_all()
        if problems:
            raise KeySourceError(problems)
        self._replace_keys(documents)
        if self._has_files:
            self._background.start()

    async def close(self) -> None:
        """End the checks of the files."""
        await self._background.close()

    async def tick(self) -> None:
        """Read the keys again if a file has changed, or if the last attempt failed."""
        # ``changed`` is called in any case, because it compares two checks in a row.
        error_before = self._last_error
        if not await self._watch.changed() and not error_before:
            return
        documents, problems = await self._read_all()
        if not problems:
            log("keys read again", source=self.name)
        elif problems != error_before:
            # Each problem is logged once, not at every check.
            log("keys not read again", logging.WARNING, source=self.name, error=problems)
        self._replace_keys(documents)

    def status(self) -> SourceStatus:
        """Return the state of the source."""
        read = self._read_at is not None
        state: State = "stale" if self._last_error else "ready"
        return SourceStatus(
            self.name,
            state if read else "starting",
            read,
            self._read_at,
            self._last_error,
            tuple(
                status
                for key in (*self._static, *self._keys.values())
                for status in key_statuses(key, self._read_at or 0.0, None)
            ),
            self._report.skipped,
        )

    async def _read_all(self) -> tuple[Sequence[Document], str]:
        """Return the last good reading of each entry, and what is wrong with the others."""
        started = self._timing.monotonic()
        # In a thread: reading from a network mount can block for minutes.
        documents, problems = await asyncio.to_thread(self._read_entries)
        self._last_error = "; ".join(problems)
        if problems:
            self._count_fetch("error", started)
        else:
            self._read_at = self._timing.clock()
            self._count_fetch("ok", started)
            self._observer.set_last_success(self.name, self._read_at)
        return documents, self._last_error

    def _read_entries(self) -> tuple[Sequence[Document], Sequence[str]]:
        documents: list[Document] = []
        problems: list[str] = []
        for (name, read), before in zip(self._readers, self._documents, strict=True):
            try:
                document = keep_contested(read(), before)
                _require_one_key([*documents, document])
            except InvalidKeyError as error:
                problems.append(f"{name}: {error}")
                document = before
            documents.append(document)
        return documents, problems

    def _replace_keys(self, documents: Sequence[Document]) -> None:
        self._documents = documents
        document = join_documents(documents)
        self._report.update(document)
        changed: set[str | None] = {
            key_id for key_id, key in self._keys.items() if document.keys.get(key_id) != key
        }
        # A new secret changes no decision that was made with the others; a removed one does.
        if any(key not in document.static for key in self._static):
            changed.add(None)
        self._keys, self._static = document.keys, document.static
        self._observer.set_key_count(self.name, len(self._keys) + len(self._static))
        if changed:
            self._on_change(frozenset(changed))

    def _count_fetch(self, result: Literal["ok", "error"], started: float) -> None:
        # Keys in the configuration's text are not fetched from anywhere.
        if self._has_files:
            self._observer.count_fetch("file", result, self._timing.monotonic() - started)


class SecretSource(ConfiguredSource):
    """Shared secrets, or public keys in their place if the algorithm is not HMAC.

    Args:
        secrets: Each a secret, a PEM text, or the path of a file with one of them a line. The
            order is kept.
        context: Settings, clocks and observers.
    """

    def __init__(
        self, secrets: Sequence[str | Path], context: SourceContext = DEFAULT_CONTEXT
    ) -> None:
        readers = [
            (_name(entry, f"secret {number}"), _reader(read_secrets, entry))
            for number, entry in enumerate(secrets, 1)
        ]
        super().__init__("secret", readers, _paths(secrets), context)


class PublicKeySource(ConfiguredSource):
    """Public keys by key id.

    Args:
        public_keys: By ``kid``: the text of a PEM key, certificate or JWK, or the path of a file
            with one of them or a JWK set, whose keys keep their own key ids.
        context: Settings, clocks and observers.
    """

    def __init__(
        self, public_keys: Mapping[str, str | Path], context: SourceContext = DEFAULT_CONTEXT
    ) -> None:
        readers = [
            (_name(entry, f"key id {key_id!a}"), _reader(read_public_keys, entry, key_id))
            for key_id, entry in public_keys.items()
        ]
        super().__init__("file", readers, _paths(public_keys.values()), context)


def _name(entry: str | Path, of_text: str) -> str:
    return str(entry) if isinstance(entry, Path) else of_text


def _reader(
    read: Callable[..., Document], entry: str | Path, *others: str
) -> Callable[[], Document]:
    # A closure: the representation of a ``partial`` would show the secret.
    return lambda: read(entry, *others)


def _paths(entries: Iterable[str | Path]) -> list[Path]:
    return [entry for entry in entries if isinstance(entry, Path)]


def _require_one_key(documents: Sequence[Document]) -> None:
    """Refuse the last entry if it has another key with a key id of an earlier one.

    Without this check, the order in the configuration would decide which key is used.
    """
    twice = sorted(join_documents(documents).ambiguous)
    if twice:
        raise InvalidKeyError(f"expected every key id once, found {twice[0]!a}")
