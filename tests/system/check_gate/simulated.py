"""Traefik and ingress-nginx, which cannot be installed here, in the parts that ``check-gate`` sees.

The nginx of ingress-nginx is a real one, with the lines that the controller makes of the files in
``contrib/kubernetes``. Traefik is a small server, with the rule of ``contrib/traefik`` and the auth
request that Traefik sends.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.support import raw_http
from tests.support.paths import CONTRIB
from tests.support.processes import Program, accepts, free_port
from tests.system.proxies.auth_requests import traefik
from tests.system.proxies.cases import Case
from tests.system.proxies.programs import HOST, Command

_INGRESS = """
daemon off; pid {folder}/pid; error_log {folder}/error.log crit; events {{}}
http {{
    access_log off;
    large_client_header_buffers 4 16k;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    add_header Referrer-Policy no-referrer always;
    server {{
        listen 127.0.0.1:{port};
        location = /_external-auth {{
            internal;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header Connection "";
            proxy_set_header Host jitsi-verifier.jitsi.svc.cluster.local;
            proxy_set_header X-Original-URL $scheme://$http_host$request_uri;
            proxy_set_header X-Original-Method $request_method;
            proxy_set_header X-Sent-From nginx-ingress-controller;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Auth-Request-Redirect /;
            proxy_pass http://127.0.0.1:{sidecar}/auth-url;
        }}
        {locations}
    }}
}}
"""


class IngressNginx:
    """A real nginx with the locations that the controller makes of the Ingress paths."""

    def __init__(self, folder: Path, sidecar: int, upstream: int) -> None:
        folder.mkdir()
        self.port = free_port()
        paths = re.findall(r"- path: (.*)", (CONTRIB / "kubernetes" / "ingress.yaml").read_text())
        ask, forward = "auth_request /_external-auth;", f"proxy_pass http://127.0.0.1:{upstream};"
        locations = "\n".join(
            f'location ~* "^{path}" {{ {ask if path == "/" else ""} {forward} }}'
            for path in sorted(paths, key=len, reverse=True)
        )
        text = _INGRESS.format(folder=folder, port=self.port, sidecar=sidecar, locations=locations)
        (folder / "nginx.conf").write_text(text)
        user_option = ["-g", "user root;"] if os.geteuid() == 0 else []
        command: Command = [
            "/usr/sbin/nginx",
            "-p",
            folder,
            "-c",
            folder / "nginx.conf",
            *user_option,
        ]
        self._program = Program(command, folder / "output.log", {"PATH": os.environ["PATH"]})
        self._program.wait_until(lambda: accepts(self.port), "nginx")

    def stop(self) -> None:
        """Stop nginx."""
        self._program.stop()


class Traefik:
    """A server that asks about each request as Traefik does, and forwards what is allowed."""

    def __init__(self, folder: Path, sidecar: int, upstream: int) -> None:
        del folder  # it has no files
        self._server = _TraefikServer(("127.0.0.1", 0), _TraefikHandler)
        self._server.sidecar, self._server.upstream = sidecar, upstream
        text = (CONTRIB / "traefik" / "jitsi-verifier.yml").read_text()
        rule = yaml.safe_load(text)["http"]["routers"]["jitsi-public"]["rule"]
        public, never = re.findall(r"PathRegexp\(`(.*?)`\)", rule)
        # Go accepts (?i) inside a pattern, Python only at its beginning.
        never = never.replace("(?i)", "")
        self._server.patterns = re.compile(public), re.compile(never, re.IGNORECASE)
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


class _TraefikServer(ThreadingHTTPServer):
    sidecar: int
    upstream: int
    patterns: tuple[re.Pattern[str], re.Pattern[str]]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report no error if a client closes its connection early."""


class _TraefikHandler(BaseHTTPRequestHandler):
    server: _TraefikServer

    def handle_one_request(self) -> None:
        """Answer one request, and close the connection."""
        self.raw_requestline = self.rfile.readline(65_537)
        self.close_connection = True
        if not self.raw_requestline or not self.parse_request():
            return
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        target = self.requestline.split(" ")[1].removeprefix(f"http://{HOST}")
        passed = [
            (name, value)
            for name, value in self.headers.items()
            if name.lower() not in {"host", "content-length", "connection"}
        ]
        if not self._is_public(target.partition("?")[0]):
            denial = self._ask(target, tuple(passed))
            if denial is not None:
                self._relay(denial)
                return
        upgrade = [("Connection", "Upgrade")] if self.headers["Upgrade"] else []
        self._relay(
            raw_http.send(
                self.server.upstream, target, *upgrade, *passed, method=self.command, body=body
            )
        )

    def _is_public(self, path: str) -> bool:
        public, never = self.server.patterns
        return bool(public.search(path)) and not never.search(path)

    def _ask(self, target: str, headers: tuple[raw_http.Header, ...]) -> raw_http.Answer | None:
        """Ask the service; return its answer unless it allows the request."""
        named = [(name.title(), value) for name, value in headers]
        case = Case("", target, tuple(named), method=self.command)
        with socket.create_connection(("127.0.0.1", self.server.sidecar), timeout=60) as connection:
            connection.sendall(traefik(case))
            with HTTPResponse(connection) as response:
                response.begin()
                answer = raw_http.Answer(response.status, response.headers, response.read())
        return None if answer.status == 200 else answer

    def _relay(self, answer: raw_http.Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in {"content-length", "connection", "date", "server"}:
                self.send_header(name, value)
        self.send_header("Referrer-Policy", "no-referrer")
        if answer.status != 101:
            self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "Upgrade" if answer.status == 101 else "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_args: Any) -> None:
        """Write nothing, because targets contain tokens."""


SIMULATED: dict[str, type[IngressNginx | Traefik]] = {
    "ingress-nginx": IngressNginx,
    "traefik": Traefik,
}
