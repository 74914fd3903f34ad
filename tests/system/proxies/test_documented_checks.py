"""The commands in "Check that it works" give the documented output with nginx."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.documents import checks
from tests.support.paths import CONTRIB, DOCS
from tests.system.nginx.sites import COMMAND
from tests.system.proxies.gates import RealGate
from tests.system.proxies.programs import HOST

GUIDE = DOCS / "debian-nginx.md"


def outputs(gate: RealGate, lines: list[str], home: Path) -> list[str]:
    """Run the commands in one shell, against this gate instead of the host; return outputs."""
    address = f"{HOST}:80:127.0.0.1:{gate.proxy.port}"
    (home / ".curlrc").write_text(f'connect-to = "{address}"\n')
    script = "; echo ----\n".join(line.partition("   #")[0] for line in lines)
    environ = gate.sidecar.environ | {
        "HOME": str(home),
        "PATH": f"{COMMAND.parent}:{os.environ['PATH']}",
    }
    script = script.replace("https://", "http://").replace(
        " --config /etc/jitsi-verifier/verifier.toml", ""
    )
    done = subprocess.run(
        ["bash", "-c", script], env=environ, capture_output=True, text=True, check=True
    )
    return done.stdout.split("----\n")


@pytest.mark.parametrize("gate", ["nginx"], indirect=True)
def test_documented_checks_pass(gate: RealGate, tmp_path: Path) -> None:
    lines = [line for line in checks(GUIDE) if not line.startswith("tail ")]
    assert len(lines) >= 6
    for line, output in zip(lines, outputs(gate, lines, tmp_path), strict=True):
        expected = line.partition("   # ")[2]
        if expected == "in German":
            title = re.search("<title>.*</title>", (CONTRIB / "nginx/pages/de.html").read_text())
            assert title is not None
            expected = title[0]
        assert expected in output, line
