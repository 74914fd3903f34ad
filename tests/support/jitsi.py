"""A server in the place of Jitsi's web server, Prosody and Jicofo, all behind one port.

It reads paths as leniently as any real server does: decoded, with merged slashes, resolved dots and
backslashes, without parameters, in any case. So a path that a gate lets through in disguise arrives
where the most lenient server would take it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

_BOSH = (
    "<body xmlns='http://jabber.org/protocol/httpbind' type='terminate'"
    " condition='item-not-found'/>"
)
_PAGE = "<html><head><title>Prosody {0} endpoint</title></head><body>It works!</body></html>"
_INDEX = "<!DOCTYPE html><html><title>Jitsi Meet</title></html>"
_WEBSOCKET_ID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_HTML, _XML, _JSON = "text/html; charset=utf-8", "text/xml; charset=utf-8", "application/json"


class Jitsi:
    """The server.

    Args:
        tls: The context for TLS; None for plain HTTP.
        port: The port on 127.0.0.1; 0 for any.
    """

    def __init__(self, tls: Any = None, port: int = 0) -> None:
        self._server = _Server(("127.0.0.1", port), _Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return self._server.server_address[1]

    @property
    def bodies(self) -> list[str]:
        """The body of each conference request, in order."""
        return self._server.bodies

    def wait(self) -> None:
        """Wait until another thread stops the server."""
        self._thread.join()

    def stop(self) -> None:
        """Accept no more requests, and end the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    bodies: list[str] = []  # noqa: RUF012  # replaced below, one for each server

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.bodies = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report no error if a client closes its connection early."""


def segments(target: str) -> list[str]:
    """Return the path segments of a target as the most lenient server reads them."""
    path = re.sub(r"^http://[^/]*", "", target).partition("?")[0].partition("#")[0]
    path = unquote(path, errors="replace").replace("\\", "/").lower()
    found: list[str] = []
    for segment in path.split("/"):
        name = segment.partition(";")[0].partition("?")[0].strip()
        if name == "..":
            del found[-1:]
        elif name not in {"", "."}:
            found.append(name)
    return found


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise a proxy waits 40 ms for each body

    def handle_one_request(self) -> None:
        """Answer any method."""
        self.raw_requestline = self.rfile.readline(65_537)
        self.close_connection = True
        if not self.raw_requestline or not self.parse_request():
            return
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        target = self.raw_requestline.split()[1].decode("utf-8", "surrogateescape")
        names = segments(target)
        if "http-bind" in names:
            self._bosh()
        elif "xmpp-websocket" in names:
            self._websocket()
        elif "conference-request" in names:
            self.server.bodies.append(body)
            unread = {"POST": 400, "OPTIONS": 200}.get(self.command, 405)
            self._send(unread, "" if unread == 200 else '{"message":"unreadable"}', _JSON)
        elif "room-info" in names:
            self._send(200, '{"participants":0}', _JSON)
        elif target.partition("?")[0].endswith(".js"):
            self._send(200, "var config = {};", "application/javascript")
        else:
            self._send(200, _INDEX, _HTML)

    def _bosh(self) -> None:
        if self.command == "POST":
            self._send(200, _BOSH, _XML)
        elif self.command == "OPTIONS":
            self._send(200, "", _HTML)
        else:
            self._send(200, _PAGE.format("BOSH"), _HTML)

    def _websocket(self) -> None:
        if self.headers["Upgrade"] != "websocket":
            self._send(200, _PAGE.format("WebSocket"), _HTML)
            return
        key = f"{self.headers['Sec-WebSocket-Key']}{_WEBSOCKET_ID}".encode()
        accept = base64.b64encode(hashlib.sha1(key, usedforsecurity=False).digest()).decode()
        self.send_response(101)
        for name, value in (
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept),
            ("Sec-WebSocket-Protocol", "xmpp"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        self.rfile.read(8)  # the close frame

    def _send(self, status: int, body: str, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    def log_message(self, *_args: Any) -> None:
        """Write nothing, because targets contain tokens."""
