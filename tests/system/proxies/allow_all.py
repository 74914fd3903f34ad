"""A server in the sidecar's place that lets everybody in and never says who it is."""

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
        self.questions: list[RecordedRequest] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of proxies that leave without a word."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Remember the question, and answer with 200 and nothing else."""
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        forwarded = RecordedRequest(self.command, self.path, list(self.headers.items()), body)
        self.server.questions.append(forwarded)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        # Else a proxy could put a later question on a connection that has outlived the block.
        self.send_header("Connection", "close")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 (the base class's names)
    do_POST = do_GET  # noqa: N815 (as above)

    def log_message(self, *_args: Any) -> None:
        """Write nothing."""


@contextmanager
def allow_all_server(port: int) -> Iterator[list[RecordedRequest]]:
    """Answer on this port until the end of the block; give the questions as they come."""
    server = _Server(port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.questions
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
