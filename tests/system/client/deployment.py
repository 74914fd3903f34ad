"""A Jitsi Meet with a gate and a hook: nginx, the service, Prosody, and a stand-in for Jicofo."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import free_port, get, post
from tests.support.tokens import SECRET
from tests.system.nginx.sites import APP_ID, JITSI, Nginx, Sidecar
from tests.system.prosody.prosody import HERE as PROSODY_TESTS
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.releases import Release

HERE = Path(__file__).parent
PAGE = HERE / "page"
LIBRARY = Path(
    os.environ.get("LIB_JITSI_MEET")
    or HERE / "node_modules/@solyd/lib-jitsi-meet/dist/umd/lib-jitsi-meet.min.js"
)
"""The bundle under test. ``LIB_JITSI_MEET`` names another one, such as that of a newer release."""

PLUGINS = PROSODY_TESTS / "plugins"
JITSI_PLUGINS = os.environ.get("JITSI_PROSODY_PLUGINS", "")
"""The folder of Jitsi's own Prosody modules, if the tests are to run with them for comparison."""

_UNGATED = [("auth_request /_jitsi-verifier;", "auth_request off;")]


@dataclass(frozen=True)
class Layout:
    """One way to deploy the service.

    Attributes:
        domain: The VirtualHost that clients log in to.
        is_gated: Whether nginx asks the service.
    """

    domain: str
    is_gated: bool = False


LAYOUTS = {
    "gate": Layout("gate.test", is_gated=True),
    "hook": Layout("hook.test"),
    "both": Layout("hook.test", is_gated=True),
}
"""Where only tokens enter: with the gate, with the hook, and with both."""

OPEN_LAYOUTS = {"hook": Layout("open.test")}
"""Where guests without a token enter, too."""

if JITSI_PLUGINS:
    LAYOUTS["jitsi"] = Layout("jitsi.test")
    OPEN_LAYOUTS["jitsi"] = Layout("open-jitsi.test")

GATED = [name for name, layout in LAYOUTS.items() if layout.is_gated]
UNGATED = [name for name, layout in LAYOUTS.items() if not layout.is_gated]


@dataclass
class Deployment:
    """The running programs.

    Attributes:
        release: The release of Prosody.
        sidecar: The service, which both nginx with the gate and Prosody ask.
        once_sidecar: The service with single-use tokens and the hand-off.
        prosody: Prosody with a VirtualHost for each layout.
        gated: nginx with the gate.
        plain: nginx without the gate.
        once: nginx with the gate of ``once_sidecar``.
    """

    release: Release
    sidecar: Sidecar
    once_sidecar: Sidecar
    prosody: Prosody
    gated: Nginx
    plain: Nginx
    once: Nginx

    def origin(self, layout: Layout) -> str:
        """Return the origin of the pages of a layout."""
        nginx = self.gated if layout.is_gated else self.plain
        return f"http://127.0.0.1:{nginx.port}"

    def metric(self, name: str) -> int:
        """Return the sum of a counter of the service."""
        text = get(self.sidecar.admin_port, "/metrics").body
        values = re.findall(rf"^jitsi_verifier_{name}{{.*}} (.*)$", text, re.MULTILINE)
        return int(sum(map(float, values)))

    @staticmethod
    def revoke(sidecar: Sidecar, **criteria: Any) -> None:
        """Revoke tokens."""
        body = json.dumps(criteria).encode()
        headers = {"Content-Type": "application/json"}
        answer = post(sidecar.admin_port, "/v1/revocations", body, headers)
        assert answer.status == 201, answer.body

    @contextmanager
    def sidecar_away(self) -> Iterator[None]:
        """Stop the service inside this context."""
        self.sidecar.stop()
        try:
            yield
        finally:
            self.sidecar.start()


def start_prosody(release: Release, folder: Path, sidecar: Sidecar, once: Sidecar) -> Prosody:
    """Start Prosody; ``once`` is the service with single-use tokens."""
    names = {
        "SIDECAR_URL": f"http://127.0.0.1:{sidecar.port}",
        "ONCE_URL": f"http://127.0.0.1:{once.port}",
        "PLUGINS": '", "'.join([str(PLUGINS), *filter(None, [JITSI_PLUGINS])]),
        "APP_ID": APP_ID,
        "SECRET": SECRET,
    }
    parts = ["jitsi.cfg.lua", *(["jitsi-modules.cfg.lua"] if JITSI_PLUGINS else [])]
    template = folder.with_suffix(".cfg.lua")
    template.write_text("".join((HERE / part).read_text() for part in parts))
    return Prosody(release, folder, names, template)


def start_nginx(folder: Path, prosody: Prosody, sidecar: Sidecar | None) -> Nginx:
    """Start nginx with Jitsi's locations in front of Prosody, and the page of the tests.

    Without a service there is no gate.
    """
    edits = [
        ("127.0.0.1:5280", f"127.0.0.1:{prosody.port}"),
        ("127.0.0.1:8888", f"127.0.0.1:{prosody.port}"),
        *(() if sidecar else _UNGATED),
    ]
    nginx = Nginx(folder, JITSI, sidecar.port if sidecar else free_port(), prosody.port, edits)
    for name in ("index.html", "static/client.html"):
        shutil.copy(PAGE / "index.html", folder / "web" / name)
    shutil.copy(PAGE / "client.js", folder / "web/libs")
    shutil.copy(LIBRARY, folder / "web/libs/lib-jitsi-meet.min.js")
    return nginx
