"""Keys from the configuration: in its text, or in files that it names.

All keys are in memory from the start, so no lookup waits. Files are read again when they change:

=====================  ======================  ================================================
state of ``status``    keys in use             next state
=====================  ======================  ================================================
starting               none                    all keys are usable: ready;
                                               otherwise ``start`` raises, naming every problem
ready                  as last read            a file changed and is usable: ready;
                                               a file changed and is not usable: stale
stale                  as last read with       all files are usable again: ready. The files are
                       success                 read at every check, because a file may become
                                               readable without any other change (permissions)
=====================  ======================  ================================================

A file that cannot be used never removes a key that is in use: an operator's mistake while the
service runs must not cause the denial of every token. A key that a usable file no longer contains
is removed at once, because the operator removed it on purpose. This module does not know what the
keys are for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from verifier.keys.formats import (
    MAX_DOCUMENT_BYTES,
    Document,
    SkippedKey,
    parse_key_file,
    parse_public_key,
    parse_secret,
    split_secrets,
)
from verifier.keys.model import InvalidKeyError, Source, VerificationKey, key_id_digest
from verifier.keys.pem import looks_like_pem
from verifier.keys.sources.base import (
    DEFAULT_CONTEXT,
    KeyOrMissing,
    KeySourceError,
    KeyStatus,
    Missing,
    SourceContext,
    SourceStatus,
    State,
)
from verifier.keys.sources.polling import FileWatch, PollingTask
from verifier.log import log


class ConfiguredSource:
    """Keys that are all in memory from the start.

    Args:
        name: The kind of source.
        read: Reads all keys; raises ``KeySourceError``. Runs in a thread.
        paths: The files that ``read`` reads.
        context: Settings, clocks and observers.
    """

    def __init__(
        self,
        name: Source,
        read: Callable[[], Document],
        paths: Sequence[Path],
        context: SourceContext,
    ) -> None:
        self.name: Source = name
        self._read = read
        self._watch = FileWatch(paths)
        self._has_files = bool(paths)
        self._settings = context.settings
        self._observer = context.observer
        self._on_change = context.on_change
        self._timing = context.timing
        self._keys: Mapping[str, VerificationKey] = {}
        self._static: tuple[VerificationKey, ...] = ()
        self._read_at: float | None = None
        self._last_error = ""
        self._background = PollingTask(
            name, self.tick, context.timing, self._settings.key_file_poll
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
        await self._load()
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
        try:
            await self._load()
        except KeySourceError as error:
            # Each problem is logged once, not at every check.
            if str(error) != error_before:
                log("keys not read again", logging.WARNING, source=self.name, error=str(error))
        else:
            log("keys read again", source=self.name)

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
            tuple(self._key_status(key) for key in (*self._static, *self._keys.values())),
        )

    async def _load(self) -> None:
        started = self._timing.monotonic()
        try:
            # In a thread: reading from a network mount can block for minutes.
            document = await asyncio.to_thread(self._read)
        except KeySourceError as error:
            self._last_error = str(error)
            self._count_fetch("error", started)
            raise
        self._last_error, self._read_at = "", self._timing.clock()
        self._count_fetch("ok", started)
        self._observer.set_last_success(self.name, self._read_at)
        for skipped in document.skipped:
            self._observer.count_skipped(self.name, skipped.reason)
        self._replace_keys(document)

    def _replace_keys(self, document: Document) -> None:
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

    def _key_status(self, key: VerificationKey) -> KeyStatus:
        algorithms = tuple(sorted(key.algorithms))
        fetched = self._read_at or 0.0
        return KeyStatus(key.key_id, key.source, algorithms, fetched, None, key.fingerprint)


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
        paths = [entry for entry in secrets if isinstance(entry, Path)]
        super().__init__("secret", lambda: _read_secrets(secrets), paths, context)


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
        paths = [entry for entry in public_keys.values() if isinstance(entry, Path)]
        super().__init__("file", lambda: _read_public_keys(public_keys), paths, context)


def _read_secrets(entries: Sequence[str | Path]) -> Document:
    """Read shared secrets, or public keys in PEM that take their place.

    Raises:
        KeySourceError: Entries cannot be used; says which and why, never what they contain.
    """
    problems: list[str] = []
    static: list[VerificationKey] = []
    for number, entry in enumerate(entries, 1):
        label = str(entry) if isinstance(entry, Path) else f"secret {number}"
        try:
            static.extend(map(_parse_secret_or_key, _secret_texts(entry)))
        except InvalidKeyError as error:
            problems.append(f"{label}: {error}")
    _raise(problems)
    return Document(static=tuple(static))


def _read_public_keys(entries: Mapping[str, str | Path]) -> Document:
    """Read public keys by key id; the keys of a JWK set keep their own key ids.

    Raises:
        KeySourceError: Entries cannot be used, or two keys have one key id; says which and why.
    """
    problems: list[str] = []
    keys: dict[str, VerificationKey] = {}
    skipped: list[SkippedKey] = []
    for key_id, entry in entries.items():
        label = f"{entry}" if isinstance(entry, Path) else f"key id {key_id!a}"
        try:
            body = _read_file(entry) if isinstance(entry, Path) else entry.encode("utf-8")
            document = parse_key_file(body, key_id)
        except InvalidKeyError as error:
            problems.append(f"{label}: {error}")
            continue
        # Without this check, the order in the configuration would decide which key is used.
        twice = sorted(keys.keys() & document.keys.keys())
        problems.extend(f"{label}: expected every key id once, found {name!a}" for name in twice)
        keys.update(document.keys)
        skipped.extend(document.skipped)
    _raise(problems)
    return Document(keys, tuple(skipped))


def _secret_texts(entry: str | Path) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    try:
        # Editors on Windows put a byte order mark at the start, which is not part of the secret.
        texts = split_secrets(_read_file(entry).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InvalidKeyError("expected UTF-8 text") from None
    if not texts:
        raise InvalidKeyError("expected one secret a line, found nothing")
    return texts


def _parse_secret_or_key(text: str) -> VerificationKey:
    return parse_public_key(text, None, "file") if looks_like_pem(text) else parse_secret(text)


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # One byte more than allowed is enough to see that the file is too large.
            body = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise InvalidKeyError(error.strerror or "cannot be read") from None
    if len(body) > MAX_DOCUMENT_BYTES:
        raise InvalidKeyError(f"expected at most {MAX_DOCUMENT_BYTES} bytes")
    return body


def _raise(problems: Sequence[str]) -> None:
    if problems:
        raise KeySourceError("; ".join(problems))
