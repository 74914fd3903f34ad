"""``make install`` on a Debian, with the commands of its page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import blocks
from tests.support.paths import DOCS
from tests.system.packages.lifecycle import CONFIGURATION, SECRET, Machine
from tests.system.prosody.copies import DebianCopy
from tests.system.prosody.package import CHECKOUT, check_out, network_variables
from tests.system.prosody.releases import this_release

(INSTALL,) = blocks((DOCS / "packages.md").read_text("utf-8"), "sh")
SYSTEMCTL = Path(__file__).parents[1] / "prosody/debian/systemctl"
FOLDERS = "/usr/local /etc/systemd"


@pytest.fixture
def debian(tmp_path: Path) -> Iterator[DebianCopy]:
    with DebianCopy(this_release(), tmp_path, own_network=True) as copy:
        check_out(copy, tmp_path)
        copy.write("/usr/local/bin/systemctl", SYSTEMCTL.read_text("utf-8"), 0o755)
        yield copy


def test_installed_service_runs_and_is_removed(debian: DebianCopy) -> None:
    before = debian.run(f"find {FOLDERS} ! -type d | sort")
    debian.run(INSTALL, CHECKOUT, online=True, **network_variables())
    folder = "/etc/jitsi-verifier"
    debian.run(f"echo {SECRET} >{folder}/secret; echo '{CONFIGURATION}' >{folder}/verifier.toml")
    debian.run("systemctl enable --now jitsi-verifier")
    token = debian.run("/usr/local/bin/jitsi-verifier mint --room standup 2>/dev/null").strip()
    assert Machine(debian).ask_about_rooms(token) == "200, 403 room-mismatch"
    completions = "/usr/local/share/bash-completion/completions/jitsi-verifier"
    shown = debian.run(f"bash -c '. {completions}; complete -p jitsi-verifier'")
    assert shown.endswith("jitsi-verifier\n")
    # A package that cannot be installed: the service and the command stay as they were.
    debian.run("echo jitsi-verifier==0 --hash=sha256:0 >requirements.txt", CHECKOUT)
    failure = debian.run("make install 2>&1 || :", CHECKOUT, online=True, **network_variables())
    assert "make: ***" in failure
    debian.run("systemctl restart jitsi-verifier")
    assert Machine(debian).ask_about_rooms(token) == "200, 403 room-mismatch"
    debian.run("systemctl disable --now jitsi-verifier")
    debian.run("make uninstall", CHECKOUT)
    assert debian.run(f"find {FOLDERS} ! -type d | sort") == before
    assert debian.run(f"cat {folder}/verifier.toml").strip() == CONFIGURATION.strip()
