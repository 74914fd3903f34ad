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

``key_keeper`` says when the file is read and written.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from verifier.keys.sources import stored_keys
from verifier.keys.sources.stored_keys import SourceId, StoredKey

_MOST_BYTES: Final = 1 << 26
_MODE: Final = 0o600


class KeyCacheFile:
    """A ``KeyStore`` in a file.

    Args:
        path: The file; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self.place = str(path)
        self.path = path

    async def load(self, _sources: Sequence[SourceId]) -> list[StoredKey]:
        """Return the records of the file, also those of other sources."""
        return await asyncio.to_thread(self.read)

    async def save(self, known: Sequence[StoredKey], now: float) -> None:
        """Write these records; see ``write``."""
        await asyncio.to_thread(self.write, known, now)

    async def close(self) -> None:
        """Do nothing: the file is open only while it is read or written."""

    def read(self) -> list[StoredKey]:
        """Return the records of the file; none if there is no file. May block.

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
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise ValueError("expected a regular file, found a symbolic link") from None
            raise
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

    def write(self, known: Sequence[StoredKey], now: float) -> None:
        """Write these records, and those that other processes have written; may block.

        Args:
            known: What this process knows.
            now: Unix time; records whose time is over are left out.

        Raises:
            OSError: The file cannot be written.
        """
        with self._lock():
            try:
                before = self.read()
            except (OSError, ValueError):
                before = []  # a file that cannot be used is replaced; the start has reported it
            # Also those of sources of which this process knows no key: another may know them.
            both = stored_keys.merge([*known, *before], now)
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
