"""Revocations: where they are kept, and what this process knows of them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from verifier.revocation.cache import RevocationCache
from verifier.revocation.stores.base import (
    RevocationSink,
    RevocationStore,
    StoreConfigError,
    StoreUnavailableError,
)
from verifier.revocation.stores.memory import MemoryStore
from verifier.revocation.stores.sqlite import SqliteStore
from verifier.storage.redis_url import parse_redis_url
from verifier.storage.worker_counters import WorkerCounters

__all__ = [
    "SINGLE_WORKER",
    "RevocationCache",
    "RevocationSink",
    "RevocationStore",
    "StoreConfigError",
    "StoreUnavailableError",
    "WorkerCounters",
    "WorkerIdentity",
    "open_store",
]

_SQLITE: Final = "sqlite://"


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """One of a service's workers.

    Attributes:
        worker: Its number.
        bell: Is heard by them all.
        directory: Is theirs, for what they keep as long as the service runs; None for one process.
    """

    worker: int = 0
    bell: WorkerCounters = field(default_factory=WorkerCounters)
    directory: Path | None = None


SINGLE_WORKER: Final = WorkerIdentity()


def open_store(url: str, sibling: WorkerIdentity = SINGLE_WORKER) -> RevocationStore:
    """Make the store that an option names; reads nothing before it is started.

    Args:
        url: ``memory:``, ``sqlite:///path`` or where a Redis is.
        sibling: Which of the service's workers asks.
    """
    if url.startswith(_SQLITE):
        return SqliteStore(Path(url.removeprefix(_SQLITE)), sibling.bell, sibling.worker)
    if url != "memory:":
        from verifier.revocation.stores.redis import RedisStore  # noqa: PLC0415  # an extra

        return RedisStore(parse_redis_url(url), time.time, sibling.bell, sibling.worker)
    if sibling.directory is None:
        return MemoryStore()
    return SqliteStore(sibling.directory / "revocations", sibling.bell, sibling.worker)
