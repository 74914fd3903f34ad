"""A real Prosody with the modules of ``contrib/prosody``, in a folder of its own."""

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

HERE = Path(__file__).parent
CONTRIB = ROOT / "contrib" / "prosody"


class Prosody:
    """One running Prosody.

    Args:
        folder: Where configuration, data and log go.
        names: What stands for each ``@NAME@`` in the configuration, beside the usual ones.
        template: The configuration.
    """

    def __init__(
        self, folder: Path, names: Mapping[str, str], template: Path = HERE / "prosody.cfg.lua"
    ) -> None:
        self.port = free_port()
        self._log = folder / "prosody.log"
        usual = {
            "FOLDER": str(folder),
            "CONTRIB": str(CONTRIB),
            "PLUGINS": str(HERE / "plugins"),
            "PORT": str(self.port),
        }
        text = template.read_text()
        for name, value in (usual | dict(names)).items():
            text = text.replace(f"@{name}@", value)
        (folder / "data").mkdir(parents=True)
        configuration = folder / "prosody.cfg.lua"
        configuration.write_text(text)
        command: list[str | Path] = ["prosody", "-F", "--config", configuration]
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        self._program = Program(command, folder / "output.log", environ)
        self._program.wait_until(lambda: accepts(self.port), "prosody")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._program.pid

    def stop(self) -> None:
        """Stop it."""
        self._program.stop()

    def log(self, start: int = 0) -> str:
        """What it has logged since a byte."""
        return self._log.read_bytes()[start:].decode()

    def log_size(self) -> int:
        """How many bytes it has logged so far."""
        return self._log.stat().st_size

    def session(self, jid: str) -> dict[str, Any] | None:
        """What a bound session holds; None where there is none."""
        found: dict[str, Any] | None = self._window("session", jid=jid)
        return found

    def affiliations(self, room_jid: str) -> dict[str, str] | None:
        """A room's affiliations by bare JID; None where there is no such room."""
        found = self._window("room", jid=room_jid)
        return None if found is None else dict(found["affiliations"])

    def prepare_room(self, room_jid: str, **settings: str) -> None:
        """Create a room, or change one: lobby, password, closed; or an affiliation of somebody."""
        self._window("room", method="POST", jid=room_jid, **settings)

    def inject(self, origin_type: str, sender: str, to: str) -> list[str]:
        """Bring a join from another part of the server; give ``joined`` or its errors."""
        parameters = {"type": origin_type, "from": sender, "to": to}
        return list(self._window("inject", method="POST", **parameters) or [])

    def _window(self, name: str, method: str = "GET", **parameters: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, f"/window/{name}?{urlencode(parameters)}")
        answer = connection.getresponse()
        status, body = answer.status, answer.read()
        connection.close()
        assert status in {200, 404}, (name, status)
        return json.loads(body) if status == 200 and body != b"done" else None


def assert_clean(log: str) -> None:
    """Hold that a log has no traceback and nothing that begins as a token does."""
    # Prosody's own random identifiers are shorter.
    found = re.search(r"Traceback|eyJ[\w-]{12,}|token=", log)
    assert found is None, log[max(0, found.start() - 600) : found.start() + 2000]
