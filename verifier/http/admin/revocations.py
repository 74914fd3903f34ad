"""``/v1/revocations`` on the admin address: what has been taken back, and taking back more.

Knows no store: it asks this process' copy of it, and says no more than that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web

from verifier.http.rendering import problem_body
from verifier.http.server import read_body
from verifier.http.service import method_not_allowed
from verifier.http.verify_api import HEADERS
from verifier.log import log
from verifier.revocation.parsing import BadRevocationError, parse_criteria, parse_revocation
from verifier.revocation.stores import RevocationCache, StoreUnavailableError

_AT_ONCE: Final = 500
_RETRY_AFTER: Final = "1"
_NOT_LOADED: Final = "revocations have not been read yet"


class RevocationsEndpoint:
    """Lists, adds and undoes.

    Args:
        known: What this process knows.
        clock: Unix time, seconds.
        leeway: For how long, seconds, a token is accepted behind its end.
    """

    def __init__(self, known: RevocationCache, clock: Callable[[], float], leeway: float) -> None:
        self._known = known
        self._clock = clock
        self._leeway = leeway
        self._methods: dict[str, Callable[[web.BaseRequest], Awaitable[web.Response]]] = {
            "GET": self._list,
            "HEAD": self._list,
            "POST": self._add,
            "DELETE": self._undo,
        }

    @property
    def loaded(self) -> bool:
        """Whether everything has been read once."""
        return self._known.store.loaded

    @property
    def problem(self) -> str | None:
        """Why what is known may not be all there is; None while it is."""
        store = self._known.store
        return store.problem or (None if self.loaded else _NOT_LOADED)

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        if request.method not in self._methods:
            return method_not_allowed("GET, POST, DELETE")
        try:
            return await self._methods[request.method](request)
        except BadRevocationError as error:
            return _problem(HTTPStatus.BAD_REQUEST, str(error))
        except StoreUnavailableError as error:
            return _unavailable(str(error))

    async def _list(self, _request: web.BaseRequest) -> web.Response:
        standing = self._known.standing(self._clock())
        if not self.loaded:
            return _unavailable(self.problem or _NOT_LOADED)
        written = []
        for start in range(0, len(standing), _AT_ONCE):
            written += [each.to_json() for each in standing[start : start + _AT_ONCE]]
            await asyncio.sleep(0)  # others want to be decided about meanwhile
        return _answer(HTTPStatus.OK, f'{{"revocations": [{", ".join(written)}]}}')

    async def _add(self, request: web.BaseRequest) -> web.Response:
        body = await read_body(request)
        if isinstance(body, web.Response):
            return body
        revocation = parse_revocation(body, self._clock(), self._leeway)
        await self._known.store.put(revocation)
        log("revoked", criteria=json.dumps(revocation.criteria), expires=revocation.expires)
        return _answer(HTTPStatus.CREATED, revocation.to_json())

    async def _undo(self, request: web.BaseRequest) -> web.Response:
        body = await read_body(request)
        if isinstance(body, web.Response):
            return body
        revocation = parse_criteria(body)
        if not await self._known.store.remove(revocation.name):
            return _problem(HTTPStatus.NOT_FOUND, "There is no such revocation.")
        log("revocation undone", criteria=json.dumps(revocation.criteria))
        return web.Response(status=HTTPStatus.NO_CONTENT, headers={"Server": "jitsi-verifier"})


def _answer(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, headers=HEADERS, body=text.encode())


def _unavailable(detail: str) -> web.Response:
    response = _problem(HTTPStatus.SERVICE_UNAVAILABLE, detail)
    response.headers["Retry-After"] = _RETRY_AFTER
    return response


def _problem(status: HTTPStatus, detail: str) -> web.Response:
    headers = HEADERS | {"Content-Type": "application/problem+json"}
    return web.Response(status=status, headers=headers, body=problem_body(status, detail))
