"""Endpoints in the words of Prosody modules that are already installed: no Lua to deploy.

``mod_muc_auth_ban`` (Jitsi) asks an access manager, ``mod_auth_http`` (prosody-modules) asks for a
password, which is the token, and Jitsi's own token library asks a key server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web

from verifier.http.original_request import bearer_tokens
from verifier.http.request_head import RequestHead
from verifier.http.responses import NO_STORE, SERVER, Response
from verifier.keys.formats import to_pem
from verifier.keys.model import VerificationKey
from verifier.rules.denials import ambiguous
from verifier.rules.model import AccessRequest, Decision, Deny

FindByDigest = Callable[[str], Awaitable[tuple[VerificationKey, float] | None]]

READING: Final = ("GET", "HEAD")
"""Methods that ask and change nothing."""

_KEY_FILE: Final = re.compile(r"/asap/([0-9a-f]{64})\.pem")
_HEADERS: Final = SERVER | NO_STORE


def access_question(request: RequestHead) -> AccessRequest:
    """Read what ``mod_muc_auth_ban`` sends: the token alone, as a bearer token."""
    tokens = bearer_tokens(request)
    return AccessRequest(tokens[0] if len(tokens) == 1 else None)


def password_question(request: RequestHead) -> tuple[AccessRequest, str | None] | Deny:
    """Read what ``mod_auth_http`` sends: the token as ``pass``, and the host as ``server``."""
    query = parse_qs(request.raw_path.partition("?")[2], keep_blank_values=True)
    passwords, servers = query.get("pass", []), query.get("server", [])
    # Not even a guest logs in without a password.
    if len(passwords) != 1 or len(servers) > 1:
        detail = "expected one pass and at most one server parameter"
        return ambiguous(detail)
    return AccessRequest(passwords[0]), servers[0] if servers else None


def respond_access(decision: Decision) -> Response:
    """Answer ``mod_muc_auth_ban``; a refusal closes the session and bans the token for a while."""
    body = json.dumps({"access": not isinstance(decision, Deny)}).encode()
    return Response(HTTPStatus.OK, _HEADERS | {"Content-Type": "application/json"}, body)


def respond_password(decision: Decision) -> Response:
    """Answer ``mod_auth_http``, which wants the bare word."""
    return _word("false" if isinstance(decision, Deny) else "true")


def respond_user_exists() -> Response:
    """Say that every user exists: who they are is in tokens, and nowhere else."""
    return _word("true")


async def respond_key(request: web.BaseRequest, find: FindByDigest) -> web.Response | None:
    """Serve a public key as an ASAP key server does; None where there is none of that name.

    Args:
        request: For ``/asap/<sha256(kid)>.pem``.
        find: Gives the key whose ``kid`` has this digest, and for how many seconds it is fresh.
    """
    named = _KEY_FILE.fullmatch(request.raw_path) if request.method in READING else None
    found = await find(named[1]) if named else None
    if found is None:
        return None
    key, seconds = found
    headers = _HEADERS | {
        "Content-Type": "application/x-pem-file",
        "Cache-Control": f"public, max-age={max(0, int(seconds))}",
    }
    return web.Response(headers=headers, body=to_pem(key))


def _word(word: str) -> Response:
    headers = _HEADERS | {"Content-Type": "text/plain; charset=utf-8"}
    return Response(HTTPStatus.OK, headers, word.encode())
