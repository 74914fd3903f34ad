"""A real Prosody with the modules of ``contrib/prosody`` in its own folder."""

from __future__ import annotations

import http.client
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.support.paths import ROOT
from tests.support.processes import Program, accepts, free_port
from tests.system.prosody.releases import Release

HERE = Path(__file__).parent
CONTRIB = ROOT / "contrib" / "prosody"


class Prosody:
    """One running Prosody.

    Args:
        release: The release to run.
        folder: The folder of its configuration, data and log.
        names: Values of ``@NAME@`` in the configuration, besides the usual ones.
        template: The configuration; ``common.cfg.lua`` is put in front of it.
        environ: Variables of its environment, besides the usual ones.
    """

    def __init__(
        self,
        release: Release,
        folder: Path,
        names: Mapping[str, str],
        template: Path = HERE / "prosody.cfg.lua",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.release = release
        self.port = free_port()
        self._log = folder / "prosody.log"
        usual = {
            "FOLDER": str(folder),
            "CONTRIB": str(CONTRIB),
            "PLUGINS": str(HERE / "plugins"),
            "PORT": str(self.port),
        }
        text = (HERE / "common.cfg.lua").read_text() + template.read_text()
        for name, value in (usual | dict(names)).items():
            text = text.replace(f"@{name}@", value)
        (folder / "data").mkdir(parents=True)
        configuration = folder / "prosody.cfg.lua"
        configuration.write_text(text)
        command = release.command("prosody", "-F", "--config", configuration)
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder), **(environ or {})}
        self._program = Program(command, folder / "output.log", environ)
        self._program.wait_until(lambda: accepts(self.port), "prosody")

    @property
    def pid(self) -> int:
        """The process id."""
        return self._program.pid

    def stop(self) -> None:
        """Stop Prosody."""
        self._program.stop()

    def log(self, start: int = 0) -> str:
        """Return the log from this byte on."""
        return self._log.read_bytes()[start:].decode()

    def log_size(self) -> int:
        """Return the size of the log, in bytes."""
        return self._log.stat().st_size

    def session(self, jid: str) -> dict[str, Any] | None:
        """Return the fields of a bound session; None if there is none."""
        session: dict[str, Any] | None = self._inspect("session", jid=jid)
        return session

    def affiliations(self, room_jid: str) -> dict[str, str] | None:
        """Return the affiliations in a room by bare JID; None if the room does not exist."""
        room = self._inspect("room", jid=room_jid)
        return None if room is None else dict(room["affiliations"])

    def prepare_room(self, room_jid: str, **settings: str) -> None:
        """Create or change a room: its lobby, password, access for guests, or one affiliation."""
        self._inspect("room", method="POST", jid=room_jid, **settings)

    def inject(self, origin_type: str, sender: str, to: str) -> list[str]:
        """Send a join from another part of the server; return ``joined`` or the errors."""
        parameters = {"type": origin_type, "from": sender, "to": to}
        return list(self._inspect("inject", method="POST", **parameters) or [])

    def _inspect(self, name: str, method: str = "GET", **parameters: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, f"/inspect/{name}?{urlencode(parameters)}")
        answer = connection.getresponse()
        status, body = answer.status, answer.read()
        connection.close()
        assert status in {200, 404}, (name, status)
        return json.loads(body) if status == 200 and body != b"done" else None


def assert_clean(log: str) -> None:
    """Check that a log contains no traceback and no text that begins like a token."""
    # Random identifiers of Prosody may begin with eyJ too, but they are shorter.
    found = re.search(r"Traceback|traceback|deprecated|eyJ[\w-]{12,}|token=", log)
    assert found is None, log[max(0, found.start() - 600) : found.start() + 2000]
