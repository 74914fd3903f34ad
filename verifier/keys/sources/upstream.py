"""One source's server: fetch, read what came, and keep account of it.

Knows neither which keys are wanted nor how long they hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from yarl import URL

from verifier.keys.model import InvalidKeyError, Source
from verifier.keys.sources.base import FetchResult, KeySourceError
from verifier.keys.sources.circuit_breaker import CircuitBreaker
from verifier.keys.sources.http import Answer, HttpFetcher, shown_url
from verifier.keys.sources.settings import SourceContext

T = TypeVar("T")
_RESULTS: Final[Mapping[str, FetchResult]] = {
    "ok": "ok",
    "not-modified": "ok",
    "not-found": "not-found",
}
# A hostile megabyte of JSON takes a third of a second; what is longer is read in a thread.
_READ_AT_ONCE: Final = 16_384


class KeyFetcher:
    """Asks a server and reads its answers.

    Args:
        name: Whose server it is.
        fetcher: Gets bytes.
        health: Where failures are counted.
        surroundings: The clock, and whom to tell.
        per_key: Each URL is one key, so that trouble with one does not condemn the server.
    """

    def __init__(
        self,
        name: Source,
        fetcher: HttpFetcher,
        health: CircuitBreaker,
        surroundings: SourceContext,
        *,
        per_key: bool,
    ) -> None:
        self._name: Source = name
        self._fetcher = fetcher
        self._health = health
        self._observer = surroundings.observer
        self._monotonic = surroundings.timing.monotonic
        self._per_key = per_key

    async def ask(
        self,
        url: URL,
        etag: str,
        read: Callable[[bytes], T],
    ) -> tuple[Answer, T | None]:
        """Fetch a URL and read its body.

        Args:
            url: What to fetch.
            etag: The version that is at hand; empty for none.
            read: Makes something of a body; may raise ``InvalidKeyError``.

        Returns:
            What the server said, and what was read from it if it sent something.

        Raises:
            KeySourceError: there is no good answer; caused by what ``read`` raised, if it did.
        """
        started = self._monotonic()
        try:
            with self._health.attempt():
                answer = await self._get(url, etag)
                content = await _read(read, answer.body) if answer.outcome == "ok" else None
        except KeySourceError as error:
            self._failed(error, self._monotonic() - started)
            raise
        self._observer.fetched(self._name, _RESULTS[answer.outcome], self._monotonic() - started)
        self._health.succeeded()
        return answer, content

    async def _get(self, url: URL, etag: str) -> Answer:
        answer = await self._fetcher.get(url, etag)
        if answer.outcome == "not-found" and not self._per_key:
            raise KeySourceError(f"status 404 from {shown_url(url)}")
        return answer

    def _failed(self, error: KeySourceError, seconds: float) -> None:
        self._observer.fetched(self._name, "timeout" if error.timeout else "error", seconds)
        if error.shared or not self._per_key:
            self._health.failed(str(error))
        else:
            self._health.noted(str(error))


async def _read(read: Callable[[bytes], T], body: bytes) -> T:
    try:
        if len(body) <= _READ_AT_ONCE:
            return read(body)
        return await asyncio.to_thread(read, body)
    except InvalidKeyError as error:
        words = f"what was sent cannot be used: {error}"
        raise KeySourceError(words, shared=False, reason=error.reason) from error
