"""One-use tokens: who has entered with which, so that nobody else does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from verifier.revocation.stores import ALONE, Sibling
from verifier.single_use.base import Uses
from verifier.single_use.model import SingleUse
from verifier.single_use.sqlite import SqliteUses
from verifier.storage.redis_url import parse_redis_url

__all__ = ["SingleUse", "Uses", "open_uses"]

_SQLITE: Final = "sqlite://"


def open_uses(url: str, sibling: Sibling = ALONE) -> Uses:
    """Record uses where revocations are kept; opens nothing before the first one.

    Args:
        url: The option ``revocation_store``.
        sibling: Which of the service's workers asks.
    """
    if url.startswith(_SQLITE):
        return SqliteUses(Path(f"{url.removeprefix(_SQLITE)}-uses"), time.time)
    if url == "memory:":
        directory = sibling.directory
        return SqliteUses(None if directory is None else directory / "uses", time.time)
    from verifier.single_use.redis import RedisUses  # noqa: PLC0415  # an extra

    return RedisUses(parse_redis_url(url), time.time)
