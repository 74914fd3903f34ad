"""A server in the place of Prosody, Jicofo or a Jitsi; it records and returns each request.

A target may contain any byte, because nginx decodes the paths that it forwards.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import threading
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any

_WEBSOCKET_ID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_TEXT, _CLOSE = 0x81, 0x88


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request as it arrived; bytes beyond ASCII are read as UTF-8."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: str = ""

    def values(self, name: str) -> list[str]:
        """Return every value of a header; "_" in a name counts as "-", as in many programs."""
        wanted = name.lower()
        return [value for key, value in self.headers if key.lower().replace("_", "-") == wanted]

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> RecordedRequest:
        """Return the request that an answer of the upstream describes."""
        headers = [(name, value) for name, value in document["headers"]]
        return cls(document["method"], document["target"], headers, document["body"])


@dataclass
class Upstream:
    """The server; ``requests`` are all requests that have reached it, in order."""

    requests: list[RecordedRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.requests = self.requests
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return self._server.server_address[1]

    def stop(self) -> None:
        """Accept no more requests, and end the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    requests: list[RecordedRequest]


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        """Answer any method."""
        self.raw_requestline = self.rfile.readline(65_537)
        self.close_connection = True
        if not self.raw_requestline or not self.parse_request():
            return
        request = self._read()
        self.server.requests.append(request)
        body = json.dumps(asdict(request)).encode("utf-8", "surrogateescape")
        if self.headers["Upgrade"] == "websocket":
            self._echo(body)
        else:
            self._answer(body)

    def _read(self) -> RecordedRequest:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        # The path without http.server's own corrections, such as of "//".
        target = self.raw_requestline.split()[1].decode("utf-8", "surrogateescape")
        return RecordedRequest(self.command, target, list(self.headers.items()), body.decode())

    def _answer(self, body: bytes) -> None:
        """Send the whole body, or the requested range as a file server does."""
        part = (self.headers["Range"] or "").removeprefix("bytes=").partition("-")
        self.send_response(206 if part[1] else 200)
        if part[1]:
            self.send_header("Content-Range", f"bytes {part[0]}-{part[2]}/{len(body)}")
            body = body[int(part[0]) : int(part[2]) + 1]
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _echo(self, first: bytes) -> None:
        """Upgrade, send the recorded request, then return each text frame."""
        key = f"{self.headers['Sec-WebSocket-Key']}{_WEBSOCKET_ID}".encode()
        accept = base64.b64encode(hashlib.sha1(key, usedforsecurity=False).digest())
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept.decode())
        if self.headers["Sec-WebSocket-Protocol"]:
            self.send_header("Sec-WebSocket-Protocol", "xmpp")
        self.end_headers()
        self.wfile.write(_frame(_TEXT, first))
        kind, data = _read_frame(self.rfile)
        while kind == _TEXT:
            self.wfile.write(_frame(_TEXT, data))
            kind, data = _read_frame(self.rfile)
        self.wfile.write(_frame(_CLOSE, data))

    def log_message(self, *_args: Any) -> None:
        """Write nothing, because targets contain tokens."""


def _frame(kind: int, data: bytes) -> bytes:
    """Return one whole frame of at most 65,535 bytes (RFC 6455, section 5.2)."""
    length = bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack("!H", len(data))
    return bytes([kind]) + length + data


def _read_frame(stream: BufferedIOBase) -> tuple[int, bytes]:
    """Read one masked frame of fewer than 126 bytes; an ended stream counts as a close."""
    head = stream.read(6)
    if len(head) < 6:
        return _CLOSE, b""
    mask = head[2:]
    data = stream.read(head[1] & 0x7F)
    return head[0], bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
