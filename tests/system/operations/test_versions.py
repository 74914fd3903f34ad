"""Upgrade, return to the previous version, and uninstall, while good and bad tokens arrive."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.documents import section
from tests.support.paths import ROOT
from tests.support.processes import COMMAND, free_port, wait_until
from tests.support.tokens import SECRET
from tests.system.nginx.sites import JITSI, Nginx
from tests.system.operations.machine import PAGE, Machine, running_machine, steps
from tests.system.operations.stream import ALLOWED, BAD, EITHER, running_stream, token
from verifier.version import VERSION

OPTIONS: Final = f"""
app_id = "app"
app_secret = "{SECRET}"
workers = 2
"""
PREVIOUS: Final = "0.0.1"
PACKAGES: Final = f"lib/python3.{sys.version_info.minor}/site-packages"
# Makes the environment with the Python of the tests, which finds the packages of the tests. So pip
# downloads none, and builds with the installed tools.
PYTHON: Final = f"""#!/bin/sh
"{sys.executable}" "$@" && echo "{COMMAND.parent.parent / PACKAGES}" > "$3/{PACKAGES}/tests.pth"
"""


def install_previous(folder: Path) -> None:
    """Make ``/opt/jitsi-verifier`` as the guide makes it, with a previous version."""
    shutil.rmtree(folder)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = folder / PACKAGES
    shutil.copytree(ROOT / "verifier", packages / "verifier")
    metadata = packages / f"jitsi_verifier-{PREVIOUS}.dist-info/METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.4\nName: jitsi-verifier\nVersion: {PREVIOUS}\n")
    (packages / "tests.pth").write_text(f"{COMMAND.parent.parent / PACKAGES}\n")
    program = folder / "bin/jitsi-verifier"
    program.write_text(
        f"#!{folder}/bin/python\nfrom verifier.cli import main\nraise SystemExit(main())\n"
    )
    program.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path, OPTIONS, {}, has_socket=True)
    machine.environ["PIP_NO_BUILD_ISOLATION"] = "false"  # pip's word for: use installed tools
    install_previous(tmp_path / "opt/jitsi-verifier")
    (tmp_path / "bin/jitsi-verifier").symlink_to(tmp_path / "opt/jitsi-verifier/bin/jitsi-verifier")
    machine.command("python3", PYTHON)
    try:
        machine.start()
        yield machine
    finally:
        machine.close()


def test_upgrade_and_return_refuse_no_token(machine: Machine, tmp_path: Path) -> None:
    install, switch = (text.replace("0.2.0", VERSION) for text in steps("Upgrade"))
    (back,) = steps("Go back to the previous version")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "verifier", copy / "verifier")
    with running_stream(machine.port, {"good": token}) as stream:
        machine.run(f"cd {copy}\n{install}")
        assert machine.metric(f'build_info{{version="{PREVIOUS}"}}') == 1
        machine.run(switch)
        stream.flow()
        machine.run(back)
        assert machine.metric(f'build_info{{version="{PREVIOUS}"}}') == 1
    names = {each.name for each in (tmp_path / "opt").iterdir()}
    assert names == {"jitsi-verifier", "jitsi-verifier-previous", f"jitsi-verifier-{VERSION}"}


def test_restarts_refuse_no_token(tmp_path: Path) -> None:
    with (
        running_machine(tmp_path, OPTIONS) as machine,
        running_stream(machine.port, {"good": token}) as stream,
    ):
        for _ in range(3):
            machine.restart()
            stream.flow(2)


def test_uninstall_in_order_refuses_no_token(tmp_path: Path) -> None:
    assert re.findall(r"^\d\. (?:The )?(\w+)", section(PAGE, "Uninstall"), re.MULTILINE) == [
        *("proxy", "Prosody", "verifier")
    ]
    with running_machine(tmp_path / "machine", OPTIONS) as machine:
        nginx = Nginx(tmp_path / "nginx", JITSI, machine.port, free_port())
        try:
            with running_stream(nginx.port, {"good": token}, path="") as stream:
                for kind in BAD:
                    stream.expect(kind, EITHER)
                file = nginx.folder / "jitsi-verifier" / JITSI
                file.write_text(without_gate(file.read_text()))
                nginx.reload()
                wait_until(lambda: stream.codes["another room", 200, ""], "the end of the gate")
                wait_until(lambda: not is_asked(machine, stream.flow), "the last question")
                machine.stop()
                for kind in BAD:
                    stream.expect(kind, ALLOWED)
        finally:
            nginx.stop()


def without_gate(text: str) -> str:
    """Return nginx' example without the lines that "Undo" removes."""
    lines = text.replace("$jitsi_verifier_host", "$http_host").splitlines(keepends=True)
    return "".join([line for line in lines if "/jitsi-verifier" not in line])


def is_asked(machine: Machine, flow: object) -> bool:
    """Return whether nginx still asks the verifier."""
    assert callable(flow)
    sample = 'decision_duration_seconds_count{endpoint="auth"}'
    before = machine.metric(sample)
    flow()
    return machine.metric(sample) > before
