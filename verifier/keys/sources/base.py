"""The interface of every key source, and the values that go in and out of a source.

A source answers three questions about a key id, from the cheapest to the most expensive:

====================================  ==========================================  ===============
call                                  result                                      waits
====================================  ==========================================  ===============
``get(key_id)``                       the key, if it is in memory                 never
``answer_without_fetch(key_id)``      why there is no key, if no fetch may start  never
``fetch(key_id)``                     the key, or why there is none               for one fetch
====================================  ==========================================  ===============

``may_fetch`` says which of the last two calls applies. A source that sends requests has one method
which decides whether a token may cause a request (``_may_start_lookup``). Both ``may_fetch`` and
``fetch`` follow it. How long a lookup then waits for its turn, ``lookup_queue`` decides.

A key in memory that did not make a signature is another matter: see ``remote``.

This module knows neither HTTP nor files.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, Protocol, TypeAlias

from verifier.keys.document import SkippedKey
from verifier.keys.model import SkipReason, Source, VerificationKey
from verifier.keys.sources.settings import KeySourceSettings

State = Literal["never-needed", "starting", "ready", "stale", "failing"]
LookupResult = Literal["hit", "miss", "stale", "negative"]
FetchResult = Literal["ok", "not-found", "error", "timeout"]
# The three types above are values of /readyz, /v1/keys and the metrics: public names.


class Missing(Enum):
    """Why there is no key: every source is sure that it has none, or one cannot be reached now."""

    UNKNOWN = "unknown"
    UNAVAILABLE = "unavailable"


KeyOrMissing: TypeAlias = VerificationKey | Missing


class KeySourceError(Exception):
    """Keys cannot be read or fetched; the message is fit for logs and status pages.

    Attributes:
        timeout: Whether the time ran out.
        source_wide: Whether the whole source failed, not only the requested key.
        reason: What is wrong with the key that the server sent; None if it sent no key.
    """

    def __init__(
        self,
        message: str,
        *,
        timeout: bool = False,
        source_wide: bool = True,
        reason: SkipReason | None = None,
    ) -> None:
        super().__init__(message)
        self.timeout = timeout
        self.source_wide = source_wide
        self.reason: SkipReason | None = reason


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """One key for ``/v1/keys``, without key material.

    Attributes:
        key_id: The key's ``kid``; None for a key that serves any token.
        source: The kind of source that the key came from.
        algorithms: The algorithms that the key may verify, sorted.
        fetched: When the source last confirmed the key, Unix seconds; the name in ``/v1/keys``.
        expires: When the key's freshness ends, Unix seconds; None if it never ends.
        fingerprint: SHA-256 of the key's DER, hex; empty for a secret.
        irregular: What is irregular about the form of the key; empty for nothing.
    """

    key_id: str | None
    source: Source
    algorithms: tuple[str, ...]
    fetched: float
    expires: float | None
    fingerprint: str
    irregular: str = ""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The state of one source, for ``/readyz`` and ``/v1/keys``.

    Attributes:
        name: The kind of source.
        state: ``never-needed``: no key was requested yet. ``starting``: no good response yet.
            ``ready``: the last response was good. ``stale``: the source fails, and its cached keys
            are still used. ``failing``: the source fails, and it has no key.
        answered: Whether the source has ever given a good response.
        last_success: The time of the last good response, Unix seconds.
        last_error: The last error's message; empty after a good response.
        keys: The keys that can be used now.
        skipped: The entries of the last response that are not used.
        url: The source's URL without secrets; None for keys of the configuration.
    """

    name: Source
    state: State
    answered: bool
    last_success: float | None
    last_error: str
    keys: tuple[KeyStatus, ...]
    skipped: tuple[SkippedKey, ...] = ()
    url: str | None = None

    @property
    def ready(self) -> bool:
        """Whether ``/readyz`` counts the source as ready.

        It has answered, was never needed, or has keys of an earlier process (``key_cache``).
        """
        return self.answered or self.state in ("never-needed", "stale")


def key_statuses(
    key: VerificationKey, fetched: float, expires: float | None
) -> Iterator[KeyStatus]:
    """Yield the status of a key and of the other keys with its ``kid``."""
    for each in key.all:
        algorithms = tuple(sorted(each.algorithms))
        yield KeyStatus(
            each.key_id,
            each.source,
            algorithms,
            fetched,
            expires,
            each.fingerprint,
            each.interop_warning,
        )


class KeyObserver(Protocol):
    """Counts what happens to keys; each argument is one of a few fixed words or a number."""

    def count_lookup(self, source: Source, result: LookupResult) -> None:
        """Count a lookup of a key: cached, fetched, cached but stale, or answered as missing."""

    def count_fetch(self, source: Source, result: FetchResult, seconds: float) -> None:
        """Count a fetch and its duration."""

    def set_last_success(self, source: Source, time: float) -> None:
        """Set the time of the last good response, Unix seconds."""

    def set_key_count(self, source: Source, count: int) -> None:
        """Set the number of keys that a source holds."""

    def count_skipped(self, source: Source, reason: SkipReason) -> None:
        """Count a key that a server sent and that is not used."""

    def set_skipped(self, source: Source, reasons: Counter[SkipReason]) -> None:
        """Set how many entries of a source are not used now, by reason."""


class NullKeyObserver:
    """A ``KeyObserver`` that does nothing."""

    def count_lookup(self, source: Source, result: LookupResult) -> None:
        """Do nothing."""

    def count_fetch(self, source: Source, result: FetchResult, seconds: float) -> None:
        """Do nothing."""

    def set_last_success(self, source: Source, time: float) -> None:
        """Do nothing."""

    def set_key_count(self, source: Source, count: int) -> None:
        """Do nothing."""

    def count_skipped(self, source: Source, reason: SkipReason) -> None:
        """Do nothing."""

    def set_skipped(self, source: Source, reasons: Counter[SkipReason]) -> None:
        """Do nothing."""


OnChange: TypeAlias = Callable[[frozenset[str | None]], None]
"""Called at once with the ids of removed and replaced keys; None stands for keys without an id."""


_DEFAULT_SETTINGS: Final = KeySourceSettings()
_NULL_OBSERVER: Final = NullKeyObserver()


def _ignore_change(_key_ids: frozenset[str | None]) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Time and chance, so that tests can replace them.

    Attributes:
        monotonic: Seconds that never go back; all freshness is measured with this clock.
        clock: Unix time, seconds; for status pages and logs.
        random: Returns a number from 0 to below 1.
        sleep: Waits that many seconds.
    """

    monotonic: Callable[[], float] = time.monotonic
    clock: Callable[[], float] = time.time
    random: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What every source of one resolver receives.

    Attributes:
        settings: Times and limits.
        observer: Counts lookups and fetches.
        on_change: Called with removed and replaced keys.
        timing: The clocks.
    """

    settings: KeySourceSettings = _DEFAULT_SETTINGS
    observer: KeyObserver = _NULL_OBSERVER
    on_change: OnChange = _ignore_change
    timing: Timing = Timing()


DEFAULT_CONTEXT: Final = SourceContext()


class KeySource(Protocol):
    """A place that keys come from."""

    @property
    def name(self) -> Source:
        """The kind of source."""

    @property
    def static(self) -> tuple[VerificationKey, ...]:
        """Keys that are tried for every token, in this order."""

    def get(self, key_id: str) -> VerificationKey | None:
        """Return the key if it is in memory; never waits."""

    async def fetch(self, key_id: str) -> KeyOrMissing:
        """Return the key, fetched if necessary; waits for at most one shared fetch."""

    def may_fetch(self, key_id: str) -> bool:
        """Return whether ``fetch`` may start or join a fetch now; changes nothing."""

    def answer_without_fetch(self, key_id: str) -> Missing:
        """Return the answer of ``fetch`` for a key id where ``may_fetch`` is false; count it."""

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Return the key whose ``kid`` has this SHA-256 (hex), and its freshness in seconds."""

    async def start(self) -> None:
        """Begin to keep keys fresh.

        Raises:
            KeySourceError: Configured keys cannot be used (files and secrets only).
        """

    async def close(self) -> None:
        """End all background work."""

    async def tick(self) -> None:
        """Do the background work that is due now; ``start`` has this called at short intervals."""

    def status(self) -> SourceStatus:
        """Return the state of the source."""
