"""Single use: after the window, a token admits only the browser that used it first."""

from __future__ import annotations

import time
from pathlib import Path

from verifier.single_use.model import RedemptionStore, SingleUse
from verifier.single_use.sqlite import SqliteRedemptions
from verifier.storage.redis_url import is_redis_url, parse_redis_url
from verifier.storage.sqlite import URL_PREFIX
from verifier.storage.worker_counters import SINGLE_WORKER, WorkerIdentity

__all__ = ["RedemptionStore", "SingleUse", "open_redemptions"]


def open_redemptions(url: str, identity: WorkerIdentity = SINGLE_WORKER) -> RedemptionStore:
    """Return the store of redemptions beside the store of revocations.

    The store opens nothing before the first redemption, because most services have none.

    Args:
        url: The option ``revocation_store``.
        identity: The worker that uses the store.

    Raises:
        ValueError: no store has such a URL.
    """
    if url.startswith(URL_PREFIX):
        return SqliteRedemptions(Path(f"{url.removeprefix(URL_PREFIX)}-uses"), time.time)
    if is_redis_url(url):
        # The client library is an extra, which only users of Redis install.
        from verifier.single_use.redis import RedisRedemptions  # noqa: PLC0415

        return RedisRedemptions(parse_redis_url(url), time.time)
    if url != "memory:":
        # The text must not quote the URL, which may contain a password.
        raise ValueError("expected memory:, sqlite://, or the URL of a Redis")
    # Several workers share a file in a directory that the service deletes when it ends.
    directory = identity.directory
    return SqliteRedemptions(None if directory is None else directory / "uses", time.time)
