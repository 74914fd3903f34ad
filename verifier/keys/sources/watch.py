"""Tells when files have changed: by looking, so that mounts without events work as well."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

Signature: TypeAlias = tuple[tuple[str, int, int, int, int] | None, ...]


class FileWatch:
    """Compares what files look like now with what they looked like when they were last read.

    A change counts when two looks agree on it, so that no file is read while it is being written.
    The real path counts too: Kubernetes swaps the symbolic link ``..data`` of a whole directory.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._read: Signature = signature(self._paths)
        self._seen = self._read

    async def changed(self) -> bool:
        """Look; True once for every change that has settled. Never blocks on a slow mount."""
        if not self._paths:
            return False
        before = self._seen
        self._seen = await asyncio.to_thread(signature, self._paths)
        if self._seen == self._read or self._seen != before:
            return False
        self._read = self._seen
        return True


def signature(paths: Sequence[Path]) -> Signature:
    """Describe what files look like; None for one that is not there."""
    return tuple(map(_look, paths))


def _look(path: Path) -> tuple[str, int, int, int, int] | None:
    try:
        found = path.stat()
        real = os.path.realpath(path)
    except OSError:
        return None
    return real, found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
