"""A gated Jitsi: a real nginx with the files of ``contrib/nginx``, the sidecar and an upstream.

The files run as they are but for the addresses and folders in ``Nginx.substitutions``.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import raw_http
from tests.support.paths import ROOT
from tests.support.processes import Program, accepts, answers_200, free_port, get
from tests.support.tokens import SECRET, present, sign
from tests.support.upstream import RecordedRequest, Upstream

HERE = Path(__file__).parent
FILES = ROOT / "contrib" / "nginx"
COMMAND = Path(sys.executable).with_name("jitsi-verifier")
PATH = {"PATH": os.environ["PATH"]}
APP_ID = "booking-site"

Edits = Sequence[tuple[str, str]]

JITSI = "example.conf"
"""nginx serves Jitsi's files itself and hands signalling to Prosody and Jicofo."""
FRONT = "example-front.conf"
"""nginx stands before a Jitsi and hands on everything."""

INDEX = """<!DOCTYPE html><title>Jitsi Meet</title>
{"target": "<!--# echo var="request_uri" encoding="none" -->",
"tenant": "<!--# echo var="subdomain" default="" encoding="none" -->",
"room": "<!--# echo var="jitsi_verifier_room" encoding="none" -->"}"""


class Sidecar:
    """The installed console script.

    Args:
        folder: Where its log goes.
        options: Environment variables, beside those that every test shares.
    """

    def __init__(self, folder: Path, options: Mapping[str, str]) -> None:
        self.port, self.admin_port = free_port(), free_port()
        self.log = folder / "sidecar.log"
        own = {
            "JWT_APP_ID": APP_ID,
            "JWT_APP_SECRET": SECRET,
            "VERIFIER_LISTEN": f"127.0.0.1:{self.port}",
            "VERIFIER_ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}",
            "VERIFIER_LOG_FORMAT": "json",
        }
        self.environ = {**PATH, **own, **options}
        self._program: Program | None = None

    def start(self) -> None:
        """Start it on its own port and wait until it is ready."""
        self._program = Program([COMMAND, "serve"], self.log, self.environ)
        self._program.wait_until(lambda: answers_200(self.admin_port, "/readyz"), "the sidecar")

    def reload(self) -> None:
        """Have it read its configuration again."""
        if self._program is not None:
            os.kill(self._program.pid, signal.SIGHUP)

    def stop(self) -> int:
        """Stop it, if it runs; give its exit status."""
        program, self._program = self._program, None
        return program.stop() if program else 0


class Nginx:
    """The real nginx with one of the examples.

    Args:
        folder: Where its files, logs and cache go.
        example: Which example.
        sidecar: The sidecar's port.
        upstream: The port of everything behind the gate.
        edits: What an operator has changed in the files: text and its replacement.
    """

    def __init__(
        self, folder: Path, example: str, sidecar: int, upstream: int, edits: Edits = ()
    ) -> None:
        self.port, self.reading_port = free_port(), free_port()
        self.folder, self.logs, self.cache = folder, folder / "logs", folder / "cache"
        self._edits = edits
        self.substitutions = {
            "listen 80;": f"listen 127.0.0.1:{self.port};",
            "127.0.0.1:8090": f"127.0.0.1:{sidecar}",
            **{f"127.0.0.1:{port}": f"127.0.0.1:{upstream}" for port in (5280, 8000, 8888, 9090)},
            "/etc/nginx/jitsi-verifier": str(folder / "jitsi-verifier"),
            "/usr/share/jitsi-meet": str(folder / "web"),
            "/var/log/nginx": str(self.logs),
            "/run/jitsi-verifier-nginx": str(self.cache),
            "@FOLDER@": str(folder),
            "@EXAMPLE@": example,
            "@READING_PORT@": str(self.reading_port),
        }
        self._lay_out()
        # Workers of a root's nginx would lose their rights, and with them this folder.
        rights = ["-g", "user root;"] if os.geteuid() == 0 else []
        command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), *rights]
        self._program = Program(command, self.logs / "output.log", _sbin())
        self._program.wait_until(lambda: accepts(self.port), "nginx")

    def stop(self) -> None:
        """Stop it."""
        self._program.stop()

    def reload(self) -> None:
        """Have it read its configuration again, in new workers."""
        os.kill(self._program.pid, signal.SIGHUP)

    def reads(self, target: str) -> str | None:
        """Give the path that nginx understands, decoded and normalised; None where it refuses."""
        answer = raw_http.send(self.reading_port, target)
        return answer.text if answer.status == 200 else None

    def _lay_out(self) -> None:
        for name in ("temp", "logs"):
            (self.folder / name).mkdir(parents=True)
        shutil.copytree(FILES, self.folder / "jitsi-verifier")
        _lay_out_web(self.folder / "web")
        shutil.copy(HERE / "nginx.conf", self.folder)
        for file in (self.folder / "nginx.conf", *(self.folder / "jitsi-verifier").glob("*.conf")):
            file.write_text(self._substituted(self._edited(file.read_text())))

    def _edited(self, text: str) -> str:
        for old, new in self._edits:
            text = text.replace(old, new)
        return text

    def _substituted(self, text: str) -> str:
        # In one pass: what is put in may look like something to be replaced.
        found = "|".join(map(re.escape, self.substitutions))
        return re.sub(found, lambda match: self.substitutions[match[0]], text)


def questions(sidecar: Sidecar) -> int:
    """Count the decisions that a sidecar has been asked for."""
    text = get(sidecar.admin_port, "/metrics").body
    counts = re.findall(r"^jitsi_verifier_decisions_total{.*} (.*)$", text, re.MULTILINE)
    return int(sum(map(float, counts)))


@dataclass
class Site:
    """Nginx, sidecar and upstream together."""

    nginx: Nginx
    sidecar: Sidecar
    upstream: Upstream

    def get(self, target: str, *headers: raw_http.Header, method: str = "GET") -> raw_http.Answer:
        """Ask nginx for a target, as a client from outside."""
        return raw_http.send(self.nginx.port, target, *headers, method=method)

    def forwarded(self, target: str, *headers: raw_http.Header) -> RecordedRequest:
        """Ask for a target that is handed on; give what arrived behind nginx."""
        answer = self.get(target, *headers)
        assert answer.status == 200, (target, answer.status, answer.text)
        return RecordedRequest.from_json(answer.json())

    def logs(self) -> str:
        """Everything that nginx and the sidecar have written so far."""
        files = [self.sidecar.log, *sorted(self.nginx.logs.iterdir())]
        return "\n".join(file.read_text() for file in files)

    def stop(self) -> None:
        """Stop both programs."""
        self.nginx.stop()
        self.sidecar.stop()


def mint(**claims: Any) -> str:
    """Sign a token that opens the room ``standup`` for an hour, with these claims instead."""
    usual = {
        "iss": APP_ID,
        "aud": "jitsi",
        "sub": "*",
        "room": "standup",
        "exp": int(time.time()) + 3600,
        "context": {"user": {"id": "u-1", "name": "Ada Lovelace", "email": "ada@example.org"}},
    }
    return sign(present(usual | claims))


def start_site(
    folder: Path,
    example: str,
    upstream: Upstream,
    options: Mapping[str, str],
    edits: Edits = (),
) -> Site:
    """Start a sidecar with these options and an nginx with this example before it."""
    folder.mkdir()
    sidecar = Sidecar(folder, options)
    sidecar.start()
    nginx = Nginx(folder / "nginx", example, sidecar.port, upstream.port, edits)
    return Site(nginx, sidecar, upstream)


StartSite = Callable[..., Site]
"""The fixture ``sites``."""


def _sbin() -> dict[str, str]:
    return {"PATH": f"{PATH['PATH']}:/usr/sbin:/sbin"}


def _lay_out_web(root: Path) -> None:
    """Lay out a few files with Jitsi's names."""
    files = {
        "index.html": INDEX,
        "config.js": 'var subdomain = "<!--# echo var="subdomain" default="" -->";',
        "manifest.json": "{}",
        "pwa-worker.js": "worker",
        "favicon.ico": "icon",
        "libs/app.bundle.min.js": "bundle",
        "libs/external_api.min.js": "api",
        "css/all.css": "css",
        "static/404.html": "not found",
        "static/close.html": "close",
        "images/logo.svg": "logo",
        "fonts/a.woff2": "font",
        "lang/main.json": "{}",
        "sounds/ring.mp3": "sound",
        ".well-known/assetlinks.json": "[]",
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
