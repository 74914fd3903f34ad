"""One request for keys: sent, parsed, and recorded in the circuit breaker and the metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Mapping
from http import HTTPStatus
from typing import Final, TypeVar

from yarl import URL

from verifier.keys.model import InvalidKeyError, Source
from verifier.keys.sources.base import FetchResult, KeySourceError, SourceContext
from verifier.keys.sources.circuit_breaker import CircuitBreaker
from verifier.keys.sources.http import HttpFetcher, KeyResponse, redacted_url

UNUSABLE_RESPONSE: Final = "the response cannot be used: "
"""How the error of a source begins that responds, but not with keys."""

T = TypeVar("T")
_RESULTS: Final[Mapping[str, FetchResult]] = {
    "ok": "ok",
    "not-modified": "ok",
    "not-found": "not-found",
}
# A megabyte of malicious JSON takes a third of a second to parse: longer bodies go to a thread, so
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
        parse: Callable[[bytes], T | None],
        *,
        absent: Container[int] = (),
        past_caches: bool = False,
    ) -> tuple[KeyResponse, T | None]:
        """Request a URL and parse the body.

        Args:
            url: The URL.
            etag: The version that is cached; empty for none.
            parse: Parses a body; returns None if it has no key, or raises ``InvalidKeyError``.
            absent: The statuses from 400 to 499 that mean that there is nothing at the URL.
            past_caches: Whether caches on the way must ask the server, too.

        Returns:
            The response, and what ``parse`` returned; None if the response has no new content.

        Raises:
            KeySourceError: There is no good response. Its cause is the error of ``parse``, if
                ``parse`` raised one.
        """
        started = self._monotonic()
        try:
            with self._circuit.attempt():
                response = await self._http.get(url, etag, past_caches=past_caches)
                response, content = await _read(url, response, parse, absent)
        except KeySourceError as error:
            self._record_failure(error, self._monotonic() - started)
            raise
        seconds = self._monotonic() - started
        self._observer.count_fetch(self._name, _RESULTS[response.outcome], seconds)
        self._circuit.record_success()
        return response, content

    def _record_failure(self, error: KeySourceError, seconds: float) -> None:
        result: FetchResult = "timeout" if error.timeout else "error"
        self._observer.count_fetch(self._name, result, seconds)
        if error.source_wide or not self._per_key:
            self._circuit.record_failure(str(error))
        else:
            self._circuit.record_key_failure(str(error))


async def _read(
    url: URL, response: KeyResponse, parse: Callable[[bytes], T | None], absent: Container[int]
) -> tuple[KeyResponse, T | None]:
    """Return what a response means, and its content; see ``KeyFetcher.fetch``."""
    if response.outcome == "not-found" and response.status not in absent:
        error = f"status {response.status} from {redacted_url(url)}"
        raise KeySourceError(error, source_wide=False)
    if response.outcome != "ok":
        return response, None
    content = await _parse(parse, response.body)
    if content is None:
        return KeyResponse("not-found", status=HTTPStatus.OK), None
    return response, content


async def _parse(parse: Callable[[bytes], T], body: bytes) -> T:
    try:
        if len(body) <= _PARSE_IN_LOOP_BYTES:
            return parse(body)
        return await asyncio.to_thread(parse, body)
    except InvalidKeyError as error:
        message = f"{UNUSABLE_RESPONSE}{error}"
        raise KeySourceError(message, source_wide=False, reason=error.reason) from error
