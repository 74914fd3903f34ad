"""The keys of a virtual host: several sources behind one interface, shared by hosts if possible.

A ``KeyResolver`` searches its sources from the cheapest to the most expensive: configured keys need
no request, a document needs one request for all keys, a key server needs one request for each key.
The key of the first source that has one is used.

``KeyResolvers`` has one resolver for each set of key locations. Hosts with the same locations share
a resolver, so that each key is requested once for all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import aiohttp

from verifier.keys.model import SOURCES, SkipReason, Source, VerificationKey
from verifier.keys.sources.asap import AsapSource
from verifier.keys.sources.base import (
    DEFAULT_CONTEXT,
    KeyObserver,
    KeyOrMissing,
    KeySource,
    Missing,
    SourceContext,
    SourceStatus,
)
from verifier.keys.sources.configured import PublicKeySource, SecretSource
from verifier.keys.sources.jwks import DocumentSource
from verifier.keys.sources.key_keeper import KeyKeeper, KeyStore
from verifier.keys.sources.remote import RemoteSource
from verifier.keys.sources.settings import KeyLocations


class KeyResolver:
    """Finds a key in several sources; a ``KeyLookup``.

    Args:
        sources: In the order in which they are searched.
        timeout: The longest time that ``fetch`` waits for all of them together, seconds.
    """

    unavailable = False
    """A key that ``get`` does not return can be requested; ``fetch`` says if that fails."""

    def __init__(self, sources: Sequence[KeySource], timeout: float) -> None:
        self.sources = tuple(sources)
        self._timeout = timeout
        # Only secrets serve tokens of any kid; the other sources find keys by kid.
        self._with_static = tuple(source for source in sources if source.name == "secret")
        self._by_id = tuple(source for source in sources if source.name != "secret")

    @property
    def static(self) -> tuple[VerificationKey, ...]:
        """Keys that are tried for every token, in this order."""
        # Read for every request, and there is at most one source of secrets: no tuple is built.
        if len(self._with_static) < 2:
            return self._with_static[0].static if self._with_static else ()
        return tuple(key for source in self._with_static for key in source.static)

    def get(self, key_id: str) -> VerificationKey | None:
        """Return the key if it is in memory; never waits."""
        for source in self._by_id:
            key = source.get(key_id)
            if key is not None:
                return key
        return None

    def answer_without_fetch(self, key_id: str) -> Missing | None:
        """Return the answer of ``fetch`` if it would not wait; None if a source may be requested.

        Call this for a key id that ``get`` does not return. A flood of invented key ids is answered
        here, without a task for each of them.
        """
        if any(source.may_fetch(key_id) for source in self._by_id):
            return None
        # Every source is called, because every source counts its lookups.
        answers = [source.answer_without_fetch(key_id) for source in self._by_id]
        return Missing.UNAVAILABLE if Missing.UNAVAILABLE in answers else Missing.UNKNOWN

    async def fetch(self, key_id: str) -> KeyOrMissing:
        """Return the key, fetched if necessary; waits for at most one shared fetch of each source.

        Each source gets its share of the remaining time. After that share the next source is
        searched too, and the first source may still answer. So a stalled document does not block a
        key server, and two stalled sources do not double the waiting time.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timeout
        lookups: list[asyncio.Task[KeyOrMissing]] = []
        try:
            for position, source in enumerate(self._by_id):
                lookups.append(asyncio.create_task(source.fetch(key_id)))
                share = (end - loop.time()) / (len(self._by_id) - position)
                await asyncio.wait(lookups[-1:], timeout=max(0.0, share))
                if isinstance(_best_answer(lookups), VerificationKey):
                    return _best_answer(lookups)
            if lookups:
                await asyncio.wait(lookups, timeout=max(0.0, end - loop.time()))
            return _best_answer(lookups)
        finally:
            # The sources' own fetches go on: other requests may wait for them.
            for lookup in lookups:
                lookup.cancel()

    def asks_again_in(self, key_id: str) -> float | None:
        """Return in how many seconds ``ask_again`` may ask for a key that ``get`` returns.

        None: the key was not fetched, so that there is nothing to ask.
        """
        source = self._remote_source(key_id)
        return None if source is None else source.asks_again_in(key_id)

    async def ask_again(self, key_id: str) -> KeyOrMissing:
        """Ask the source of a key that did not make a signature; return the key that it has now."""
        source = self._remote_source(key_id)
        return Missing.UNAVAILABLE if source is None else await source.ask_again(key_id)

    def _remote_source(self, key_id: str) -> RemoteSource | None:
        """Return the source at a URL whose key ``get`` returns for this key id."""
        for source in self._by_id:
            if isinstance(source, RemoteSource):
                if source.asks_again_in(key_id) is not None:
                    return source
            elif source.may_fetch(key_id):
                return None  # a configured key
        return None

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Return the key whose ``kid`` has this SHA-256 (hex), and its freshness in seconds."""
        with contextlib.suppress(TimeoutError):
            # To Jitsi, a late response means "no such key"; the next token repeats the request.
            async with asyncio.timeout(self._timeout):
                for source in self._by_id:
                    found = await source.find_by_digest(digest)
                    if found is not None:
                        return found
        return None

    async def start(self) -> None:
        """Start all sources, or none.

        Raises:
            KeySourceError: Configured keys cannot be used.
        """
        try:
            for source in self.sources:
                await source.start()
        # Cancellation too: the background work of the started sources must not go on.
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End all background work."""
        for source in self.sources:
            await source.close()

    def status(self) -> tuple[SourceStatus, ...]:
        """Return the state of each source."""
        return tuple(source.status() for source in self.sources)

    def copy_from(self, other: KeyResolver) -> None:
        """Take over the fetched keys of sources with the same URL; call this before ``start``.

        A new configuration then works even while the key servers do not answer.
        """
        for new in self.sources:
            for old in other.sources:
                if not isinstance(new, RemoteSource) or not isinstance(old, type(new)):
                    continue
                if new.url == old.url:
                    new.copy_from(old)


class KeyResolvers:
    """One resolver for each set of key locations.

    Args:
        locations: The locations of every host, the default host's first; may contain duplicates.
        session: From ``open_session``; the caller closes it after the resolvers.
        context: Settings, clocks and observers.
        key_stores: Where fetched keys are kept for the next start.
    """

    def __init__(
        self,
        locations: Sequence[KeyLocations],
        session: aiohttp.ClientSession,
        context: SourceContext,
        key_stores: Sequence[KeyStore] = (),
    ) -> None:
        self._totals = _KeyTotals(context.observer)
        self._resolvers: list[tuple[KeyLocations, KeyResolver]] = []
        for wanted in locations:
            # Compared one by one: locations contain a mapping, so they cannot be hashed.
            if all(wanted != existing for existing, _ in self._resolvers):
                own = replace(context, observer=_ResolverObserver(context.observer, self._totals))
                self._resolvers.append((wanted, open_resolver(wanted, session, own)))
        remote = [
            source
            for _, resolver in self._resolvers
            for source in resolver.sources
            if isinstance(source, RemoteSource)
        ]
        self._keeper = KeyKeeper(key_stores, remote, context.timing) if key_stores else None

    def resolver_for(self, locations: KeyLocations) -> KeyResolver:
        """Return the resolver of these locations."""
        return next(resolver for existing, resolver in self._resolvers if existing == locations)

    async def start(self) -> None:
        """Start all resolvers, or none.

        Raises:
            KeySourceError: Configured keys cannot be used.
        """
        # Before the sources ask: a good answer replaces what the file has.
        if self._keeper is not None:
            await self._keeper.load()
        async with contextlib.AsyncExitStack() as started:
            for _, resolver in self._resolvers:
                await resolver.start()
                started.push_async_callback(resolver.close)
            started.pop_all()
        if self._keeper is not None:
            self._keeper.start()

    async def close(self) -> None:
        """End all background work, and write the fetched keys into the file."""
        if self._keeper is not None:
            await self._keeper.close()
        for _, resolver in self._resolvers:
            await resolver.close()

    def status(self) -> list[SourceStatus]:
        """Return the state of every source."""
        return [status for _, resolver in self._resolvers for status in resolver.status()]

    def copy_from(self, other: KeyResolvers) -> None:
        """Take over the fetched keys of the resolvers that these replace; call before ``start``.

        If several old resolvers have one URL, they are copied from the worst to the best, so that
        the best one is the last: the one with the same locations, else the one with the most keys.
        """
        for locations, new in self._resolvers:
            # ``_merit`` reads the state of every key. A thousand hosts have a million pairs of
            # resolvers, and this runs in the event loop: only related pairs may cost that much.
            related = [entry for entry in other._resolvers if _share_a_url(entry[0], locations)]
            for _, old in sorted(related, key=lambda entry: _merit(entry, locations)):
                new.copy_from(old)

    def take_over_metrics(self, other: KeyResolvers) -> None:
        """From now on, report and store these resolvers' keys, and not those of ``other``.

        Without this, a source that the new configuration no longer has would look as if it had
        failed since its last success.
        """
        # The old resolvers still fetch for requests that wait, and must not report their counts.
        other._totals.active = False
        if other._keeper is not None:
            other._keeper.stop()
        for source in SOURCES:
            self._totals.report(source)
            self._totals.report_skipped(source)
        for source in set(SOURCES).difference(status.name for status in self.status()):
            self._totals.observer.set_last_success(source, 0)


def open_resolver(
    locations: KeyLocations,
    session: aiohttp.ClientSession,
    context: SourceContext = DEFAULT_CONTEXT,
) -> KeyResolver:
    """Create a resolver for the configured locations; it does nothing before its ``start``.

    Args:
        locations: Where the keys are.
        session: From ``open_session``; the caller closes it after the resolver.
        context: Settings, clocks and observers.

    Raises:
        ValueError: A URL is neither http nor https.
    """
    sources: list[KeySource] = []
    if locations.secrets:
        sources.append(SecretSource(locations.secrets, context))
    if locations.public_keys:
        sources.append(PublicKeySource(locations.public_keys, context))
    if locations.document_url is not None:
        alone = not locations.public_keys and locations.asap_url is None
        sources.append(DocumentSource(locations.document_url, session, context, alone=alone))
    if locations.asap_url is not None:
        sources.append(AsapSource(locations.asap_url, session, context))
    return KeyResolver(sources, context.settings.key_fetch_timeout)


class _KeyTotals:
    """The counts of all resolvers by kind of source; the metrics show their sums."""

    def __init__(self, observer: KeyObserver) -> None:
        self.observer = observer
        self.active = True
        self.counts: list[Counter[Source]] = []
        self.skipped: list[dict[Source, Counter[SkipReason]]] = []

    def report(self, source: Source) -> None:
        if self.active:
            self.observer.set_key_count(source, sum(counts[source] for counts in self.counts))

    def report_skipped(self, source: Source) -> None:
        if self.active:
            total = Counter[SkipReason]()
            for skipped in self.skipped:
                total.update(skipped[source])
            self.observer.set_skipped(source, total)


class _ResolverObserver:
    """Passes on what one resolver counts; adds its key counts to those of the other resolvers."""

    def __init__(self, observer: KeyObserver, totals: _KeyTotals) -> None:
        # Counters of several resolvers add up by themselves.
        self.count_lookup = observer.count_lookup
        self.count_fetch = observer.count_fetch
        self.count_skipped = observer.count_skipped
        self._totals = totals
        self._counts: Counter[Source] = Counter()
        self._skipped: dict[Source, Counter[SkipReason]] = {name: Counter() for name in SOURCES}
        totals.counts.append(self._counts)
        totals.skipped.append(self._skipped)

    def set_last_success(self, source: Source, time: float) -> None:
        if self._totals.active:
            self._totals.observer.set_last_success(source, time)

    def set_key_count(self, source: Source, count: int) -> None:
        self._counts[source] = count
        self._totals.report(source)

    def set_skipped(self, source: Source, reasons: Counter[SkipReason]) -> None:
        self._skipped[source] = reasons
        self._totals.report_skipped(source)


def _best_answer(lookups: Sequence[asyncio.Task[KeyOrMissing]]) -> KeyOrMissing:
    """Return the first key; without a key, UNKNOWN only if every source says so."""
    answers = [task.result() if task.done() else Missing.UNAVAILABLE for task in lookups]
    for answer in answers:
        if isinstance(answer, VerificationKey):
            return answer
    return Missing.UNAVAILABLE if Missing.UNAVAILABLE in answers else Missing.UNKNOWN


def _share_a_url(one: KeyLocations, other: KeyLocations) -> bool:
    document = one.document_url is not None and one.document_url == other.document_url
    return document or (one.asap_url is not None and one.asap_url == other.asap_url)


def _merit(entry: tuple[KeyLocations, KeyResolver], locations: KeyLocations) -> tuple[bool, int]:
    keys = sum(len(status.keys) for status in entry[1].status())
    return entry[0] == locations, keys
