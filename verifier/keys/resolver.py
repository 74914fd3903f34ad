"""Several key sources as one: what is configured first, then the document, then the key server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from verifier.keys.model import VerificationKey
from verifier.keys.sources.asap import AsapSource
from verifier.keys.sources.base import Found, KeySource, Missing, SourceStatus
from verifier.keys.sources.jwks import DocumentSource


class KeyResolver:
    """Asks its sources in order.

    Args:
        sources: Those that answer at once first.
        timeout: The longest that ``find`` waits, seconds, for all of them together.
    """

    unavailable = False
    """What is not known may always be asked for: ``find`` says whether that was possible."""

    def __init__(self, sources: Sequence[KeySource], timeout: float) -> None:
        self.sources = tuple(sources)
        self._timeout = timeout
        self._with_static = tuple(source for source in sources if source.name == "secret")
        self._by_id = tuple(source for source in sources if source.name != "secret")

    @property
    def static(self) -> tuple[VerificationKey, ...]:
        """Keys for tokens of any key id, tried in order."""
        if len(self._with_static) == 1:
            return self._with_static[0].static
        return tuple(key for source in self._with_static for key in source.static)

    def get(self, key_id: str) -> VerificationKey | None:
        """Give a key that is at hand; never waits."""
        for source in self._by_id:
            key = source.get(key_id)
            if key is not None:
                return key
        return None

    def answer_without_fetch(self, key_id: str) -> Missing | None:
        """Say at once what ``find`` says of a key that is not known; None where it would ask."""
        if any(source.may_fetch(key_id) for source in self._by_id):
            return None
        answers = [source.answer_without_fetch(key_id) for source in self._by_id]
        return Missing.UNAVAILABLE if Missing.UNAVAILABLE in answers else Missing.UNKNOWN

    async def fetch(self, key_id: str) -> Found:
        """Give a key, fetched if need be.

        Waits for one shared fetch of each source, all within the time-out: one that does not
        answer in its share of what is left does not keep the next from being asked.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timeout
        asked: list[asyncio.Task[Found]] = []
        try:
            for position, source in enumerate(self._by_id):
                asked.append(asyncio.create_task(source.fetch(key_id)))
                share = (end - loop.time()) / (len(self._by_id) - position)
                await asyncio.wait(asked[-1:], timeout=max(0.0, share))
                if isinstance(_best(asked), VerificationKey):
                    return _best(asked)
            if asked:
                await asyncio.wait(asked, timeout=max(0.0, end - loop.time()))
            return _best(asked)
        finally:
            for task in asked:
                task.cancel()

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Give the public key whose ``kid`` has this SHA-256 (hex), and its freshness, seconds."""
        try:
            async with asyncio.timeout(self._timeout):
                for source in self._by_id:
                    found = await source.find_by_digest(digest)
                    if found is not None:
                        return found
        except TimeoutError:
            pass
        return None

    async def start(self) -> None:
        """Start all sources.

        Raises:
            KeySourceError: a configured key cannot be used; nothing runs then.
        """
        try:
            for source in self.sources:
                await source.start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop all work in the background."""
        for source in self.sources:
            await source.close()

    def status(self) -> tuple[SourceStatus, ...]:
        """Say how each source is doing."""
        return tuple(source.status() for source in self.sources)

    def inherit(self, other: KeyResolver) -> None:
        """Go on with the fetched keys of a ring that this one replaces; before ``start``.

        So a new configuration costs no key that a server cannot give at this moment.
        """
        for new in self.sources:
            for old in other.sources:
                _hand_over(old, new)


def _best(asked: Sequence[asyncio.Task[Found]]) -> Found:
    """The first key; else whether every source is sure that it has none."""
    answers = [task.result() if task.done() else Missing.UNAVAILABLE for task in asked]
    for answer in answers:
        if isinstance(answer, VerificationKey):
            return answer
    return Missing.UNAVAILABLE if Missing.UNAVAILABLE in answers else Missing.UNKNOWN


def _hand_over(old: KeySource, new: KeySource) -> None:
    if isinstance(old, DocumentSource) and isinstance(new, DocumentSource) and old.url == new.url:
        new.inherit(old)
    if isinstance(old, AsapSource) and isinstance(new, AsapSource) and old.url == new.url:
        new.inherit(old)
