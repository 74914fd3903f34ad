"""What an operator can set about keys, with the defaults; reads no file and no environment."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from verifier.keys.sources.base import (
    SILENT,
    KeyObserver,
    OnChange,
    ignore_change,
)


@dataclass(frozen=True, slots=True)
class KeySourceSettings:
    """Options of all key sources; times are seconds.

    Attributes:
        key_fetch_timeout: The longest that a request waits for a key, and a fetch may take.
        key_connect_timeout: The part of it that connecting may take.
        key_fetch_connections: Most connections that one source holds.
        key_grace: How long a key works after it has gone from its source.
        key_stale_grace: How long known keys work past their freshness while the source fails.
        key_lookup_rate: Unknown key ids that are looked up at a key server, a second, in the mean.
        key_cache_size: Most keys kept of one source.
        key_min_lifetime: Freshness is never shorter, whatever the server says.
        key_max_lifetime: Freshness is never longer.
        asap_lifetime: Freshness of a key server's answer that names none.
        document_lifetime: Freshness of a document that names none.
        key_negative_lifetime: How long a key server's "no such key" is remembered.
        key_recheck: A key id that is asked for again is looked up again after this; also the
            least time between two refreshes of a document that unknown key ids cause.
        key_backoff_min: The first pause after a failure; doubles from there.
        key_backoff_max: The longest pause.
        key_file_poll: Pause between two looks at key files; a change is used when two agree.
    """

    key_fetch_timeout: float = 5.0
    key_connect_timeout: float = 2.0
    key_fetch_connections: int = 4
    key_grace: float = 5400.0
    key_stale_grace: float = 86_400.0
    key_lookup_rate: float = 10.0
    key_cache_size: int = 2000
    key_min_lifetime: float = 60.0
    key_max_lifetime: float = 86_400.0
    asap_lifetime: float = 3600.0
    document_lifetime: float = 21_600.0
    key_negative_lifetime: float = 60.0
    key_recheck: float = 10.0
    key_backoff_min: float = 1.0
    key_backoff_max: float = 60.0
    key_file_poll: float = 1.5

    def lifetime(self, stated: float | None, default: float) -> float:
        """Bound a freshness that a server states, or does not."""
        wanted = default if stated is None else stated
        return min(max(wanted, self.key_min_lifetime), self.key_max_lifetime)


@dataclass(frozen=True, slots=True)
class Timing:
    """Time and chance, so that tests can bring their own.

    Attributes:
        monotonic: Seconds that only go forward; all freshness is measured with it.
        clock: Unix time, seconds; for what people and other programs read.
        random: A number from 0 to below 1.
        sleep: Waits that many seconds.
    """

    monotonic: Callable[[], float] = time.monotonic
    clock: Callable[[], float] = time.time
    random: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What every source of one ring is given.

    Attributes:
        settings: Times and bounds.
        observer: Told of look-ups and fetches.
        on_change: Told of dropped and replaced keys.
        timing: The clocks.
    """

    settings: KeySourceSettings = KeySourceSettings()
    observer: KeyObserver = SILENT
    on_change: OnChange = ignore_change
    timing: Timing = Timing()


DEFAULTS: Final = SourceContext()
