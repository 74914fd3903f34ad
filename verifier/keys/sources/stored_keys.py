"""Public keys that survive a restart: what is stored of each, and how it is written as JSON.

    {"version": 1, "keys": [
      {"source": "asap", "url": "https://keys.example.org/", "kid": "k", "answered": 1767225600,
       "confirmed": 1767225600, "until": 1767315600, "withdrawn": false,
       "material": [{"pem": "-----BEGIN PUBLIC KEY-----…", "algorithms": ["RS256"],
                     "irregular": "", "validity": null}]}]}

``material`` is empty for a key that its source refused: it must not come back from another
worker's memory. Times are Unix seconds. Nothing in it is secret: keys are public, and a URL is
stored without user and password; of its query, only the SHA-256 is stored.

This module is pure.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from yarl import URL

from verifier.keys.formats import to_pem
from verifier.keys.model import SOURCES, InvalidKeyError, KeyMetadata, Source, VerificationKey, bind
from verifier.keys.pem import load_pem

_VERSION: Final = 1
_CLOCK_DIFFERENCE: Final = 60.0  # between the machines of replicas, seconds

SourceId: TypeAlias = tuple[Source, str]
"""A kind of source and ``source_url`` of its URL."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One key of one source.

    Attributes:
        source: Where the key came from.
        key_id: Its ``kid``.
        answered: When the source last answered about this key id.
        confirmed: When it last confirmed the key.
        until: When the key must no longer be used if nothing is heard of its source.
        withdrawn: Whether the source no longer has the key.
        key: The key; None if the source refused it.
    """

    source: SourceId
    key_id: str
    answered: float
    confirmed: float
    until: float
    withdrawn: bool
    key: VerificationKey | None


def source_url(url: URL) -> str:
    """Return what identifies a source without its secrets."""
    public = str(url.with_user(None).with_query(None).with_fragment(None))
    query = hashlib.sha256(url.raw_query_string.encode()).hexdigest()
    return f"{public}?sha256={query}" if url.raw_query_string else public


def merge(stored: Iterable[StoredKey], now: float) -> list[StoredKey]:
    """Return one record for each key of each source: the one with the newest answer.

    Args:
        stored: The records.
        now: Unix time.
    """
    newest: dict[tuple[SourceId, str], StoredKey] = {}
    latest = latest_answer(now)
    for each in stored:
        found = newest.setdefault((each.source, each.key_id), each)
        if (each.answered <= latest, each.answered) > (found.answered <= latest, found.answered):
            newest[each.source, each.key_id] = each
    return list(newest.values())


def latest_answer(now: float) -> float:
    """Return the latest time that an answer can have had.

    A record of a later time was written while the clock was ahead. It must not displace newer ones
    until the clock is there again.
    """
    return now + _CLOCK_DIFFERENCE


def write(stored: Iterable[StoredKey]) -> bytes:
    """Return the records as JSON."""
    keys = [
        {
            "source": each.source[0],
            "url": each.source[1],
            "kid": each.key_id,
            "answered": each.answered,
            "confirmed": each.confirmed,
            "until": each.until,
            "withdrawn": each.withdrawn,
            "material": [] if each.key is None else [_material(key) for key in each.key.all],
        }
        for each in stored
    ]
    # Escapes only, because a kid may contain lone surrogates, which UTF-8 cannot express.
    return json.dumps({"version": _VERSION, "keys": keys}, indent=1).encode("ascii")


def read(body: bytes) -> list[StoredKey]:
    """Read records.

    Raises:
        ValueError: The text is no such document, or a key in it cannot check signatures.
    """
    try:
        document = json.loads(body)
    except RecursionError:
        raise ValueError("expected less deep nesting") from None
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise ValueError(f"expected an object with version {_VERSION}")
    try:
        return [_read_key(entry) for entry in document["keys"]]
    except (LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"an entry is incomplete ({type(error).__name__})") from None


def _material(key: VerificationKey) -> dict[str, Any]:
    return {
        "pem": to_pem(key).decode("ascii"),
        "algorithms": sorted(key.algorithms),
        "irregular": key.interop_warning,
        "validity": key.validity,
    }


def _read_key(entry: dict[str, Any]) -> StoredKey:
    texts = isinstance(entry["url"], str) and isinstance(entry["kid"], str)
    if entry["source"] not in SOURCES or not texts:
        raise ValueError("an entry has no kid, no url or an unknown source")
    source: Source = entry["source"]
    keys = [_read_material(each, entry["kid"], source) for each in entry["material"]]
    return StoredKey(
        (source, entry["url"]),
        entry["kid"],
        _read_time(entry["answered"]),
        _read_time(entry["confirmed"]),
        _read_time(entry["until"]),
        bool(entry["withdrawn"]),
        replace(keys[0], alternatives=tuple(keys[1:])) if keys else None,
    )


def _read_time(value: Any) -> float:
    time = float(value)
    if not math.isfinite(time):
        raise ValueError("expected a time, found a number out of range")
    return time


def _read_material(entry: dict[str, Any], key_id: str, source: Source) -> VerificationKey:
    validity = entry["validity"]
    metadata = KeyMetadata(
        interop_warning=str(entry["irregular"]),
        validity=None if validity is None else (float(validity[0]), float(validity[1])),
    )
    public, _ = load_pem(entry["pem"])
    key = bind(public, key_id, source, metadata)
    algorithms = key.algorithms & frozenset(entry["algorithms"])
    if not algorithms:
        raise InvalidKeyError("an entry's algorithms do not fit its key", "algorithm")
    return replace(key, algorithms=algorithms)
