"""Endpoints for Prosody modules that exist already, so that no Lua has to be installed.

- ``/access``: ``mod_muc_auth_ban`` (Jitsi) asks an access manager about a token.
- ``/check_password`` and ``/user_exists``: ``mod_auth_http`` (prosody-modules) has a password
  checked, and the password is the token.
- ``/asap/….pem``: Jitsi's token library fetches public keys from an ASAP key server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from verifier.http.original_request import bearer_tokens
from verifier.http.request import READ_METHODS, Request
from verifier.http.responses import NO_STORE, SERVER, Rendered, Response, not_found
from verifier.keys.formats import to_pem
from verifier.keys.model import VerificationKey
from verifier.rooms.query import MAX_PARAMETERS, has_too_many_parameters, read_parameters
from verifier.rules.denials import ambiguous
from verifier.rules.model import AccessRequest, Decision, Deny

FindByDigest = Callable[[str], Awaitable[tuple[VerificationKey, float] | None]]

_KEY_FILE: Final = re.compile(r"/asap/([0-9a-f]{64})\.pem")
_HEADERS: Final = SERVER | NO_STORE


def read_access(request: Request) -> AccessRequest:
    """Return the access request of ``mod_muc_auth_ban``: a bearer token, and no room."""
    tokens = bearer_tokens(request)
    return AccessRequest(tokens[0] if len(tokens) == 1 else None)


def read_password(request: Request) -> tuple[AccessRequest, str | None] | Deny:
    """Return the access request of ``mod_auth_http`` and its host.

    The token is the parameter ``pass``, the host is the parameter ``server``.
    """
    query = request.target.partition("?")[2]
    if has_too_many_parameters(query):
        return ambiguous(f"expected at most {MAX_PARAMETERS} query parameters")
    passwords, servers = read_parameters(query, ("pass", "server")).values()
    # A request without a password is ambiguous, and not a guest's, because guests do not log in.
    if len(passwords) != 1 or len(servers) > 1:
        return ambiguous("expected one pass and at most one server parameter")
    return AccessRequest(passwords[0]), servers[0] if servers else None


def access_response(decision: Decision) -> Response:
    """Return the response for ``mod_muc_auth_ban``.

    After a denial the module closes the session and bans the token for a while.
    """
    body = json.dumps({"access": not isinstance(decision, Deny)}).encode()
    return Response(HTTPStatus.OK, _HEADERS | {"Content-Type": "application/json"}, body)


def password_response(decision: Decision) -> Response:
    """Return the response for ``mod_auth_http``: the text ``true`` or ``false``."""
    return _text("false" if isinstance(decision, Deny) else "true")


def user_exists_response() -> Response:
    """Return ``true`` for every user: only a token says which users exist."""
    return _text("true")


def read_key_digest(request: Request) -> str | None:
    """Return the digest in ``/asap/<sha256(kid)>.pem``; None for a request for something else."""
    match = _KEY_FILE.fullmatch(request.target) if request.method in READ_METHODS else None
    return match and match[1]


async def respond_key(digest: str, find: FindByDigest) -> Rendered:
    """Return the response of an ASAP key server; a 404 if there is no such key.

    Args:
        digest: The SHA-256 of the key's ``kid``, hex.
        find: Returns the key whose ``kid`` has this digest, and for how many seconds it is fresh.
    """
    found = await find(digest)
    if found is None:
        return not_found().render()
    key, seconds = found
    headers = _HEADERS | {
        "Content-Type": "application/x-pem-file",
        "Cache-Control": f"public, max-age={max(0, int(seconds))}",
    }
    return Response(HTTPStatus.OK, headers, to_pem(key)).render()


def _text(text: str) -> Response:
    headers = _HEADERS | {"Content-Type": "text/plain; charset=utf-8"}
    return Response(HTTPStatus.OK, headers, text.encode())
