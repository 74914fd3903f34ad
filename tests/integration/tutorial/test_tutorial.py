"""The commands of the tutorial and of the README, one after the other, with their output.

They run in a network of their own, in which the ports of the demo are free.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from tests.support.documents import blocks, shows, transcript
from tests.support.paths import DOCS, ROOT
from tests.support.processes import DEADLINE

TUTORIAL: Final = (DOCS / "tutorial.md").read_text("utf-8")
README: Final = (ROOT / "README.md").read_text("utf-8")
READY: Final = "until curl -sfo /dev/null http://127.0.0.1:8091/readyz; do sleep 0.1; done"
"""What a reader sees in the first terminal before the second one is used."""
END_OF_OUTPUT: Final = "---- end of output ----"


def outputs(first: str, second: list[str], folder: Path) -> list[str]:
    """Run a command in a first terminal, and commands in a second; return the second's outputs."""
    (folder / "second").write_text(
        "\n".join(f"{command}\necho '{END_OF_OUTPUT}'" for command in second)
    )
    script = f"""
ip link set lo up
{first} >{folder}/first 2>&1 &
timeout {DEADLINE:.0f} sh -c '{READY}' || {{ cat {folder}/first; exit 1; }}
bash {folder}/second 2>&1
"""
    done = subprocess.run(
        ["unshare", "--net", "--pid", "--fork", "--kill-child", "bash", "-euc", script],
        cwd=ROOT,
        # The service is installed already, and this network has no package index.
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "MAKEFLAGS": "--old-file=.venv/.run"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.split(f"{END_OF_OUTPUT}\n")[:-1]


def first_command(page: str) -> str:
    """Return the command that starts the demo."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    (found,) = [line for line in lines if line.startswith("make run")]
    return found.partition("#")[0].strip()


def test_pages_show_what_their_commands_write(tmp_path: Path) -> None:
    steps = [
        step
        for page in (TUTORIAL, README)
        for block in blocks(page, "console")
        for step in transcript(block)
    ]
    assert first_command(README) == first_command(TUTORIAL)
    # The token that "make run" has printed; the README leaves most of it out.
    commands = [command.replace("jwt=eyJ0eXAi…", "jwt=$token") for command, _ in steps]
    found = outputs(first_command(TUTORIAL), commands, tmp_path)
    for (command, shown), output in zip(steps, found, strict=True):
        assert shows(output, shown), f"{command}\n{output}"


def test_another_output_than_a_page_shows_is_found() -> None:
    output = "HTTP/1.1 200 OK\nServer: jitsi-verifier\nX-Jitsi-Room: demo\n"
    assert shows(output, ["HTTP/1.1 200 OK", "X-Jitsi-Room: d…", "…"])
    assert not shows(output, ["HTTP/1.1 200 OK", "X-Jitsi-Room: other"])
    assert not shows(output, ["X-Jitsi-Room: demo", "HTTP/1.1 200 OK"])
