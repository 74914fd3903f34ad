"""Stores of revocations: ``memory:``, a SQLite file, or a Redis."""

from __future__ import annotations

import time
from pathlib import Path

from verifier.revocation.stores.base import RevocationStore
from verifier.revocation.stores.memory import MemoryStore
from verifier.revocation.stores.sqlite import SqliteStore
from verifier.storage.redis_url import is_redis_url, parse_redis_url
from verifier.storage.sqlite import URL_PREFIX
from verifier.storage.worker_counters import SINGLE_WORKER, WorkerIdentity


def open_store(url: str, identity: WorkerIdentity = SINGLE_WORKER) -> RevocationStore:
    """Return the store that a URL names; the store reads nothing before it is started.

    Args:
        url: ``memory:``, ``sqlite:///path`` or the URL of a Redis.
        identity: The worker that uses the store.

    Raises:
        ValueError: no store has such a URL.
    """
    if url.startswith(URL_PREFIX):
        return SqliteStore(Path(url.removeprefix(URL_PREFIX)), identity)
    if is_redis_url(url):
        # The client library is an extra, which only users of Redis install.
        from verifier.revocation.stores.redis import RedisStore  # noqa: PLC0415

        return RedisStore(parse_redis_url(url), time.time, identity)
    if url != "memory:":
        # The text must not quote the URL, which may contain a password.
        raise ValueError("expected memory:, sqlite://, or the URL of a Redis")
    if identity.directory is None:
        return MemoryStore()
    # Several workers share a file in a directory that the service deletes when it ends.
    return SqliteStore(identity.directory / "revocations", identity)
