"""Gates to be asked: a real proxy with the shipped files, the service, and a Jitsi behind them."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.tokens import SECRET
from tests.system.check_gate.pieces import Piece
from tests.system.nginx.sites import Nginx
from verifier.check_gate import asker
from verifier.cli.check_gate import run
from verifier.cli.main import program

HOST = "meet.example.org"
CONFIGURATION = f"""
app_id = "booking-site"
app_secret = "{SECRET}"
strict_hosts = true
bypass = ["203.0.113.0/24"]
trusted_proxies = ["127.0.0.1"]
[hosts."{HOST}"]
muc_mapper_domain_base = "{HOST}"
enable_domain_verification = true
"""
"""Domains are verified, so that tenants differ; and a host without a table is denied."""

WEB = {
    "index.html": "<!DOCTYPE html><title>Jitsi Meet</title>",
    "config.js": "var config = {};",
}


@dataclass(frozen=True)
class Report:
    """What ``check-gate --json`` has printed.

    Attributes:
        status: The exit status.
        document: The JSON document.
    """

    status: int
    document: Mapping[str, Any]

    def questions(self, verdict: str) -> dict[str, str]:
        """Return the questions with a verdict, each with what was found."""
        return {
            f"{each['group']}: {each['question']}": each["found"]
            for each in self.document["questions"]
            if each["verdict"] == verdict
        }


def ask(port: int, config: Path, *arguments: str) -> Report:
    """Ask the gate on a port, in this process."""
    connect = f"{HOST}:80:127.0.0.1:{port}"
    usual = ("--config", str(config), "--json", "--timeout", "60s", "--connect-to", connect)
    options = program().parse_args(["check-gate", f"http://{HOST}", *usual, *arguments])
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(output):
        patch.setattr(asker, "PAUSE", 0)
        status = run(options)
    return Report(status, json.loads(output.getvalue()))


class EditedNginx(Nginx):
    """nginx with an example, without some pieces of its files.

    Args:
        folder: The folder of its files.
        example: The example.
        sidecar: The port of the service.
        upstream: The port of Jitsi.
        pieces: What is taken out.
    """

    def __init__(
        self, folder: Path, example: str, sidecar: int, upstream: int, pieces: Iterable[Piece] = ()
    ) -> None:
        self._pieces = list(pieces)
        super().__init__(folder, example, sidecar, upstream)

    def _write_files(self) -> None:
        super()._write_files()
        for name, text in WEB.items():
            (self.folder / "web" / name).write_text(text)
        for name in {piece.file for piece in self._pieces}:
            file = self.folder / "jitsi-verifier" / name
            removed = {
                number
                for piece in self._pieces
                if piece.file == name
                for number in range(piece.first, piece.last + 1)
            }
            lines = file.read_text().splitlines(keepends=True)
            file.write_text("".join(x for at, x in enumerate(lines) if at not in removed))
