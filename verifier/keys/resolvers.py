"""The key rings of all virtual hosts; hosts with the same keys share one.

A key server is then asked once for all of them, and its metrics are what one source's are.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import get_args

import aiohttp

from verifier.keys.model import SkipReason, Source
from verifier.keys.resolver import KeyResolver
from verifier.keys.sources.base import (
    FetchResult,
    KeyObserver,
    LookupResult,
    SourceStatus,
)
from verifier.keys.sources.locations import KeyLocations, open_resolver
from verifier.keys.sources.settings import SourceContext


class KeyResolvers:
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
        surroundings: SourceContext,
    ) -> None:
        self._rings: list[tuple[KeyLocations, KeyResolver]] = []
        self._numbers = _Numbers(surroundings.observer)
        for each in locations:
            if all(each != known for known, _ in self._rings):
                observer = _Summing(surroundings.observer, self._numbers)
                own = replace(surroundings, observer=observer)
                self._rings.append((each, open_resolver(each, session, own)))

    def of(self, locations: KeyLocations) -> KeyResolver:
        """Give the ring of these locations."""
        return next(ring for known, ring in self._rings if known == locations)

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

    def inherit(self, other: KeyResolvers) -> None:
        """Go on with the fetched keys of the rings that these replace; before ``start``.

        Where several knew one URL, the one with the same locations knows best, and then the one
        with the most keys.
        """
        for locations, new in self._rings:
            akin = [known for known in other._rings if _shares_a_url(known[0], locations)]
            for _, old in sorted(akin, key=lambda known: _merit(known, locations)):
                new.inherit(old)

    def take_over(self, other: KeyResolvers) -> None:
        """From now on these rings are told of, and not ``other``.

        A source that there is no more would otherwise seem to have failed since its last success.
        """
        other._numbers.silenced = True
        self._numbers.tell_all(status.name for status in self.status())


def _shares_a_url(one: KeyLocations, other: KeyLocations) -> bool:
    document = one.document_url is not None and one.document_url == other.document_url
    return document or (one.asap_url is not None and one.asap_url == other.asap_url)


def _merit(known: tuple[KeyLocations, KeyResolver], locations: KeyLocations) -> tuple[bool, int]:
    keys = sum(len(status.keys) for status in known[1].status())
    return known[0] == locations, keys


class _Numbers:
    """How many keys each ring holds of each kind of source; told as their sums."""

    def __init__(self, observer: KeyObserver) -> None:
        self._observer = observer
        self.of_rings: list[Counter[Source]] = []
        self.silenced = False

    def tell(self, source: Source) -> None:
        if not self.silenced:
            self._observer.keys(source, sum(each[source] for each in self.of_rings))

    def tell_all(self, used: Iterable[Source]) -> None:
        sources: tuple[Source, ...] = get_args(Source)
        for source in sources:
            self.tell(source)
        for source in set(sources).difference(used):
            self._observer.succeeded(source, 0)


class _Summing:
    """Passes on what one ring tells, but its numbers of keys as the sum over all rings."""

    def __init__(self, observer: KeyObserver, numbers: _Numbers) -> None:
        self._observer = observer
        self._numbers = numbers
        self._own: Counter[Source] = Counter()
        numbers.of_rings.append(self._own)

    def lookup(self, source: Source, result: LookupResult) -> None:
        self._observer.lookup(source, result)

    def fetched(self, source: Source, result: FetchResult, seconds: float) -> None:
        self._observer.fetched(source, result, seconds)

    def succeeded(self, source: Source, time: float) -> None:
        if not self._numbers.silenced:
            self._observer.succeeded(source, time)

    def skipped(self, source: Source, reason: SkipReason) -> None:
        self._observer.skipped(source, reason)

    def keys(self, source: Source, count: int) -> None:
        self._own[source] = count
        self._numbers.tell(source)
