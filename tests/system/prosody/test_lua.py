from __future__ import annotations

import subprocess

from tests.system.prosody.prosody import CONTRIB, HERE


def run(*command: str) -> str:
    """Run a command in the modules' folder; give what it wrote, and fail as it fails."""
    done = subprocess.run(command, cwd=CONTRIB, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_luacheck_finds_nothing() -> None:
    plugins = str(HERE / "plugins")
    assert "0 warnings / 0 errors" in run("luacheck", "--no-color", ".", plugins)


def test_the_specs_of_the_pure_parts_hold() -> None:
    assert "0 failures / 0 errors / 0 pending" in run("busted")
