"""The decision address: its endpoints, and which path leads to which.

``proxy_auth`` answers proxies; ``verify_api`` and ``prosody_api`` read the requests of programs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from time import perf_counter
from typing import Final, Literal, TypeAlias

from verifier.decisions.cache import DecisionCache, cache_key
from verifier.decisions.hosts import Hosts
from verifier.decisions.verifier import Observer
from verifier.http import prosody_api
from verifier.http.original_request import CONVENTIONS, PATHS
from verifier.http.proxy_auth import ProxyAuth, ProxyAuthOptions
from verifier.http.request import READ_METHODS, Request
from verifier.http.responder import RequestContext, Responder
from verifier.http.responses import (
    NO_STORE,
    SERVER,
    Answer,
    Response,
    method_not_allowed,
    not_found,
    problem,
)
from verifier.http.unknown_paths import UnknownPaths
from verifier.http.verify_api import BadBodyError, parse_body, verify_response
from verifier.observability.decision_log import DecisionLog
from verifier.rooms.url import EXT_AUTHZ_PREFIX
from verifier.rules.model import AccessRequest, Allow, Decision, Deny

Endpoint: TypeAlias = Callable[[Request], Answer]

ProgramEndpoint: TypeAlias = Literal["verify", "access", "check-password"]
"""The endpoints for programs, by their names in metrics."""

_VERIFY: Final = "/v1/verify"
_OK: Final = Response(
    HTTPStatus.OK, SERVER | {"Content-Type": "text/plain; charset=utf-8"}, b"ok\n"
).render()


def _refresh_nothing() -> None:
    """Do nothing: without other workers, there are no changes to read."""


class DecisionService:
    """Serves the decision address.

    Args:
        hosts: The verifier of each host.
        cache: The decision cache.
        observer: Counts decisions.
        decision_log: Logs decisions.
        options: The options of the decision endpoints.
        refresh: Reads the changes of other workers, and empties the cache if there are any.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # the parts of a response
        self,
        hosts: Hosts,
        cache: DecisionCache,
        observer: Observer,
        decision_log: DecisionLog,
        options: ProxyAuthOptions,
        refresh: Callable[[], None] = _refresh_nothing,
    ) -> None:
        self._hosts = hosts
        self._report_only = options.report_only
        self._responder = Responder(
            hosts,
            cache,
            observer,
            decision_log,
            options.decision_ttl,
            options.report_only,
            refresh,
            options.trusted_proxies,
        )
        proxies = {
            name: ProxyAuth(name, hosts, self._responder, options).respond for name in CONVENTIONS
        }
        self._ext_authz = proxies["ext-authz"]
        self._endpoints: Mapping[str, Endpoint] = {
            **{path: proxies[name] for path, name in PATHS.items()},
            _VERIFY: self._verify,
            "/access": self._access,
            "/check_password": self._check_password,
            "/user_exists": self._user_exists,
            "/healthz": _healthz,
        }
        known = ", ".join((*self._endpoints, f"{EXT_AUTHZ_PREFIX}/…", "/asap/….pem"))
        self._unknown_paths = UnknownPaths(known)
        self._not_found = not_found(f" The endpoints are {known}.").render()

    def respond(self, request: Request) -> Answer:
        """Return the response to one request; a coroutine if it must wait for something."""
        endpoint = self._endpoints.get(request.target)
        if endpoint is not None:
            return endpoint(request)
        path = request.target.partition("?")[0]
        if path.startswith(EXT_AUTHZ_PREFIX + "/"):
            return self._ext_authz(request)
        return self._endpoints.get(path, self._respond_key)(request)

    @staticmethod
    def takes_body(request: Request) -> bool:
        """Return whether the body of a request is to be read."""
        return request.method == "POST" and request.target.partition("?")[0] == _VERIFY

    def _verify(self, request: Request) -> Answer:
        if request.method != "POST":
            return self._refuse_method(request, "POST")
        started = perf_counter()
        try:
            access, host = parse_body(request.body)
        except BadBodyError as error:
            return problem(HTTPStatus.BAD_REQUEST, str(error), NO_STORE).render()
        return self._decide("verify", request, access, host, verify_response, started)

    def _access(self, request: Request) -> Answer:
        if request.method not in READ_METHODS:
            return self._refuse_method(request, "GET")
        access, host = prosody_api.read_access(request), request.sole(b"host")
        render = prosody_api.access_response
        return self._decide("access", request, access, host, render, perf_counter())

    def _check_password(self, request: Request) -> Answer:
        if request.method not in READ_METHODS:
            return self._refuse_method(request, "GET")
        started, read = perf_counter(), prosody_api.read_password(request)
        access, host = (read, None) if isinstance(read, Deny) else read
        render = prosody_api.password_response
        return self._decide("check-password", request, access, host, render, started)

    def _user_exists(self, request: Request) -> Answer:
        if request.method not in READ_METHODS:
            return self._refuse_method(request, "GET")
        return prosody_api.user_exists_response().render()

    def _refuse_method(self, request: Request, expected: str) -> Answer:
        self._unknown_paths.note(request, expected)
        return method_not_allowed(expected).render()

    def _respond_key(self, request: Request) -> Answer:
        """Return a key's PEM text, or the 404 for every path that is no endpoint."""
        digest = prosody_api.read_key_digest(request)
        if digest is None:
            self._unknown_paths.note(request)
            return self._not_found
        # Only the keys of the requested host. With another host's key, Prosody would accept tokens
        # that were made for that other host.
        verifier = self._hosts.find(request.sole(b"host"))
        if verifier is None:
            return not_found().render()
        return prosody_api.respond_key(digest, verifier.keys.find_by_digest)

    def _decide(  # noqa: PLR0913, PLR0917  # what a program asks
        self,
        endpoint: ProgramEndpoint,
        request: Request,
        access: AccessRequest | Deny,
        host: str | None,
        render: Callable[[Decision], Response],
        started: float,
    ) -> Answer:
        """Return the response to a program.

        Args:
            endpoint: The endpoint's name in metrics.
            request: The program's request.
            access: The token and the room; a denial if the request can be read in two ways.
            host: The virtual host; None for the default.
            render: Makes the response in the form of this endpoint.
            started: When the request came, ``perf_counter``.
        """
        responder, generation = self._responder, self._responder.cache_generation

        def rendered(_context: RequestContext, decision: Decision) -> Response:
            if self._report_only and isinstance(decision, Deny):
                return render(Allow()).with_header("X-Jitsi-Would-Deny", decision.code)
            return render(decision)

        if isinstance(access, Deny):
            context = RequestContext(endpoint, request, None, generation, started, decision=access)
            return responder.respond(context, rendered)
        # `repr` leaves the token out, so the token is a part of its own.
        parts = repr((endpoint, host, access.token, access))
        key = cache_key([parts.encode("utf-8", "backslashreplace")])
        cached = responder.find_cached(endpoint, request, key, started)
        if cached is not None:
            return cached
        verifier = self._hosts.find(host)
        context = RequestContext(
            endpoint, request, key, generation, started, None, verifier, access
        )
        return responder.respond(context, rendered)


def _healthz(request: Request) -> Answer:
    return _OK if request.method in READ_METHODS else method_not_allowed("GET").render()
