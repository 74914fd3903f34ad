"""The decision endpoints for proxies: what a proxy asks about its client's request.

This module reads the original request, decides what needs no token, and renders the response.
``responder`` does what all endpoints have in common.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Final

from verifier.decisions.bypass import Bypass
from verifier.decisions.cache import ABSENT, cache_key
from verifier.decisions.hosts import Hosts
from verifier.decisions.trusted_proxies import TrustedProxies
from verifier.decisions.verifier import Decided, Verifier
from verifier.http.cors import CorsOrigins
from verifier.http.original_request import CONVENTIONS, OriginalRequest, read_original
from verifier.http.pages import Pages
from verifier.http.request import Request
from verifier.http.responder import RequestContext, Responder
from verifier.http.responses import (
    Answer,
    Response,
    decision_response,
    denial_response,
    preflight_response,
    would_deny_response,
)
from verifier.rules.denials import UNKNOWN_HOST
from verifier.rules.model import AccessRequest, Allow, Decision, Deny
from verifier.rules.room import access_request
from verifier.single_use.model import UsedToken

# Host belongs to every cache key, because it selects the policy even where an endpoint does not
# read the original host from it.
_KEY_HEADERS: Final = (b"host", b"authorization")
_HANDOFF_HEADERS: Final = (b"cookie", b"sec-fetch-dest", b"x-jitsi-handoff")
_EXT_AUTHZ: Final = "ext-authz"
# Only preflights have this header. It is in no cache key, because their response is not cached.
_PREFLIGHT: Final = b"access-control-request-method"


@dataclass(frozen=True, slots=True)
class ProxyAuthOptions:
    """The options of the decision endpoints.

    Attributes:
        decision_ttl: The longest time, seconds, that a proxy may cache an allow.
        token_cookie: The name of the cookie that may hold a token; None for none.
        bypass: Decides which clients need no token.
        pages: Adds redirects and hand-offs to the responses to page requests.
        report_only: Whether denials are only reported.
        trusted_proxies: The proxies that say the truth about a client's address, for the logs.
        cors: Which pages of other origins may read denials.
    """

    decision_ttl: int = 30
    token_cookie: str | None = None
    bypass: Bypass = Bypass()  # noqa: RUF009  # immutable
    pages: Pages = Pages()  # noqa: RUF009  # immutable
    report_only: bool = False
    trusted_proxies: TrustedProxies = TrustedProxies()  # noqa: RUF009  # immutable
    cors: CorsOrigins = CorsOrigins()  # noqa: RUF009  # immutable


class ProxyAuth:
    """Answers the requests of proxies in one convention.

    Args:
        endpoint: The endpoint's name in metrics, a key of ``CONVENTIONS``.
        hosts: The verifier of each host.
        responder: Decides, and records responses.
        options: The options of the decision endpoints.
    """

    def __init__(
        self, endpoint: str, hosts: Hosts, responder: Responder, options: ProxyAuthOptions
    ) -> None:
        self._endpoint = endpoint
        self._convention = CONVENTIONS[endpoint]
        self._hosts = hosts
        self._responder = responder
        self._options = options
        self._cors = options.cors or None
        self._key_start = (endpoint.encode(),)
        self._key_headers = tuple(
            dict.fromkeys((*_KEY_HEADERS, *self._convention.headers, *_option_headers(options)))
        )
        self._absent = (ABSENT,) * len(self._key_headers)
        self._sole_headers = frozenset(self._key_headers)

    def respond(self, request: Request) -> Answer:
        """Return the response to one request; a coroutine if the decision must wait."""
        started = perf_counter()
        key = self._cache_key(request)
        if key is not None:
            cached = self._responder.find_cached(self._endpoint, request, key, started)
            if cached is not None:
                return cached
        original = read_original(request, self._convention, self._options.token_cookie)
        if isinstance(original, OriginalRequest) and original.is_preflight:
            response = self._allow_preflight(request, original)
            if response is not None:
                return response.render()
        return self._responder.respond(self._prepare(request, original, key, started), self._render)

    def _cache_key(self, request: Request) -> bytes | None:
        """Return the key of a request's response; None if the response is not cached."""
        if _PREFLIGHT in request.fields:
            return None
        if request.doubled and not self._sole_headers.isdisjoint(request.doubled):
            return None
        # Without a comprehension, which would take as long as the digest.
        parts = [*self._key_start, *map(request.fields.get, self._key_headers, self._absent)]
        if self._endpoint == _EXT_AUTHZ:
            # The others have one path, ignore the query behind it, and get the method in a header.
            parts += request.method.encode(), request.target.encode()
        if self._cors is not None:
            parts.append(self._cors.cache_key_part(request))
        return cache_key(parts)

    def _allow_preflight(self, request: Request, original: OriginalRequest) -> Response | None:
        """Let a preflight through, without an identity; None if its host is not served."""
        if self._hosts.find(original.host) is None:
            return None
        self._responder.count_preflight(self._endpoint)
        return self._with_cors(preflight_response(), request, original.host)

    def _prepare(
        self,
        request: Request,
        original: OriginalRequest | Deny,
        key: bytes | None,
        started: float,
    ) -> RequestContext:
        """Find the verifier; decide here if the decision does not depend on a token."""
        endpoint, generation = self._endpoint, self._responder.cache_generation
        if isinstance(original, Deny):
            # Not cached: the denial may name headers that are not in the cache key.
            return RequestContext(endpoint, request, None, generation, started, decision=original)
        address, verifier = original.target.address, self._hosts.find(original.host)
        if verifier is None:
            return RequestContext(
                endpoint, request, key, generation, started, original, decision=UNKNOWN_HOST
            )
        access = access_request(original.token, address, verifier.policy)
        decision, browser_id = None, None
        if original.token is None and address:
            decision = self._decide_without_token(request, original, access, verifier)
            if decision is not None:
                # Not cached: the cache key does not contain the client's address, and the cache
                # does not know when a hand-off cookie ends.
                key = None
        elif original.token is not None and verifier.single_use is not None:
            browser_id = self._options.pages.browser_id(request, original)
        return RequestContext(
            endpoint,
            request,
            key,
            generation,
            started,
            original,
            verifier if decision is None else None,
            access,
            decision,
            browser_id,
        )

    def _render(self, context: RequestContext, decision: Decision) -> Response:
        if isinstance(decision, Allow):
            return self._handoff(context, decision) or decision_response(
                decision, context.address, cacheable=context.permits_caching(decision)
            )
        if self._options.report_only:
            return would_deny_response(decision)
        original = context.original
        if original is None:
            return self._with_cors(denial_response(decision), context.request, None)
        response = denial_response(decision, original.target.service)
        response = self._options.pages.with_redirect(response, original, decision)
        return self._with_cors(response, context.request, original.host)

    def _with_cors(self, response: Response, request: Request, host: str | None) -> Response:
        """Return a response that a page of an allowed origin can read."""
        headers = {} if self._cors is None else self._cors.headers(request, host)
        return replace(response, headers={**response.headers, **headers}) if headers else response

    def _handoff(self, context: RequestContext, decision: Allow) -> Response | None:
        if context.original is None:
            return None
        response = self._options.pages.handoff_response(
            context.request, self._endpoint, context.original, decision, context.browser_id
        )
        return None if response is None else replace(response, has_token=True)

    def _decide_without_token(
        self,
        request: Request,
        original: OriginalRequest,
        access: AccessRequest,
        verifier: Verifier,
    ) -> Decided | None:
        """Decide a request that needs no token of its own; None if it needs one."""
        client = request.sole(b"x-real-ip")
        if client is not None and self._options.bypass.applies(request.peer, client):
            return verifier.allow_without_token(access)
        cookie = self._options.pages.find_cookie(request, original)
        if cookie is None or isinstance(cookie, Deny):
            return cookie
        used = None
        if cookie.browser_id is not None and cookie.token_id is not None:
            used = UsedToken(cookie.token_id, cookie.ends, cookie.browser_id)
        return verifier.allow_again(access, cookie.marks, used)


def _option_headers(options: ProxyAuthOptions) -> tuple[bytes, ...]:
    """Return the headers that a response depends on because of an option."""
    if options.pages.hands_off:
        return _HANDOFF_HEADERS
    return () if options.token_cookie is None else (b"cookie",)
