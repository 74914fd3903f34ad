"""Access logs for tests, and a key server that records its requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.tokens import SECRET, sign

NOON = 1_795_348_800


def token(
    key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **claims: Any
) -> str:
    """Return a token for the room ``standup``, valid from 11:00 to 13:00."""
    usual: dict[str, Any] = {"iss": "app", "aud": "jitsi", "sub": "meet.jitsi", "room": "standup"}
    usual |= {"nbf": NOON - 3600, "exp": NOON + 3600, **claims}
    return sign(usual, {} if kid is None else {"kid": kid}, key, algorithm)


def line(target: str, time: float = NOON, status: int = 200, host: str = "") -> str:
    """Return a line of the combined form, with or without a virtual host before it."""
    when = datetime.fromtimestamp(time, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    before = f"{host} 10.0.0.1" if host else "10.0.0.1"
    return f'{before} - - [{when}] "GET {target} HTTP/2.0" {status} 5 "-" "curl/8"\n'


def record(target: str, time: float = NOON, **members: Any) -> str:
    """Return a line of JSON."""
    return json.dumps({"request_uri": target, "msec": f"{time:.3f}"} | members) + "\n"


@contextmanager
def key_server(
    status: int, body: bytes, *, silent: bool = False
) -> Iterator[tuple[str, list[str]]]:
    """Run a server with one response, or none; yield its URL and the paths of its requests."""
    requests: list[str] = []
    release = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # http.server's own name
            requests.append(self.path)
            if silent:
                release.wait()
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/keys", requests
        finally:
            release.set()
            server.shutdown()
            thread.join()
