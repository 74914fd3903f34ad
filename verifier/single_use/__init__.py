"""One-use tokens: who has entered with which, so that nobody else does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from verifier.revocation.stores import SINGLE_WORKER, WorkerIdentity
from verifier.single_use.base import RedemptionStore
from verifier.single_use.model import SingleUse
from verifier.single_use.sqlite import SqliteRedemptions
from verifier.storage.redis_url import parse_redis_url

__all__ = ["RedemptionStore", "SingleUse", "open_redemptions"]

_SQLITE: Final = "sqlite://"


def open_redemptions(url: str, sibling: WorkerIdentity = SINGLE_WORKER) -> RedemptionStore:
    """Record uses where revocations are kept; opens nothing before the first one.

    Args:
        url: The option ``revocation_store``.
        sibling: Which of the service's workers asks.
    """
    if url.startswith(_SQLITE):
        return SqliteRedemptions(Path(f"{url.removeprefix(_SQLITE)}-uses"), time.time)
    if url == "memory:":
        directory = sibling.directory
        return SqliteRedemptions(None if directory is None else directory / "uses", time.time)
    from verifier.single_use.redis import RedisRedemptions  # noqa: PLC0415  # an extra

    return RedisRedemptions(parse_redis_url(url), time.time)
