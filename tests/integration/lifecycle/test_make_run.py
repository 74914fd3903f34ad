"""``make run``: a demo with its own environment, and one notice."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.processes import COMMAND, DEADLINE, free_port, wait_until

# Each of these would end or change the service if the demo read it.
SHELL = {
    "JWT_APP_ID": "portal",
    "JWT_APP_SECRET": "short",
    "JWT_SIGN_TYPE": "none",
    "JWT_APP_SECRET_FILE": "/not/there",
    "XMPP_DOMAIN": "a..b",
    "ENABLE_AUTH": "1",
    "AUTH_TYPE": "jwt",
    "VERIFIER_CONFIG": "/not/there.toml",
    "VERIFIER_LISTEN": "nowhere",
    "VERIFIER_POLICY_REQUIRE_JIT": "1",
}


def test_demo_ignores_the_shell_and_has_one_notice(tmp_path: Path) -> None:
    """The commands of ``make run`` with other ports, since 8090 may be in use."""
    done = subprocess.run(
        ["make", "--dry-run", "run"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    port, admin = free_port(), free_port()
    config = tmp_path / "demo.toml"
    listen = f'listen = "127.0.0.1:{port}"\nadmin_listen = "127.0.0.1:{admin}"\n'
    config.write_text(listen + (ROOT / "contrib/demo.toml").read_text("utf-8"))
    start = done.stdout.index("allowed=$(")
    script = done.stdout[start:].replace("contrib/demo.toml", str(config))
    script = script.replace(".venv/bin/jitsi-verifier", str(COMMAND))
    output = tmp_path / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            ["sh", "-c", script], cwd=ROOT, env=os.environ | SHELL, stdout=file, stderr=file
        )
    try:
        wait_until(
            lambda: '"event": "serving"' in output.read_text("utf-8"), "the demo", 3 * DEADLINE
        )
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE)
    text = output.read_text("utf-8")
    assert "Allowed:" in text
    assert "Denied:" in text
    events = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    notices = [event["notice"] for event in events if event["event"] == "configuration notice"]
    assert len(notices) == 1, notices
    assert re.search("app_secret .*a published example", notices[0])
