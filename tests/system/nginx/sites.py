"""A site: a real nginx with the files of ``contrib/nginx``, the service and a recording upstream.

Only the addresses and folders in ``Nginx.substitutions`` differ from the shipped files.
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
from tests.support.processes import Program, accepts, answers_200, free_port, get, wait_until
from tests.support.tokens import SECRET, present, sign
from tests.support.upstream import RecordedRequest, Upstream

HERE = Path(__file__).parent
FILES = ROOT / "contrib" / "nginx"
COMMAND = Path(sys.executable).with_name("jitsi-verifier")
PATH = {"PATH": os.environ["PATH"]}
APP_ID = "booking-site"

Edits = Sequence[tuple[str, str]]

JITSI = "example.conf"
"""nginx serves Jitsi's files itself and forwards signalling to Prosody and Jicofo."""
FRONT = "example-front.conf"
"""nginx forwards every request to a Jitsi."""

INDEX = """<!DOCTYPE html><title>Jitsi Meet</title>
{"target": "<!--# echo var="request_uri" encoding="none" -->",
"tenant": "<!--# echo var="subdomain" default="" encoding="none" -->",
"room": "<!--# echo var="jitsi_verifier_room" encoding="none" -->"}"""


class Sidecar:
    """The installed service in a process of its own, which tests stop and start.

    Args:
        folder: The folder of its log.
        options: Environment variables that are added to those of every test.
    """

    def __init__(self, folder: Path, options: Mapping[str, str]) -> None:
        self.port, self.admin_port = free_port(), free_port()
        self.log = folder / "sidecar.log"
        common = {
            "JWT_APP_ID": APP_ID,
            "JWT_APP_SECRET": SECRET,
            "VERIFIER_LISTEN": f"127.0.0.1:{self.port}",
            "VERIFIER_ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}",
            "VERIFIER_LOG_FORMAT": "json",
        }
        self.environ = {**PATH, **common, **options}
        self._program: Program | None = None

    def start(self) -> None:
        """Start the service on its own port, and wait until it is ready."""
        self._program = Program([COMMAND, "serve"], self.log, self.environ)
        self._program.wait_until(lambda: answers_200(self.admin_port, "/readyz"), "the sidecar")

    def kill_workers(self) -> None:
        """Kill the processes that serve requests; the service starts new ones (several workers)."""
        assert self._program is not None
        children = Path(f"/proc/{self._program.pid}/task/{self._program.pid}/children")
        for worker in children.read_text("ascii").split():
            os.kill(int(worker), signal.SIGKILL)

    def reload(self) -> None:
        """Make the service read its configuration again (SIGHUP)."""
        if self._program is not None:
            os.kill(self._program.pid, signal.SIGHUP)

    def stop(self) -> int:
        """Stop the service if it runs; return its exit status, or 0 if it did not run."""
        program, self._program = self._program, None
        return program.stop() if program else 0


class Nginx:
    """A real nginx with one of the examples.

    Args:
        folder: The folder of its files, logs and cache.
        example: ``JITSI`` or ``FRONT``.
        sidecar: The port of the service.
        upstream: The port that stands for all of Jitsi's servers.
        edits: An operator's changes to the files: pairs of a text and its replacement.
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
        self._write_files()
        # nginx that root starts runs its workers as another user, who cannot read this folder.
        user_option = ["-g", "user root;"] if os.geteuid() == 0 else []
        command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), *user_option]
        self._program = Program(command, self.logs / "output.log", _path_with_sbin())
        self._program.wait_until(lambda: accepts(self.port), "nginx")

    def stop(self) -> None:
        """Stop nginx."""
        self._program.stop()

    def reload(self) -> None:
        """Make nginx read its configuration again, in new workers (SIGHUP)."""
        os.kill(self._program.pid, signal.SIGHUP)

    def wait_for_log(self, words: str, count: int = 1) -> None:
        """Wait until the access log has words this often: nginx writes a line after the answer."""
        file = self.logs / "access.log"
        wait_until(lambda: file.read_text().count(words) >= count, f"{words!r} in the access log")

    def normalized_path(self, target: str) -> str | None:
        """Return nginx' decoded, normalised path of a target; None if nginx rejects the target."""
        answer = raw_http.send(self.reading_port, target)
        return answer.text if answer.status == 200 else None

    def _write_files(self) -> None:
        for name in ("temp", "logs"):
            (self.folder / name).mkdir(parents=True)
        shutil.copytree(FILES, self.folder / "jitsi-verifier")
        _write_web_root(self.folder / "web")
        shutil.copy(HERE / "nginx.conf", self.folder)
        for file in (self.folder / "nginx.conf", *(self.folder / "jitsi-verifier").glob("*.conf")):
            file.write_text(self._substituted(self._edited(file.read_text())))

    def _edited(self, text: str) -> str:
        for old, new in self._edits:
            text = text.replace(old, new)
        return text

    def _substituted(self, text: str) -> str:
        # One pass, because a replacement may contain another text that is to be replaced.
        pattern = "|".join(map(re.escape, self.substitutions))
        return re.sub(pattern, lambda match: self.substitutions[match[0]], text)


def decision_count(sidecar: Sidecar) -> int:
    """Return the number of decisions that a service has made."""
    text = get(sidecar.admin_port, "/metrics").body
    counts = re.findall(r"^jitsi_verifier_decisions_total{.*} (.*)$", text, re.MULTILINE)
    return int(sum(map(float, counts)))


@dataclass
class Site:
    """nginx, the service and the upstream."""

    nginx: Nginx
    sidecar: Sidecar
    upstream: Upstream

    def get(self, target: str, *headers: raw_http.Header, method: str = "GET") -> raw_http.Answer:
        """Send a request to nginx, as a client does."""
        return raw_http.send(self.nginx.port, target, *headers, method=method)

    def forwarded(self, target: str, *headers: raw_http.Header) -> RecordedRequest:
        """Send a request that nginx forwards; return the request that reached the upstream."""
        answer = self.get(target, *headers)
        assert answer.status == 200, (target, answer.status, answer.text)
        return RecordedRequest.from_json(answer.json())

    def logs(self) -> str:
        """Return all logs of nginx and the service."""
        files = [self.sidecar.log, *sorted(self.nginx.logs.iterdir())]
        return "\n".join(file.read_text() for file in files)

    def stop(self) -> None:
        """Stop nginx and the service."""
        self.nginx.stop()
        self.sidecar.stop()


def mint(**claims: Any) -> str:
    """Return a token for the room ``standup``, valid for an hour; ``claims`` replace its own."""
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
    """Start the service with these options, and nginx with this example in front of it."""
    folder.mkdir()
    sidecar = Sidecar(folder, options)
    sidecar.start()
    try:
        nginx = Nginx(folder / "nginx", example, sidecar.port, upstream.port, edits)
    except Exception:
        sidecar.stop()
        raise
    return Site(nginx, sidecar, upstream)


StartSite = Callable[..., Site]
"""The type of the fixture ``sites``."""


def _path_with_sbin() -> dict[str, str]:
    return {"PATH": f"{PATH['PATH']}:/usr/sbin:/sbin"}


def _write_web_root(root: Path) -> None:
    """Write a few files with the names of Jitsi's files."""
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
