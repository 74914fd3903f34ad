"""The steps of the tutorial in the browser."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.processes import COMMAND, running_verifier
from tests.system.inspector.inspector_page import inspector
from tests.system.inspector.screenshots import DEMO


def command(*arguments: str) -> str:
    done = subprocess.run(
        [COMMAND, *arguments],
        env={"VERIFIER_CONFIG": str(DEMO)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


async def test_tutorial_shows_what_the_inspector_does(tmp_path: Path) -> None:
    tutorial = (ROOT / "docs/tutorial.md").read_text("utf-8")
    with running_verifier(tmp_path, DEMO) as verifier:
        base = f"http://127.0.0.1:{verifier.port}"
        token = command("mint", "--room", "demo", "--user", "Ada", "--moderator")
        async with inspector(tmp_path, verifier) as page:
            denied = f"{base}/ext-authz/other?jwt={token}"
            assert (await page.inspect(denied)).endswith("Denied: room-mismatch")
            mint = ("mint", "--room", "other", "--user", "Ada", "--moderator")
            link = ("--url", "https://meet.example.org")
            assert " ".join((*mint, *link)) in tutorial
            assert await page.inspect(command(*mint, *link)) == "Allowed"
