"""Single use: a token lets one browser into its room, and no other one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from verifier.single_use.model import RedemptionStore, SingleUse
from verifier.single_use.sqlite import SqliteRedemptions
from verifier.storage.redis_url import parse_redis_url
from verifier.storage.worker_counters import SINGLE_WORKER, WorkerIdentity

__all__ = ["RedemptionStore", "SingleUse", "open_redemptions"]

_SQLITE: Final = "sqlite://"


def open_redemptions(url: str, identity: WorkerIdentity = SINGLE_WORKER) -> RedemptionStore:
    """Return the store of redemptions beside the store of revocations.

    The store opens nothing before the first redemption, because most services have none.

    Args:
        url: The option ``revocation_store``.
        identity: The worker that uses the store.
    """
    if url.startswith(_SQLITE):
        return SqliteRedemptions(Path(f"{url.removeprefix(_SQLITE)}-uses"), time.time)
    if url == "memory:":
        # Several workers share a file in a directory that the service deletes when it ends.
        directory = identity.directory
        return SqliteRedemptions(None if directory is None else directory / "uses", time.time)
    # The client library is an extra, which only users of Redis install.
    from verifier.single_use.redis import RedisRedemptions  # noqa: PLC0415

    return RedisRedemptions(parse_redis_url(url), time.time)
