"""What the key server and the key document have in common: the fetch, and the frame of a source.

``KeyFetcher`` makes one request, parses the response and records the result in the circuit
breaker and the metrics. ``RemoteSource`` holds the cache and repeats the background work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final, Self, TypeVar

import aiohttp
from yarl import URL

from verifier.keys.model import InvalidKeyError, Source, VerificationKey
from verifier.keys.sources.base import (
    DEFAULT_CONTEXT,
    FetchResult,
    KeySourceError,
    SourceContext,
    SourceStatus,
)
from verifier.keys.sources.cache import KeyCache
from verifier.keys.sources.circuit_breaker import CircuitBreaker
from verifier.keys.sources.http import HttpFetcher, KeyResponse, parse_key_url, redacted_url
from verifier.keys.sources.polling import PollingTask
from verifier.keys.sources.proxy import proxy_for
from verifier.log import log

T = TypeVar("T")
_RESULTS: Final[Mapping[str, FetchResult]] = {
    "ok": "ok",
    "not-modified": "ok",
    "not-found": "not-found",
}
# A hostile megabyte of JSON takes a third of a second to parse: longer bodies go to a thread, so
# that no other request waits for them.
_PARSE_IN_LOOP_BYTES: Final = 16_384


class KeyFetcher:
    """Requests keys from one server and parses its responses.

    Args:
        name: The kind of source.
        http: Makes the requests.
        circuit: Counts the failures.
        context: Clocks and observers.
        per_key: Whether each URL is one key. Then a failure of one URL says nothing about the
            server; the only URL of a document source is the whole source.
    """

    def __init__(
        self,
        name: Source,
        http: HttpFetcher,
        circuit: CircuitBreaker,
        context: SourceContext,
        *,
        per_key: bool,
    ) -> None:
        self._name: Source = name
        self._http = http
        self._circuit = circuit
        self._observer = context.observer
        self._monotonic = context.timing.monotonic
        self._per_key = per_key

    async def fetch(
        self,
        url: URL,
        etag: str,
        parse: Callable[[bytes], T],
    ) -> tuple[KeyResponse, T | None]:
        """Request a URL and parse the body.

        Args:
            url: The URL.
            etag: The version that is cached; empty for none.
            parse: Parses a body; may raise ``InvalidKeyError``.

        Returns:
            The response, and what ``parse`` returned; None if the response has no new content.

        Raises:
            KeySourceError: There is no good response. Its cause is the error of ``parse``, if
                ``parse`` raised one.
        """
        started = self._monotonic()
        try:
            with self._circuit.attempt():
                response = await self._get(url, etag)
                content = await _parse(parse, response.body) if response.outcome == "ok" else None
        except KeySourceError as error:
            self._record_failure(error, self._monotonic() - started)
            raise
        seconds = self._monotonic() - started
        self._observer.count_fetch(self._name, _RESULTS[response.outcome], seconds)
        self._circuit.record_success()
        return response, content

    async def _get(self, url: URL, etag: str) -> KeyResponse:
        response = await self._http.get(url, etag)
        # A document that is not there is a wrong URL or a broken server, not "no such key".
        if response.outcome == "not-found" and not self._per_key:
            raise KeySourceError(f"status {response.status} from {redacted_url(url)}")
        return response

    def _record_failure(self, error: KeySourceError, seconds: float) -> None:
        result: FetchResult = "timeout" if error.timeout else "error"
        self._observer.count_fetch(self._name, result, seconds)
        if error.source_wide or not self._per_key:
            self._circuit.record_failure(str(error))
        else:
            self._circuit.record_key_failure(str(error))


async def _parse(parse: Callable[[bytes], T], body: bytes) -> T:
    try:
        if len(body) <= _PARSE_IN_LOOP_BYTES:
            return parse(body)
        return await asyncio.to_thread(parse, body)
    except InvalidKeyError as error:
        message = f"the response cannot be used: {error}"
        raise KeySourceError(message, source_wide=False, reason=error.reason) from error


class RemoteSource:
    """Keys by ``kid`` from a URL, kept fresh in the background.

    Args:
        url: Where the keys are, http or https.
        session: From ``open_session``; the caller closes it.
        context: Settings, clocks and observers.

    Raises:
        ValueError: ``url`` is not an http or https URL.
    """

    name: Source
    static: tuple[VerificationKey, ...] = ()
    _per_key = False

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        context: SourceContext = DEFAULT_CONTEXT,
    ) -> None:
        self.url = parse_key_url(url)
        self._settings = context.settings
        self._observer = context.observer
        self._timing = context.timing
        self._circuit = CircuitBreaker(self.name, context)
        self._cache = KeyCache(self.name, context)
        http = HttpFetcher(session, context)
        self._fetcher = KeyFetcher(self.name, http, self._circuit, context, per_key=self._per_key)
        self._background = PollingTask(self.name, self.tick, context.timing)

    def get(self, key_id: str) -> VerificationKey | None:
        """Return the key if it is in memory; never waits."""
        return self._cache.get(key_id)

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Return the key whose ``kid`` has this SHA-256 (hex), and its freshness in seconds."""
        return self._cache.find_by_digest(digest)

    async def start(self) -> None:
        """Begin to keep keys fresh; does not wait for the first response."""
        self._log_proxy()
        self._background.start()

    async def close(self) -> None:
        """End all background work."""
        await self._background.close()

    async def tick(self) -> None:
        """Do the background work that is due now."""
        self._cache.purge()

    def status(self) -> SourceStatus:
        """Return the state of the source."""
        keys, circuit = self._cache.status(), self._circuit
        # Keys can be stale while the circuit is closed: the server refuses them one by one.
        state = "stale" if self._cache.has_stale() else circuit.state(len(keys))
        return SourceStatus(
            self.name, state, circuit.answered, circuit.last_success, circuit.last_error, keys
        )

    def copy_from(self, other: Self) -> None:
        """Take over the keys and the failures of another source with the same URL."""
        self._circuit.copy_from(other._circuit)
        self._cache.copy_from(other._cache)

    def _log_proxy(self) -> None:
        source, url = self.name, redacted_url(self.url)
        try:
            proxy = proxy_for(self.url)
        except ValueError as error:
            log("proxy not used", logging.ERROR, source=source, url=url, error=str(error))
        else:
            if proxy is not None:
                log(
                    "keys are fetched through a proxy",
                    source=source,
                    url=url,
                    proxy=redacted_url(proxy),
                )

    def _refresh_time(self, lifetime: float) -> float:
        """Return when to request again a response that is fresh for ``lifetime`` (monotonic)."""
        # Well before the end, so that no token meets a stale key. With jitter, so that keys that
        # were fetched together are not all refreshed together.
        share = 0.75 + 0.15 * self._timing.random()
        return self._timing.monotonic() + lifetime * share
