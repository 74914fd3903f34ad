"""The public paths, which a proxy serves without asking the verifier.

The list is that of the files for nginx (``contrib/nginx/jitsi-verifier.conf``), and a test
compares them. nginx compares the normalised path of the request: decoded, slashes merged, dots
resolved.
"""

from __future__ import annotations

import re
from typing import Final

from verifier.rooms.percent import percent_decoded

_SIGNALLING: Final = re.compile(
    r"http-bind|xmpp-websocket|conference-request|room-info|/_api(?!/public/)"
)
_PUBLIC: Final = re.compile(
    r"/\Z"
    r"|/([^/]+/)?(config|interface_config|external_api|pwa-worker)\.js\Z"
    r"|/([^/]+/)?(manifest\.json|_unlock)\Z"
    r"|/(favicon\.ico|robots\.txt)\Z"
    r"|/(libs|css|static|images|fonts|lang|sounds|connection_optimization|transcripts)/"
    r"|/(\.well-known|_api/public)/"
    r"|/(colibri-ws|colibri-relay-ws|etherpad|socket\.io|rtcstats-ws)/"
)
_UNLOCK: Final = re.compile(r"/([^/]+/)?_unlock")
_NOT_NORMALISED: Final = re.compile(r"[%#]|//|/\.")


def is_public(path: str) -> bool:
    """Return whether a path, as it was sent, is served without asking the verifier."""
    if _NOT_NORMALISED.search(path):
        path = _normalised(percent_decoded(path.partition("#")[0]))
    return _PUBLIC.match(path) is not None and _SIGNALLING.search(path) is None


def is_unlock(path: str) -> bool:
    """Return whether a path, as it was sent, is the public one for the clients' keep-alives."""
    return _UNLOCK.fullmatch(path) is not None


def _normalised(path: str) -> str:
    segments: list[str] = []
    names = path.split("/")
    for name in names:
        if name == "..":
            del segments[-1:]
        elif name not in ("", "."):
            segments.append(name)
    folder = "/" if segments and names[-1] in ("", ".", "..") else ""
    return "/" + "/".join(segments) + folder
