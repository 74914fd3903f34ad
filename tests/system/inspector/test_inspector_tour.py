"""The tutorial's steps with the real service: serve, deny, explain, mint."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.processes import COMMAND, get, running_verifier
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


async def test_tutorial_shows_what_the_service_does(tmp_path: Path) -> None:
    tutorial, makefile = (
        (ROOT / name).read_text("utf-8") for name in ("docs/tutorial.md", "Makefile")
    )
    name = DEMO.relative_to(ROOT)
    assert f"serve --config {name}\n" in makefile
    assert f"$ export VERIFIER_CONFIG={name}\n" in tutorial
    with running_verifier(tmp_path, DEMO) as verifier:
        base = f"http://127.0.0.1:{verifier.port}"
        token = command("mint", "--room", "demo", "--user", "Ada", "--moderator")
        denied = f"/ext-authz/other?jwt={token}"
        assert get(verifier.port, denied).code == "room-mismatch"
        printed = command("explain", base + denied).splitlines()
        shown = [line.strip() for line in tutorial.splitlines()]
        start = shown.index("This token is for the room demo; the link opens other.")
        assert shown[start : start + 4] == printed[:4]
        start = shown.index("✗ room            expected demo; found other")
        assert shown[start : start + 3] == printed[-3:]
        async with inspector(tmp_path, verifier) as page:
            assert (await page.inspect(base + denied)).endswith("Denied: room-mismatch")
            mint = ("mint", "--room", "other", "--user", "Ada", "--moderator")
            link = ("--url", "https://meet.example.org")
            assert " ".join(mint) in tutorial
            assert " ".join(link) in tutorial
            assert verifier.ask("/other", command(*mint)).status == 200
            assert await page.inspect(command(*mint, *link)) == "Allowed"
