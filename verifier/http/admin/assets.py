"""Files of a page that are served as they are, under the strictest policy that a browser knows.

They hold no secret and are open to whoever reaches the address. Knows nothing of what they show.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from aiohttp import web

_KINDS: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_HEADERS: Final = {
    "Server": "jitsi-verifier",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none';"
        " require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Assets:
    """The files of one page, read once.

    Args:
        package: The package that they are in.
        names: By path, the file that is served there.
    """

    def __init__(self, package: str, names: Mapping[str, str]) -> None:
        self.bodies: Final = {
            path: files(package).joinpath(name).read_bytes() for path, name in names.items()
        }
        self._kinds = {path: _KINDS[name.rpartition(".")[2]] for path, name in names.items()}

    def respond(self, path: str) -> web.Response:
        """Serve one of the ``bodies``."""
        headers = _HEADERS | {"Content-Type": self._kinds[path]}
        return web.Response(headers=headers, body=self.bodies[path])
