"""The option ``key_cache``: a file with the public keys that were fetched, for the next start.

An identity provider that is down when the service starts would otherwise deny every token. At a
start, the keys of the file are used as stale keys until their source answers, and no longer than
``key_stale_grace`` after the source last confirmed them.

**Who may write it.** A key in this file can sign tokens. So the file is used only if it belongs to
this user or to root and no other user can write to it. It is created with mode 0600.

**Several workers** write the same file, each with the keys that it knows. A write reads the file
again, keeps for each key the record with the newest answer of the source, and replaces the file as
a whole; a lock (``flock`` on a second file) makes the writes follow each other. A reader needs no
lock, and a crash leaves the old file or the new one.

**When.** Within a second after a key was found, replaced, withdrawn or refused; for confirmations
alone, once a minute, because the time of the last one bounds the use of a key after a restart.

A file that cannot be read or written is a warning, never a reason not to serve.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from verifier.keys.sources import stored_keys
from verifier.keys.sources.base import Timing
from verifier.keys.sources.polling import PollingTask
from verifier.keys.sources.remote import RemoteSource
from verifier.keys.sources.stored_keys import StoredKey
from verifier.log import log

_MOST_BYTES: Final = 1 << 26
_MODE: Final = 0o600
_LOAD_SECONDS: Final = 5.0  # a file system that does not answer must not prevent the start
_CONFIRMATIONS_SECONDS: Final = 60.0


class KeyFile:
    """A file of public keys; its methods block, so they run in a thread.

    Args:
        path: The file; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> list[StoredKey]:
        """Return the records of the file; none if there is no file.

        Raises:
            OSError: The file cannot be read.
            ValueError: The file is broken, or another user could have written it.
        """
        try:
            # Not a link: its target could be another user's. A pipe must not block.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self.path, flags)
        except FileNotFoundError:
            return []
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise ValueError("expected a regular file")
            if found.st_uid not in (os.geteuid(), 0) or stat.S_IMODE(found.st_mode) & 0o022:
                raise ValueError("expected a file that only its owner, this user, can write to")
            body = file.read(_MOST_BYTES + 1)
        if len(body) > _MOST_BYTES:
            raise ValueError(f"expected at most {_MOST_BYTES} bytes")
        return stored_keys.read(body)

    def save(self, known: Sequence[StoredKey], now: float) -> None:
        """Write these records, and those of the same sources that other workers have written.

        Args:
            known: What this process knows.
            now: Unix time; records whose time is over are left out.

        Raises:
            OSError: The file cannot be written.
        """
        with self._lock():
            try:
                before = self.load()
            except (OSError, ValueError):
                before = []  # a file that cannot be used is replaced; the start has reported it
            ours = {each.source for each in known}
            both = stored_keys.merge([*known, *(each for each in before if each.source in ours)])
            self._replace(stored_keys.write(each for each in both if each.until > now))

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        path = f"{self.path}.lock"
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, _MODE), "rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _replace(self, body: bytes) -> None:
        folder = self.path.parent
        # mkstemp creates the file with mode 0600.
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise


class KeyKeeper:
    """Writes the keys of all sources into the file when they have changed.

    Args:
        file: The file.
        sources: The sources at a URL.
        timing: The clocks.
    """

    def __init__(self, file: KeyFile, sources: Sequence[RemoteSource], timing: Timing) -> None:
        self._file = file
        self._sources = tuple(sources)
        self._timing = timing
        self._saved: list[int] = []
        self._confirmed: list[int] = []
        self._saved_at = float("-inf")
        self._error = ""
        self._background = PollingTask("asap", self.tick, timing)

    async def load(self) -> None:
        """Give each source the keys that the file has of it."""
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                stored = await asyncio.to_thread(self._file.load)
        except TimeoutError:
            self._warn_not_used("not read in time")
            return
        except (OSError, ValueError) as error:
            self._warn_not_used(_text(error))
            return
        for source in self._sources:
            source.restore([each for each in stored if each.source == source.id])
        ids = {source.id for source in self._sources}
        for kind, url in sorted({each.source for each in stored} - ids):
            error_text = "the file has keys of a source that is not configured: not used"
            log("key cache not used", logging.WARNING, source=kind, url=url, error=error_text)

    def start(self) -> None:
        """Begin to write changes."""
        self._background.start()

    async def close(self) -> None:
        """Write the last changes and end."""
        await self._background.close()
        await self.tick(at_end=True)

    def stop(self) -> None:
        """Write nothing any more: other sources replace these."""
        self._sources = ()

    async def tick(self, *, at_end: bool = False) -> None:
        """Write the file if it is due."""
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
        try:
            await asyncio.to_thread(self._file.save, known, self._timing.clock())
        except OSError as error:
            # Once for each error; the next change tries again.
            if str(error) != self._error:
                path, text = str(self._file.path), _text(error)
                log("key cache not written", logging.WARNING, path=path, error=text)
            self._error = str(error)
        else:
            self._error = ""
        self._saved, self._confirmed, self._saved_at = saved, confirmed, now

    def _warn_not_used(self, error: str) -> None:
        log("key cache not used", logging.WARNING, path=str(self._file.path), error=error)


def _text(error: OSError | ValueError) -> str:
    # The messages of a JSON parser do not quote the text.
    return (error.strerror or "failed") if isinstance(error, OSError) else str(error)
