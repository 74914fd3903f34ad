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
_NO_PARTS: Final[Mapping[str, str]] = {}


class Assets:
    """The files of one page, read once.

    In a page, the line ``<!-- bar -->`` stands for the bar of all pages; in it, the link to the
    page is marked.

    Args:
        package: The package that holds the files.
        names: The name of each file, by the path at which it is served.
        parts: HTML by the name of the line that stands for it in a page.
    """

    def __init__(
        self, package: str, names: Mapping[str, str], parts: Mapping[str, str] = _NO_PARTS
    ) -> None:
        self.bodies: Final = {
            path: _complete(files(package).joinpath(name).read_bytes(), path, parts)
            for path, name in names.items()
        }
        self._media_types = {
            path: _MEDIA_TYPES[name.rpartition(".")[2]] for path, name in names.items()
        }

    def respond(self, path: str) -> Response:
        """Return the response for one of the paths of ``bodies``."""
        headers = _HEADERS | {"Content-Type": self._media_types[path]}
        return Response(HTTPStatus.OK, headers, self.bodies[path])


def _complete(body: bytes, path: str, parts: Mapping[str, str]) -> bytes:
    for name, html in {"bar": _bar(path), **parts}.items():
        body = body.replace(f"<!-- {name} -->\n".encode(), html.encode())
    return body


def _bar(path: str) -> str:
    bar = files(__package__).joinpath("bar", "bar.html").read_text("utf-8")
    own = f'href="{path.removeprefix("/") or "./"}"'
    return bar.replace("VERSION", VERSION).replace(own, f'{own} aria-current="page"')
