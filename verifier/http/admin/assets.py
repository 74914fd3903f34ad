"""The files of the pages, served unchanged, with a strict Content-Security-Policy.

The files contain no secret, so they need no authorization.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from verifier.http.responses import Response
from verifier.version import VERSION

_MEDIA_TYPES: Final = {
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
_BAR_MARK: Final = b"<!-- bar -->\n"


class Assets:
    """The files of one page, read once.

    A page gets the bar of all pages, in which the link to the page is marked.

    Args:
        package: The package that holds the files.
        names: The name of each file, by the path at which it is served.
    """

    def __init__(self, package: str, names: Mapping[str, str]) -> None:
        self.bodies: Final = {
            path: _with_bar(files(package).joinpath(name).read_bytes(), path)
            for path, name in names.items()
        }
        self._media_types = {
            path: _MEDIA_TYPES[name.rpartition(".")[2]] for path, name in names.items()
        }

    def respond(self, path: str) -> Response:
        """Return the response for one of the paths of ``bodies``."""
        headers = _HEADERS | {"Content-Type": self._media_types[path]}
        return Response(HTTPStatus.OK, headers, self.bodies[path])


def _with_bar(body: bytes, path: str) -> bytes:
    if _BAR_MARK not in body:
        return body
    bar = files(__package__).joinpath("bar", "bar.html").read_text("utf-8")
    own = f'href="{path.removeprefix("/") or "./"}"'
    bar = bar.replace("VERSION", VERSION).replace(own, f'{own} aria-current="page"')
    return body.replace(_BAR_MARK, bar.encode())
