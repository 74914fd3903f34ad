"""The admin address: metrics, health, keys, explanations, revocations and the pages.

No endpoint here allows a request of a proxy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final

from verifier.config.options import Mode
from verifier.decisions.hosts import Hosts
from verifier.http.admin.access import AdminGuard, refuse_other_site
from verifier.http.admin.bar import BAR
from verifier.http.admin.codes import CODES
from verifier.http.admin.dashboard import DASHBOARD
from verifier.http.admin.explain import respond_explanation, respond_hosts
from verifier.http.admin.inspector import INSPECTOR
from verifier.http.admin.revocations import RevocationsEndpoint
from verifier.http.admin.wrong_tokens import WrongTokens
from verifier.http.request import READ_METHODS, Request
from verifier.http.responses import (
    NO_STORE,
    SERVER,
    Rendered,
    Response,
    method_not_allowed,
    not_found,
    problem,
)
from verifier.keys.sources.base import SourceStatus
from verifier.rooms.query import has_too_many_parameters, read_parameters

EXCLUDABLE: Final = "revocation-store"
"""The check that ``/readyz?exclude=`` leaves out; Kubernetes' servers have the same parameter."""

OPENAPI_PATH: Final = "/openapi.json"
_OPENAPI: Final = files(__package__).joinpath("openapi.json").read_bytes()
_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"
# What people open in a browser: other sites may link to it.
_ASSETS: Final = (BAR, CODES, DASHBOARD, INSPECTOR)
_PAGES: Final = (OPENAPI_PATH, *(path for assets in _ASSETS for path in assets.bodies))
# These need no authorization, because probes have no token, and the responses contain no secret.
_OPEN_PATHS: Final = ("/healthz", "/readyz", "/metrics", *_PAGES)


class AdminService:
    """Serves the admin address.

    Args:
        expose: Returns the metrics in Prometheus' text format.
        sources: Returns the status of each key source.
        hosts: The verifier of each host, for explanations.
        token: The bearer token of the guarded endpoints; None if no token is needed.
        revocations: Serves ``/v1/revocations``.
        wrong_tokens: Delays the answer to a wrong token.
        mode: What a denial does, the option ``mode``.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what the endpoints show
        self,
        expose: Callable[[], bytes],
        sources: Callable[[], Sequence[SourceStatus]],
        hosts: Hosts,
        token: str | None,
        revocations: RevocationsEndpoint,
        wrong_tokens: WrongTokens,
        mode: Mode,
    ) -> None:
        self._mode = mode
        self._hosts = hosts
        self._expose = expose
        self._sources = sources
        self._revocations = revocations
        self._guard = AdminGuard(token, wrong_tokens)
        self._endpoints: dict[str, Callable[[], Response]] = {
            "/metrics": lambda: _response(self._expose(), _METRICS),
            "/healthz": lambda: _response(b"ok\n", "text/plain; charset=utf-8"),
            OPENAPI_PATH: lambda: _response(_OPENAPI, "application/json"),
            "/v1/keys": self._keys,
            "/v1/hosts": lambda: respond_hosts(self._hosts),
            **{path: partial(each.respond, path) for each in _ASSETS for path in each.bodies},
        }

    async def respond(self, request: Request) -> Rendered:
        """Return the response to one request."""
        return (await self._respond(request)).render()

    @staticmethod
    def takes_body(request: Request) -> bool:
        """Return whether the body of a request is to be read."""
        return request.method not in READ_METHODS

    async def _respond(self, request: Request) -> Response:
        path, _, query = request.target.partition("?")
        refusal = refuse_other_site(request, page=path in _PAGES)
        if refusal is None and path not in _OPEN_PATHS:
            refusal = await self._guard.refusal(request)
        if refusal is not None:
            return refusal
        if path == "/v1/explain":
            if request.method != "POST":
                return method_not_allowed("POST")
            return await respond_explanation(request, self._hosts, self._mode)
        if path == "/v1/revocations":
            return await self._revocations.respond(request)
        if path != "/readyz" and path not in self._endpoints:
            return not_found()
        if request.method not in READ_METHODS:
            return method_not_allowed("GET")
        return self._readyz(query) if path == "/readyz" else self._endpoints[path]()

    def _readyz(self, query: str) -> Response:
        """Return whether this worker's key sources have answered and its revocations are current.

        A worker whose revocation store fails goes on with the revocations that it has read. If all
        replicas share one store, its failure makes all of them not ready at the same time. An
        operator who does not want that excludes the check.
        """
        too_many = has_too_many_parameters(query)
        excluded = set() if too_many else set(read_parameters(query, ("exclude",))["exclude"])
        if too_many or not excluded <= {EXCLUDABLE}:
            return problem(HTTPStatus.BAD_REQUEST, f"exclude: expected {EXCLUDABLE}", NO_STORE)
        sources, store_problem = self._sources(), self._revocations.problem
        is_current = store_problem is None or (bool(excluded) and self._revocations.loaded)
        ready = all(source.ready for source in sources) and is_current
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        status_object = {
            "ready": ready,
            "mode": self._mode,
            "sources": [_source_object(source) for source in sources],
            "revocations": store_problem or "ok",
        }
        return _response(json.dumps(status_object).encode(), "application/json", status)

    def _keys(self) -> Response:
        sources = self._sources()
        keys = [
            asdict(key) | {"irregular": key.irregular or None}
            for source in sources
            for key in source.keys
        ]
        not_used = [
            {"source": source.name} | asdict(entry)
            for source in sources
            for entry in source.skipped
        ]
        return _response(
            json.dumps({"keys": keys, "not_used": not_used}).encode(), "application/json"
        )


def _source_object(source: SourceStatus) -> dict[str, Any]:
    return {
        "source": source.name,
        "url": source.url,
        "state": source.state,
        "keys": len(source.keys),
        "last_success": source.last_success,
        "last_error": source.last_error or None,
    }


def _response(body: bytes, content_type: str, status: HTTPStatus = HTTPStatus.OK) -> Response:
    headers = SERVER | NO_STORE | {"Content-Type": content_type}
    return Response(status, headers, body)
