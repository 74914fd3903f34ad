"""Keys for a replay: fetched as the service fetches them, each once, and never for long.

A log may name any number of invented key ids, and a source may be out of reach: neither may make
a replay ask, or wait, once a line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import aiohttp

from verifier.keys.model import KeySet, VerificationKey
from verifier.keys.resolver import KeyResolver, open_resolver
from verifier.keys.sources.base import KeyOrMissing, Missing, SourceContext
from verifier.keys.sources.http import open_session
from verifier.keys.sources.remote import RemoteSource
from verifier.keys.sources.settings import KeyLocations, KeySourceSettings

_MOST_ASKED: Final = 1000
_MOST_FAILURES: Final = 3

_GAVE_UP: Final = (
    f"After {_MOST_ASKED:,} key ids, or {_MOST_FAILURES} that could not be fetched, no source was"
    " asked for another: those that came later count as keys-unavailable."
)

Await = Callable[[Coroutine[Any, Any, KeyOrMissing]], KeyOrMissing]
"""Waits for an answer."""


class KeyDesk:
    """Answers for one ring of sources; a ``KeyLookup``.

    Args:
        ring: The configured sources.
        wait: How to wait for them.
        offline: Whether those that are elsewhere are not to be asked.
    """

    unavailable = False

    def __init__(self, ring: KeyResolver, wait: Await, *, offline: bool = False) -> None:
        self.ring = ring
        self._wait = wait
        self._remote = any(isinstance(source, RemoteSource) for source in ring.sources)
        self._offline = offline
        self._answers: dict[str, KeyOrMissing] = {}
        self._failures = 0
        self._gave_up = False

    @property
    def gave_up(self) -> bool:
        """Whether there were key ids that nobody was asked for."""
        return self._gave_up

    @property
    def static(self) -> Sequence[VerificationKey]:
        """Keys for tokens of any key id, tried in order."""
        return self.ring.static

    def get(self, key_id: str) -> VerificationKey | None:
        """Give the key of this ``kid``, if it is at hand."""
        answer = self._answers.get(key_id)
        return answer if isinstance(answer, VerificationKey) else self.ring.get(key_id)

    def find(self, key_id: str) -> KeySet:
        """Give what there is for a key id that is not at hand; may wait for one fetch."""
        answer = self._answers.get(key_id)
        if answer is None:
            answer = self._ask(key_id)
            if len(self._answers) < _MOST_ASKED:
                self._answers[key_id] = answer
        if isinstance(answer, Missing):
            return KeySet(self.static, unavailable=answer is Missing.UNAVAILABLE)
        return KeySet(self.static, {key_id: answer})

    def _ask(self, key_id: str) -> KeyOrMissing:
        if not self._remote:
            return Missing.UNKNOWN
        given_up = self._failures >= _MOST_FAILURES or len(self._answers) >= _MOST_ASKED
        if self._offline or given_up:
            self._gave_up = given_up
            return Missing.UNAVAILABLE
        answer = self._wait(self.ring.fetch(key_id))
        self._failures += answer is Missing.UNAVAILABLE
        return answer


class KeyDesks:
    """The desks of all hosts; those with the same keys share one."""

    def __init__(self, desks: Sequence[tuple[KeyLocations, KeyDesk]]) -> None:
        self._desks = desks

    def of(self, locations: KeyLocations) -> KeyDesk:
        """Give the desk of these locations."""
        return next(desk for known, desk in self._desks if known == locations)

    def troubles(self) -> list[str]:
        """Say what is wrong with sources, in words fit to be shown."""
        every = [status for _, desk in self._desks for status in desk.ring.status()]
        told = [f"Key source {each.name}: {each.last_error}" for each in every if each.last_error]
        if any(desk.gave_up for _, desk in self._desks):
            told.append(_GAVE_UP)
        return list(dict.fromkeys(told))


@contextmanager
def open_desks(
    every: Iterable[KeyLocations], settings: KeySourceSettings, *, offline: bool = False
) -> Iterator[KeyDesks]:
    """Open what is configured; nothing is fetched before a token needs it.

    Raises:
        KeySourceError: a configured key cannot be used.
    """
    locations: list[KeyLocations] = []
    for each in every:
        locations += [] if each in locations else [each]
    # Each key id is asked for once, and one at a time: that is bound enough.
    surroundings = SourceContext(replace(settings, key_lookup_rate=float(_MOST_ASKED)))
    with asyncio.Runner() as runner:
        session = runner.run(_opened_session())
        try:
            rings = [(each, open_resolver(each, session, surroundings)) for each in locations]
            for _, ring in rings:
                runner.run(_start(ring))
            desks = [(each, KeyDesk(ring, runner.run, offline=offline)) for each, ring in rings]
            yield KeyDesks(desks)
        finally:
            runner.run(session.close())


async def _opened_session() -> aiohttp.ClientSession:
    return open_session()


async def _start(ring: KeyResolver) -> None:
    """Read what is configured here; what works in the background would stand still half-way."""
    for source in ring.sources:
        if not isinstance(source, RemoteSource):
            await source.start()
