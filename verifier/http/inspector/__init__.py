"""The token inspector's page: files that hold no secret, served to whoever reaches the address.

What they show comes from ``/v1/explain``, which is guarded. They are read once, at the start.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from aiohttp import web

_KINDS: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}
_FILES: Final = {
    "/": "inspector.html",
    "/inspector.css": "inspector.css",
    "/inspector.js": "inspector.js",
    "/inspector-answer.js": "inspector-answer.js",
    "/inspector-words.js": "inspector-words.js",
}
PAGES: Final = {path: files(__name__).joinpath(name).read_bytes() for path, name in _FILES.items()}
"""By path, what is served there."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " form-action 'none'; frame-ancestors 'none'; base-uri 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    "Server": "jitsi-verifier",
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def respond_page(path: str) -> web.Response:
    """Serve one of ``PAGES``."""
    kind = _KINDS[_FILES[path].rpartition(".")[2]]
    return web.Response(headers=_HEADERS | {"Content-Type": kind}, body=PAGES[path])
