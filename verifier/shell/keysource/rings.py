"""The key rings of all virtual hosts; hosts with the same keys share one.

A key server is then asked once for all of them, and its metrics are what one source's are.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import aiohttp

from verifier.core.key_binding import SkipReason
from verifier.core.keys import Source, VerificationKey
from verifier.shell.keysource.interface import (
    FetchResult,
    KeyObserver,
    LookupResult,
    SourceStatus,
)
from verifier.shell.keysource.locations import KeyLocations, open_ring
from verifier.shell.keysource.options import Surroundings
from verifier.shell.keysource.ring import KeyRing


class Rings:
    """One ring for each set of key locations.

    Args:
        locations: Every host's, the default's first; the same ones may come again.
        session: From ``open_session``; the caller closes it after the rings.
        surroundings: Options, clocks, and whom to tell.
    """

    def __init__(
        self,
        locations: Sequence[KeyLocations],
        session: aiohttp.ClientSession,
        surroundings: Surroundings,
    ) -> None:
        self._rings: list[tuple[KeyLocations, KeyRing]] = []
        counts: list[Counter[Source]] = []
        for each in locations:
            if all(each != known for known, _ in self._rings):
                observer = _Summing(surroundings.observer, counts)
                own = replace(surroundings, observer=observer)
                self._rings.append((each, open_ring(each, session, own)))

    def of(self, locations: KeyLocations) -> KeyRing:
        """Give the ring of these locations."""
        return next(ring for known, ring in self._rings if known == locations)

    async def by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Give the public key whose ``kid`` has this SHA-256 (hex), and its freshness, seconds."""
        for _, ring in self._rings:
            found = await ring.by_digest(digest)
            if found is not None:
                return found
        return None

    async def start(self) -> None:
        """Start all rings.

        Raises:
            KeySourceError: a configured key cannot be used; nothing runs then.
        """
        async with contextlib.AsyncExitStack() as stack:
            for _, ring in self._rings:
                await ring.start()
                stack.push_async_callback(ring.close)
            stack.pop_all()

    async def close(self) -> None:
        """Stop all work in the background."""
        for _, ring in self._rings:
            await ring.close()

    def status(self) -> list[SourceStatus]:
        """Say how every source is doing."""
        return [status for _, ring in self._rings for status in ring.status()]

    def inherit(self, other: Rings) -> None:
        """Go on with the fetched keys of the rings that these replace; before ``start``."""
        for _, new in self._rings:
            for _, old in other._rings:
                new.inherit(old)


class _Summing:
    """Passes on what one ring tells, but its numbers of keys as the sum over all rings."""

    def __init__(self, observer: KeyObserver, counts: list[Counter[Source]]) -> None:
        self._observer = observer
        self._counts = counts
        self._own: Counter[Source] = Counter()
        counts.append(self._own)

    def lookup(self, source: Source, result: LookupResult) -> None:
        self._observer.lookup(source, result)

    def fetched(self, source: Source, result: FetchResult, seconds: float) -> None:
        self._observer.fetched(source, result, seconds)

    def succeeded(self, source: Source, time: float) -> None:
        self._observer.succeeded(source, time)

    def skipped(self, source: Source, reason: SkipReason) -> None:
        self._observer.skipped(source, reason)

    def keys(self, source: Source, count: int) -> None:
        self._own[source] = count
        self._observer.keys(source, sum(each[source] for each in self._counts))
