"""Requests that stay unanswered, because their key server waits for the test."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.processes import RunningVerifier
from tests.support.tokens import segment


@dataclass
class WaitingKeyServer:
    """A key server that answers each request with 404, as soon as ``answer`` is set.

    Attributes:
        environ: The options of a service that asks this key server.
        answer: The event for which all requests wait.
        requests: The paths of all requests so far.
    """

    environ: dict[str, str]
    answer: threading.Event = field(default_factory=threading.Event)
    requests: list[str] = field(default_factory=list)


@contextmanager
def waiting_key_server() -> Iterator[WaitingKeyServer]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.requests.append(self.path)
            keys.answer.wait()
            with contextlib.suppress(OSError):  # the client may have been killed
                self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    keys = WaitingKeyServer({"JWT_ASAP_KEYSERVER": f"http://127.0.0.1:{server.server_port}"})
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield keys
    finally:
        keys.answer.set()
        server.shutdown()
        thread.join()
        server.server_close()


def begin_request(verifier: RunningVerifier) -> socket.socket:
    """Send a request with a token whose key has to be fetched; return the open connection."""
    segments = ({"alg": "RS256", "typ": "JWT", "kid": "k"}, {"iss": "app"})
    token = ".".join([*map(segment, segments), "AAAA"])
    client = socket.create_connection(("127.0.0.1", verifier.port), timeout=20)
    client.sendall(f"GET /ext-authz/standup?jwt={token} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return client
