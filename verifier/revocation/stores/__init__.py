"""Stores of revocations: ``memory:``, a SQLite file, or a Redis."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from verifier.revocation.stores.base import RevocationStore
from verifier.revocation.stores.memory import MemoryStore
from verifier.revocation.stores.sqlite import SqliteStore
from verifier.storage.redis_url import parse_redis_url
from verifier.storage.worker_counters import SINGLE_WORKER, WorkerIdentity

_SQLITE: Final = "sqlite://"


def open_store(url: str, identity: WorkerIdentity = SINGLE_WORKER) -> RevocationStore:
    """Return the store that a URL names; the store reads nothing before it is started.

    Args:
        url: ``memory:``, ``sqlite:///path`` or the URL of a Redis.
        identity: The worker that uses the store.
    """
    if url.startswith(_SQLITE):
        return SqliteStore(Path(url.removeprefix(_SQLITE)), identity)
    if url != "memory:":
        # The client library is an extra, which only users of Redis install.
        from verifier.revocation.stores.redis import RedisStore  # noqa: PLC0415

        return RedisStore(parse_redis_url(url), time.time, identity)
    if identity.directory is None:
        return MemoryStore()
    # Several workers share a file in a directory that the service deletes when it ends.
    return SqliteStore(identity.directory / "revocations", identity)
