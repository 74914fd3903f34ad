"""One fetched key and the times that bound it, as a plain value."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from verifier.keys.model import VerificationKey


@dataclass(slots=True)
class Entry:
    """One key; times are monotonic but for ``fetched``, which is Unix time.

    Attributes:
        key: The key.
        fetched: When its source last confirmed it.
        fresh_until: Until when the source's word holds.
        usable_until: Until when it works if the source cannot be asked.
        used_at: When a token last needed it.
        digest: The SHA-256 of its ``kid``, hex.
        vanished: Its source no longer has it; it works until ``usable_until`` and no longer.
        refresh_at: When its source is to be asked for it again, if it is asked key by key.
        etag: The source's name for this version of it.
        lifetime: The freshness that it was given last, seconds.
    """

    key: VerificationKey
    fetched: float
    fresh_until: float
    usable_until: float
    used_at: float
    digest: str
    vanished: bool = False
    refresh_at: float = float("inf")
    etag: str = ""
    lifetime: float = 0.0


def key_digest(key_id: str) -> str:
    """Hash a key id as ASAP key servers do: SHA-256, lower-case hex."""
    return hashlib.sha256(key_id.encode("utf-8", "surrogatepass")).hexdigest()
