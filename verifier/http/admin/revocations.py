"""``/v1/revocations`` on the admin address: list, add and undo revocations.

The endpoint writes to the store and lists from the cache of this process, so that the list shows
what this process decides by.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from verifier.http.request import Request
from verifier.http.responses import (
    JSON_HEADERS,
    NO_STORE,
    SERVER,
    Response,
    method_not_allowed,
    problem,
)
from verifier.log import log
from verifier.revocation.cache import RevocationCache
from verifier.revocation.model import BadRevocationError, parse_criteria, parse_revocation
from verifier.storage.errors import StoreUnavailableError

_CHUNK: Final = 500  # revocations that are written as JSON without a pause
_RETRY_AFTER: Final = "1"  # seconds
_NOT_LOADED: Final = "revocations have not been read yet"


class RevocationsEndpoint:
    """Lists, adds and undoes revocations.

    Args:
        cache: The revocations of this process.
        clock: Unix time, seconds.
        leeway: Seconds for which a token is accepted after its end.
    """

    def __init__(self, cache: RevocationCache, clock: Callable[[], float], leeway: float) -> None:
        self._cache = cache
        self._clock = clock
        self._leeway = leeway
        self._methods: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "GET": self._list,
            "HEAD": self._list,
            "POST": self._add,
            "DELETE": self._undo,
        }

    @property
    def loaded(self) -> bool:
        """Whether all revocations were read once."""
        return self._cache.store.loaded

    @property
    def problem(self) -> str | None:
        """Why the revocations of this process may not be up to date; None while they are."""
        return self._cache.store.problem or (None if self.loaded else _NOT_LOADED)

    async def respond(self, request: Request) -> Response:
        """Return the response to one request."""
        if request.method not in self._methods:
            return method_not_allowed("GET, POST, DELETE")
        try:
            return await self._methods[request.method](request)
        except BadRevocationError as error:
            return problem(HTTPStatus.BAD_REQUEST, str(error), NO_STORE)
        except StoreUnavailableError as error:
            return _unavailable(str(error))

    async def _list(self, _request: Request) -> Response:
        active = self._cache.active(self._clock())
        if not self.loaded:
            return _unavailable(self.problem or _NOT_LOADED)
        objects: list[str] = []
        for start in range(0, len(active), _CHUNK):
            objects += [each.to_json() for each in active[start : start + _CHUNK]]
            await asyncio.sleep(0)  # other requests are decided between two chunks
        return _json_response(HTTPStatus.OK, f'{{"revocations": [{", ".join(objects)}]}}')

    async def _add(self, request: Request) -> Response:
        revocation = parse_revocation(request.body, self._clock(), self._leeway)
        await self._cache.store.put(revocation)
        log("revoked", criteria=json.dumps(revocation.criteria), expires=revocation.expires)
        return _json_response(HTTPStatus.CREATED, revocation.to_json())

    async def _undo(self, request: Request) -> Response:
        revocation = parse_criteria(request.body)
        if not await self._cache.store.remove(revocation.id):
            return problem(HTTPStatus.NOT_FOUND, "There is no such revocation.", NO_STORE)
        log("revocation undone", criteria=json.dumps(revocation.criteria))
        return Response(HTTPStatus.NO_CONTENT, SERVER)


def _json_response(status: HTTPStatus, text: str) -> Response:
    return Response(status, JSON_HEADERS, text.encode())


def _unavailable(detail: str) -> Response:
    headers = NO_STORE | {"Retry-After": _RETRY_AFTER}
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers)
