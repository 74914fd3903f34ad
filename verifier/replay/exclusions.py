"""Requests without a verdict: the gate is not asked, or the log does not show what it is asked.

=============  ====================================================================================
``NotAsked``   Which requests
=============  ====================================================================================
redirect       the web server itself redirects before it asks, for example from http to https
refused        the web server itself refuses them: not proper HTTP, or a head that is too long
preflight      OPTIONS of signalling: a browser asks before a request, and the gate lets it through
keep-alive     GET of a websocket's URL without a websocket: it enters no room
redacted       the log hides the query, a token or the room (``redaction``)
=============  ====================================================================================

``public_paths`` and the readers of lines know the other reasons.
"""

from __future__ import annotations

import re
from typing import Final

from verifier.replay.logged_request import LoggedRequest, NotAsked
from verifier.replay.redaction import is_redacted
from verifier.rooms.url import Target

_REDIRECTS: Final = frozenset(("301", "302", "303", "307", "308"))
_REDIRECT_OF_THE_GATE: Final = "302"
_REFUSALS: Final = frozenset(("408", "414", "431", "494", "495", "496", "497"))
# Prosody and Jicofo answer with 400, too, but no page does.
_NOT_HTTP: Final = "400"
_WEBSOCKET: Final = re.compile(r"/(?:[^/]+/)?xmpp-websocket/?")


def reason_to_exclude(
    request: LoggedRequest, path: str, target: Target | None, *, gate_redirects: bool
) -> NotAsked | None:
    """Return why a request has no verdict; None if the gate would decide it.

    Args:
        request: The request.
        path: Its path, without the host of an absolute URL.
        target: Its path and query; None if they cannot be read.
        gate_redirects: Whether the gate itself redirects (``handoff``, ``denied_redirect_url``).
    """
    status = request.status
    if status in _REDIRECTS and not (gate_redirects and status == _REDIRECT_OF_THE_GATE):
        return NotAsked.REDIRECT
    signalling = target is not None and target.signalling
    if status in _REFUSALS or (status == _NOT_HTTP and not signalling):
        return NotAsked.REFUSED
    if signalling and request.method == "OPTIONS":
        return NotAsked.PREFLIGHT
    if _WEBSOCKET.fullmatch(path) and _is_plain_get(request):
        return NotAsked.KEEP_ALIVE
    return NotAsked.REDACTED if target is not None and is_redacted(target) else None


def _is_plain_get(request: LoggedRequest) -> bool:
    # 101 is a websocket; denials and errors may be those of a websocket, too.
    return request.method in ("GET", "") and request.status.startswith("2")
