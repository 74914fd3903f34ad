"""Keys for a replay: fetched as the service fetches them, each key id once, with limits.

A log may contain any number of invented key ids, and a key source may not respond. Neither may make
a replay send a request, or wait, at every line. So each answer is kept until the end, and after
``_MAX_KEY_IDS`` answers or ``_MAX_FAILURES`` failures no source is asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar

import aiohttp

from verifier.keys.model import VerificationKey
from verifier.keys.resolver import KeyResolver, KeyResolvers
from verifier.keys.sources.base import KeyOrMissing, Missing, SourceContext
from verifier.keys.sources.http import open_session
from verifier.keys.sources.remote import RemoteSource
from verifier.keys.sources.settings import KeyLocations, KeySourceSettings

_MAX_KEY_IDS: Final = 1000
_MAX_FAILURES: Final = 3

T = TypeVar("T")

_LIMIT_REACHED: Final = (
    f"After {_MAX_KEY_IDS:,} key ids, or {_MAX_FAILURES} failures, no source was asked for another"
    " key: tokens with later key ids count as keys-unavailable."
)


class LimitedResolver:
    """The keys of one resolver, which asks its sources once for each key id, within the limits.

    Args:
        resolver: The configured sources.
        offline: Whether no source may be asked that is on the network.

    Attributes:
        limit_reached: Whether sources were not asked for a key id because of a limit.
    """

    unavailable = False

    def __init__(self, resolver: KeyResolver, *, offline: bool = False) -> None:
        self._resolver = resolver
        self._has_remote = any(isinstance(source, RemoteSource) for source in resolver.sources)
        self._offline = offline
        self._answers: dict[str, KeyOrMissing] = {}
        self._failures = 0
        self.limit_reached = False

    @property
    def static(self) -> tuple[VerificationKey, ...]:
        """Keys that are tried for every token, in this order."""
        return self._resolver.static

    def get(self, key_id: str) -> VerificationKey | None:
        """Return the key if it is in memory; never waits."""
        # The resolver drops a key when its freshness ends. A replay keeps it, because requests of
        # one key id shall not get two verdicts.
        answer = self._answers.get(key_id)
        return answer if isinstance(answer, VerificationKey) else self._resolver.get(key_id)

    def answer_without_fetch(self, key_id: str) -> Missing | None:
        """Return the answer of ``fetch`` if it would not wait; None if a source is to be asked."""
        answer = self._answers.get(key_id)
        if isinstance(answer, Missing):
            return answer
        if not self._has_remote:
            return Missing.UNKNOWN
        if self._offline:
            return Missing.UNAVAILABLE
        if self._failures >= _MAX_FAILURES or len(self._answers) >= _MAX_KEY_IDS:
            self.limit_reached = True
            return Missing.UNAVAILABLE
        return None

    async def fetch(self, key_id: str) -> KeyOrMissing:
        """Return a key that ``get`` does not return; waits for at most one fetch."""
        answer = self.answer_without_fetch(key_id)
        if answer is not None:
            return answer
        found = self._answers[key_id] = await self._resolver.fetch(key_id)
        self._failures += found is Missing.UNAVAILABLE
        return found

    def asks_again_in(self, _key_id: str) -> None:
        """Return that no source is asked again: a replay decides with the keys of its start."""

    async def ask_again(self, key_id: str) -> KeyOrMissing:
        """Return the key that is known."""
        return self.get(key_id) or Missing.UNAVAILABLE

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Return the key whose ``kid`` has this SHA-256 (hex), and its freshness in seconds."""
        return await self._resolver.find_by_digest(digest)


class ReplayKeys:
    """The keys of all hosts; hosts with the same locations share one resolver.

    Args:
        resolvers: The configured sources.
        locations: The locations of every host; may contain duplicates.
        run: Runs a coroutine to its end; the sources need an event loop.
        offline: Whether no source may be asked that is on the network.
    """

    def __init__(
        self,
        resolvers: KeyResolvers,
        locations: Sequence[KeyLocations],
        run: Callable[[Coroutine[Any, Any, Any]], Any],
        *,
        offline: bool,
    ) -> None:
        self._resolvers = resolvers
        self._run = run
        self._limited = {
            resolver: LimitedResolver(resolver, offline=offline)
            for resolver in map(resolvers.resolver_for, locations)
        }

    def resolver_for(self, locations: KeyLocations) -> LimitedResolver:
        """Return the resolver of these locations."""
        return self._limited[self._resolvers.resolver_for(locations)]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that may wait for a source, and return its result."""
        result: T = self._run(work)
        return result

    def problems(self) -> list[str]:
        """Return what went wrong with the sources, in sentences for the report."""
        found = [
            f"Key source {status.name}: {status.last_error}"
            for status in self._resolvers.status()
            if status.last_error
        ]
        if any(resolver.limit_reached for resolver in self._limited.values()):
            found.append(_LIMIT_REACHED)
        return list(dict.fromkeys(found))


@contextmanager
def open_keys(
    locations: Sequence[KeyLocations], settings: KeySourceSettings, *, offline: bool = False
) -> Iterator[ReplayKeys]:
    """Open the configured sources; nothing is fetched before a token needs it.

    Args:
        locations: The locations of every host; may contain duplicates.
        settings: Times and limits of the sources.
        offline: Whether no source may be asked that is on the network.

    Raises:
        KeySourceError: A configured key cannot be used.
    """
    # The service limits lookups of unknown key ids by time. A replay is one burst of them, which
    # _MAX_KEY_IDS limits already.
    context = SourceContext(replace(settings, key_lookup_rate=float(_MAX_KEY_IDS)))
    with asyncio.Runner() as runner:
        session = runner.run(_open_session())
        try:
            resolvers = KeyResolvers(locations, session, context)
            for resolver in dict.fromkeys(map(resolvers.resolver_for, locations)):
                runner.run(_start_configured(resolver))
            yield ReplayKeys(resolvers, locations, runner.run, offline=offline)
        finally:
            runner.run(session.close())


async def _open_session() -> aiohttp.ClientSession:
    return open_session()  # aiohttp wants a running loop here


async def _start_configured(resolver: KeyResolver) -> None:
    """Read the configured keys, and start no source that works in the background.

    The event loop runs only while a key is fetched, so that such work would stop half-way.
    """
    for source in resolver.sources:
        if not isinstance(source, RemoteSource):
            await source.start()
