"""A service with a key server, and requests of every kind for its metrics."""

from __future__ import annotations

import hashlib
import http.client
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from prometheus_client.parser import text_string_to_metric_families

from tests.support.processes import RunningVerifier, get, running_verifier
from tests.support.tokens import sign

Labels = frozenset[tuple[str, str]]

APP_ID = "booking-site"
GOOD, UNKNOWN = "good", "unknown"
"""Key ids: one that the key server has, and one that it does not have."""
_LATER = 4_000_000_000


class _KeyServer(ThreadingHTTPServer):
    """Serves one key, answers 404 for another, and sends text that is no key for all others."""

    daemon_threads = True

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        super().__init__(("127.0.0.1", 0), _KeyHandler)
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        good = key.public_key().public_bytes(encoding, form)
        self.replies = {_path(GOOD): (200, good), _path(UNKNOWN): (404, b"")}


class _KeyHandler(BaseHTTPRequestHandler):
    server: _KeyServer

    def do_GET(self) -> None:
        status, body = self.server.replies.get(self.path, (200, b"rubbish"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the parameter of the base class
        """Write no log."""


def _path(key_id: str) -> str:
    return f"/{hashlib.sha256(key_id.encode()).hexdigest()}.pem"


@dataclass
class MonitoredVerifier:
    """A running service, its configuration and key, and a client."""

    verifier: RunningVerifier
    config: Path
    key: rsa.RSAPrivateKey
    rounds: int = 0

    def token(self, key_id: str = GOOD, **claims: Any) -> str:
        """Return a token for the room ``standup``."""
        usual = {"iss": APP_ID, "aud": "jitsi", "sub": "*", "room": "standup", "exp": _LATER}
        return sign(usual | claims, {"kid": key_id}, self.key, "RS256")

    @cached_property
    def _tokens(self) -> list[str]:
        owner = {"user": {"id": "u-1", "moderator": True}}
        claims: list[dict[str, Any]] = [{"context": owner}, {}, {"exp": 1}, {"iss": "another-site"}]
        return [self.token(**changes) for changes in claims]

    def send_requests(self) -> None:
        """Send good, new and bad tokens to three endpoints; some are answered from the cache."""
        self.rounds += 1
        new = [
            self.token(UNKNOWN),
            self.token(f"rubbish {self.rounds}"),
            self.token(jti=str(self.rounds)),
            self.token(jti=str(self.rounds), room="another"),
        ]
        for token in (*self._tokens, *self._tokens, *new):
            self.verifier.ask("/standup", token)
        self.verifier.ask("/standup")
        auth = {"X-Original-URI": f"/other?jwt={self._tokens[0]}"}
        get(self.verifier.port, "/auth", auth)
        self._verify(self._tokens[1])

    def break_configuration(self) -> None:
        """Make the service read an invalid configuration (SIGHUP)."""
        self.config.write_text("no_such_option = 1\n")
        self.verifier.process.send_signal(signal.SIGHUP)

    def samples(self) -> dict[tuple[str, Labels], float]:
        """Return the samples of ``/metrics``, by name and labels."""
        text = get(self.verifier.admin, "/metrics").body
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def _verify(self, token: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.verifier.port, timeout=10)
        connection.request("POST", "/v1/verify", json.dumps({"token": token}))
        assert connection.getresponse().status == 200
        connection.close()


@contextmanager
def running_monitored_verifier(folder: Path, **environ: str) -> Iterator[MonitoredVerifier]:
    """Run a key server and the service inside the context."""
    key = rsa.generate_private_key(65537, 2048)
    server = _KeyServer(key)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    config = folder / "verifier.toml"
    config.write_text(f'app_id = "{APP_ID}"\nasap_key_server = "{url}"\n')
    try:
        with running_verifier(folder, config, wait=True, **environ) as verifier:
            yield MonitoredVerifier(verifier, config, key)
    finally:
        server.shutdown()
        server.server_close()
