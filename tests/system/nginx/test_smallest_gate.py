"""The shortest configuration of docs/nginx.md works in a real nginx."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import raw_http
from tests.support.documents import snippets
from tests.support.processes import Program, accepts, free_port
from tests.support.upstream import Upstream
from tests.system.nginx.sites import Sidecar, mint

CONFIGURATION = """
daemon off;
worker_processes 1;
pid FOLDER/nginx.pid;
error_log FOLDER/error.log;
events { worker_connections 64; }
http {
    HTTP
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    server {
        listen 127.0.0.1:PORT;
        SERVER
    }
}
"""


def nginx_snippets() -> list[str]:
    return [snippet.text for snippet in snippets("nginx")]


@pytest.fixture
def port(upstream: Upstream, tmp_path: Path) -> Iterator[int]:
    """Start a verifier and an nginx with the snippet; return nginx' port."""
    sidecar, port = Sidecar(tmp_path, {}), free_port()
    (maps,) = [text for text in nginx_snippets() if text.startswith("map ")]
    (server,) = [text for text in nginx_snippets() if "auth_request /" in text]
    server = server.replace("…", f"proxy_pass http://127.0.0.1:{upstream.port};")
    server = server.replace("127.0.0.1:8090", f"127.0.0.1:{sidecar.port}")
    configuration = CONFIGURATION.replace("HTTP", maps).replace("SERVER", server)
    configuration = configuration.replace("FOLDER", str(tmp_path)).replace("PORT", str(port))
    (tmp_path / "nginx.conf").write_text(configuration)
    user_option = ["-g", "user root;"] if os.geteuid() == 0 else []
    command = ["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), *user_option]
    sidecar.start()
    nginx = Program(command, tmp_path / "output.log", {"PATH": f"{os.environ['PATH']}:/usr/sbin"})
    try:
        nginx.wait_until(lambda: accepts(port), "nginx")
        yield port
    finally:
        nginx.stop()
        sidecar.stop()


def test_smallest_gate_allows_and_denies(port: int) -> None:
    def status(query: str) -> int:
        return raw_http.send(port, f"/http-bind?{query}").status

    assert status(f"room=standup&token={mint()}") == 200
    assert status(f"room=other&token={mint()}") == 403
    assert status("room=standup") == 401


def test_smallest_gate_lets_preflights_through(port: int) -> None:
    origin = ("Origin", "https://portal.example.org")
    asked = ("Access-Control-Request-Method", "POST")
    target = "/http-bind?room=standup"
    assert raw_http.send(port, target, origin, asked, method="OPTIONS").status == 200
    assert raw_http.send(port, target, origin, method="OPTIONS").status == 401
    assert raw_http.send(port, target, origin, asked).status == 401


def test_smallest_gate_takes_long_identity_headers(port: int) -> None:
    user = {"id": "i" * 900, "name": "n" * 900, "email": "e" * 900}
    token = mint(context={"user": user, "group": "g" * 900})
    assert raw_http.send(port, f"/http-bind?room=standup&token={token}").status == 200
