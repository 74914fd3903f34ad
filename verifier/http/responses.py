"""HTTP responses: decisions and problem documents, as values and as bytes.

The head of a ``Response`` is serialised once and may be cached. A cached head contains neither
``Date`` nor the lifetime headers, because these depend on the time at which the response is sent.
``protocol`` adds ``Date``, ``Connection`` and the empty line.

Sources: RFC 6750 (challenge), RFC 9457 (problem documents), RFC 9110 (``Date``, ``Retry-After``).
"""

from __future__ import annotations

import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from http import HTTPStatus
from math import inf
from typing import Any, Final, TypeAlias

from verifier.http.identity import NONE, identity_headers
from verifier.rooms.address import RoomAddress
from verifier.rooms.url import Service
from verifier.rules.model import UNAVAILABLE_CODES, Allow, Decision, DenialCode, Deny

Rendered: TypeAlias = tuple[bytes, bytes]
"""A response ready to be sent: status line and headers without the empty line, and the body."""

Answer: TypeAlias = Rendered | Coroutine[Any, Any, Rendered]
"""The response to a request, or a coroutine that waits and returns it."""

SERVER: Final = {"Server": "jitsi-verifier"}
NO_STORE: Final = {"Cache-Control": "no-store"}
JSON_HEADERS: Final = SERVER | NO_STORE | {"Content-Type": "application/json"}
NEVER: Final = inf
"""The ``cacheable_until`` of an allow whose token has no end."""

_PROBLEM_TYPE: Final = {"Content-Type": "application/problem+json"}
_EMPTY: Final[Mapping[str, str]] = {}
# Python 3.11 reads an Enum's member through a Python function, for each response.
_OK: Final = HTTPStatus.OK
_NO_CONTENT: Final = HTTPStatus.NO_CONTENT
_PRINTABLE: Final = bytes(range(0x20, 0x7F)) + b"\t"

# Characters. The header contains only the beginning of the detail; the body contains all of it.
_LONGEST_DESCRIPTION: Final = 200
_DESCRIBABLE: Final = frozenset(map(chr, range(0x20, 0x7F))) - {'"', "\\"}

_TOKEN_AT_FAULT: Final = frozenset(
    {
        DenialCode.AMBIGUOUS_REQUEST,
        DenialCode.TOKEN_MISSING,
        DenialCode.TOKEN_MALFORMED,
        DenialCode.KEY_ID_MISSING,
        DenialCode.ALGORITHM_MISSING,
        DenialCode.ALGORITHM_NOT_ALLOWED,
        DenialCode.KEY_UNKNOWN,
        DenialCode.TYPE_NOT_JWT,
        DenialCode.SIGNATURE_INVALID,
        DenialCode.EXPIRY_MALFORMED,
        DenialCode.NOT_BEFORE_MALFORMED,
        DenialCode.TOKEN_EXPIRED,
        DenialCode.TOKEN_NOT_YET_VALID,
        DenialCode.ISSUER_MISSING,
        DenialCode.ISSUER_NOT_ACCEPTED,
        DenialCode.AUDIENCE_MISSING,
        DenialCode.AUDIENCE_NOT_ACCEPTED,
        DenialCode.ROOM_CLAIM_MISSING,
        DenialCode.SUBJECT_MISSING,
        DenialCode.CLAIM_MALFORMED,
        DenialCode.AUTHENTICATION_REQUIRED,
    },
)


@dataclass(slots=True)
class Response:
    """A response that is not sent yet; not to be changed.

    Attributes:
        status: The status code.
        headers: All headers but ``Date``, ``Content-Length`` and those of the lifetime.
        body: The body.
        cacheable_until: The time until which a proxy may cache the response, Unix seconds;
            ``NEVER`` for no end but the configured one; None if no proxy may cache it.
        has_token: Whether the response contains a token, so that no cache may keep it.
        more_cookies: ``Set-Cookie`` headers besides the one in ``headers``.
    """

    status: HTTPStatus
    headers: Mapping[str, str]
    body: bytes = b""
    cacheable_until: float | None = None
    has_token: bool = False
    more_cookies: tuple[str, ...] = ()

    def with_header(self, name: str, value: str) -> Response:
        """Return the same response with one more header."""
        return replace(self, headers={**self.headers, name: value})

    def head(self) -> bytes:
        """Return the status line and the headers, without the empty line.

        Raises:
            ValueError: a header contains a line end or a character that is not ASCII. Only a bug in
                the caller causes this, because values from tokens are percent-encoded.
        """
        status = self.status
        lines = [f"HTTP/1.1 {status:d} {status.phrase}", *map(": ".join, self.headers.items())]
        lines += [f"Set-Cookie: {cookie}" for cookie in self.more_cookies]
        if status is not _NO_CONTENT:  # RFC 9110, section 8.6
            lines.append(f"Content-Length: {len(self.body)}")
        lines.append("")
        head = "\r\n".join(lines).encode("ascii")
        if head.translate(None, _PRINTABLE) != b"\r\n" * (len(lines) - 1):
            raise ValueError("expected printable header values")
        return head

    def render(self) -> Rendered:
        """Return the response, ready to be sent; for one whose lifetime is in its headers."""
        return self.head(), self.body


def http_date(now: float) -> bytes:
    """Return the ``Date`` line for ``now``, Unix seconds (RFC 9110, section 6.6.1)."""
    return f"Date: {formatdate(now, usegmt=True)}\r\n".encode()


class Lifetime:
    """The header lines that say how long a proxy may cache a response.

    Args:
        ttl: The longest time, seconds.
    """

    def __init__(self, ttl: int) -> None:
        self._ttl = ttl
        self._longest = _lifetime_lines(ttl, ttl)

    def lines(self, cacheable_until: float | None, now: float) -> bytes:
        """Return the lines for a response; both times in Unix seconds."""
        if cacheable_until is None:
            return b""
        if cacheable_until - now > self._ttl + 1:
            return self._longest
        left = int(cacheable_until - now)
        return _lifetime_lines(min(self._ttl, left), min(self._ttl, left - 1))


def _lifetime_lines(seconds: int, nginx_seconds: int) -> bytes:
    """Return ``Cache-Control`` and nginx' ``X-Accel-Expires``.

    nginx caches a response of n seconds for up to n + 1 seconds, so its header has one second less.
    ``X-Accel-Expires`` could also contain a time ("@" and Unix seconds). It does not, because a
    proxy whose clock is one hour late would then use an ended response for one hour more.
    """
    if seconds < 1:
        return b"Cache-Control: no-store\r\n"
    text = f"Cache-Control: private, max-age={seconds}\r\nX-Accel-Expires: {nginx_seconds}\r\n"
    return text.encode()


# Problem documents (RFC 9457)


def problem(status: HTTPStatus, detail: str, headers: Mapping[str, str] = _EMPTY) -> Response:
    """Return a problem document.

    Args:
        status: The status code.
        detail: What was expected and what was found, never a part of a token.
        headers: More headers.
    """
    return Response(status, {**SERVER, **_PROBLEM_TYPE, **headers}, _problem_body(status, detail))


def not_found(more: str = "") -> Response:
    """Return the 404 for a path that is no endpoint; ``more`` is put behind its detail."""
    return problem(HTTPStatus.NOT_FOUND, f"There is no such endpoint.{more}")


def method_not_allowed(allowed: str) -> Response:
    """Return the 405 that names the methods that the endpoint serves."""
    return problem(HTTPStatus.METHOD_NOT_ALLOWED, f"Expected {allowed}.", {"Allow": allowed})


def _problem_body(status: HTTPStatus, detail: str, code: str | None = None) -> bytes:
    document = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    if code is not None:
        # The section of the page of codes on the admin address. The reference is relative, because
        # the service does not know under which name people reach that address.
        title = code.replace("-", " ").capitalize()
        document |= {"type": f"/codes#{code}", "title": title, "code": code}
    return json.dumps(document).encode()


_REFUSAL_DETAILS: Final = {
    400: "The request is not well-formed HTTP/1.1, or not in a form that is served here.",
    408: "The request body did not arrive in time.",
    413: "The request body is longer than is accepted here.",
    415: "The request body must not have a Content-Encoding.",
    431: "The request head is longer than is accepted here.",
    500: "Internal error; the log event `internal error` says where.",
}

REFUSALS: Final = {
    status: problem(HTTPStatus(status), detail).render()
    for status, detail in _REFUSAL_DETAILS.items()
}
"""For each status the response to a request that is not served; ``protocol`` closes then.

The bytes are constant, so that no part of a request can get into them.
"""


# Decisions


def decision_response(
    decision: Decision, address: RoomAddress | None, *, cacheable: bool = True
) -> Response:
    """Return the response to a proxy.

    Args:
        decision: The decision.
        address: The room that the original request names.
        cacheable: Whether a proxy may cache an allow.
    """
    if isinstance(decision, Deny):
        return denial_response(decision)
    headers = SERVER | identity_headers(decision, address)
    if not cacheable:
        return Response(_OK, headers | NO_STORE)
    ends = decision.expires_at
    return Response(_OK, headers, b"", NEVER if ends is None else ends)


def denial_response(denial: Deny, service: Service | None = None) -> Response:
    """Return the response for a denial: its code for programs and its detail for people.

    Args:
        denial: The denial.
        service: The service that the original request is for; None for a page.
    """
    status, code = status_of(denial.code, service), denial.code
    headers = SERVER | NO_STORE | _PROBLEM_TYPE | {"X-Jitsi-Denial": code}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = _challenge(denial)
    elif status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = retry_after(code)
    return Response(status, headers, _problem_body(status, denial.detail, code))


def would_deny_response(denial: Deny) -> Response:
    """Return the allow of report-only mode, with the code of the denial that it replaces.

    The token is not accepted, so every identity header says that the client is not known.
    """
    return _unknown_client_response().with_header("X-Jitsi-Would-Deny", denial.code)


def preflight_response() -> Response:
    """Return the response that lets a preflight through: a request of no user, for no room."""
    return _unknown_client_response()


def _unknown_client_response() -> Response:
    unknown = dict.fromkeys(identity_headers(Allow(), None), NONE)
    unknown |= {"X-Jitsi-Moderator": "false", "X-Jitsi-Affiliation": "none"}
    return Response(_OK, SERVER | unknown | NO_STORE)


def status_of(code: DenialCode, service: Service | None = None) -> HTTPStatus:
    """Return the status of a denial.

    It is 503 if a retry may succeed, 401 if another token may succeed, and 403 otherwise. But a
    conference request gets no 403: Jitsi's web client would then wait for ever, without a word.

    Args:
        code: The denial code.
        service: The service that the original request is for; None for a page.
    """
    if code in UNAVAILABLE_CODES:
        return HTTPStatus.SERVICE_UNAVAILABLE
    if code in _TOKEN_AT_FAULT or service == "conference-request":
        return HTTPStatus.UNAUTHORIZED
    return HTTPStatus.FORBIDDEN


def retry_after(code: DenialCode) -> str:
    """Return the ``Retry-After`` of a 503, seconds."""
    # A key source that has failed is not asked again at once. The others may recover at any time.
    return "5" if code is DenialCode.KEYS_UNAVAILABLE else "1"


def _challenge(denial: Deny) -> str:
    """Return the challenge of RFC 6750, section 3, without an error if no token was sent."""
    if denial.code is DenialCode.TOKEN_MISSING:
        return 'Bearer realm="jitsi"'
    detail = denial.detail[:_LONGEST_DESCRIPTION]
    description = "".join(c if c in _DESCRIBABLE else "?" for c in detail)
    return f'Bearer realm="jitsi", error="invalid_token", error_description="{description}"'
