"""A server in the place of the service: it allows every request, without identity headers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.upstream import RecordedRequest


class _Server(ThreadingHTTPServer):
    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.requests: list[RecordedRequest] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report no error if a proxy closes its connection early."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Record the request, and answer with 200 and an empty body."""
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        request = RecordedRequest(self.command, self.path, list(self.headers.items()), body)
        self.server.requests.append(request)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        # Otherwise a proxy could send a later request on a connection that outlives the context.
        self.send_header("Connection", "close")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 (the base class's names)
    do_POST = do_GET  # noqa: N815 (as above)

    def log_message(self, *_args: Any) -> None:
        """Write nothing."""


@contextmanager
def allow_all_server(port: int) -> Iterator[list[RecordedRequest]]:
    """Serve on this port inside the context; yield the list of requests, which grows."""
    server = _Server(port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
