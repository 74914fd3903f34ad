"""The Lua modules themselves: luacheck and busted."""

from __future__ import annotations

import subprocess

from tests.system.prosody.prosody import CONTRIB, HERE


def run(*command: str) -> str:
    """Run a command in the modules' folder, which has to succeed; return its output."""
    done = subprocess.run(command, cwd=CONTRIB, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_luacheck_reports_nothing() -> None:
    plugins = str(HERE / "plugins")
    assert "0 warnings / 0 errors" in run("luacheck", "--no-color", ".", plugins)


def test_busted_specs_pass() -> None:
    assert "0 failures / 0 errors / 0 pending" in run("busted")
