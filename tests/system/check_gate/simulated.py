"""ingress-nginx, whose controller needs a cluster, in the parts that ``check-gate`` sees.

The nginx is a real one, with the lines that the controller makes of the files in
``contrib/kubernetes``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.support.paths import CONTRIB
from tests.support.processes import Program, accepts, free_port
from tests.system.proxies.programs import Command

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


SIMULATED: dict[str, type[IngressNginx]] = {"ingress-nginx": IngressNginx}
