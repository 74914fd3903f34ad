"""Which user was refused, and why: the logs of a running service, and the documented searches."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.documents import blocks, section
from tests.support.paths import DOCS
from tests.support.processes import (
    COMMAND,
    RunningVerifier,
    get,
    post,
    running_verifier,
    wait_until,
)
from tests.support.tokens import SECRET, sign

CLAIMS = {
    "iss": "app",
    "aud": "jitsi",
    "sub": "*",
    "room": "demo",
    "jti": "t-1",
    "context": {"user": {"id": "u-1", "name": "Ada", "email": "ada@example.org"}},
}
CLIENT = "203.0.113.7"
FIELDS = ("client", "user_id", "user_name", "token_id", "expected", "found")
ADA = (CLIENT, "u-1", "Ada", "t-1", "demo", "other")


@dataclass(frozen=True)
class Logs:
    """A running service and its two logs."""

    verifier: RunningVerifier
    audit: Path

    def ask(self, uri: str, *, client: str = CLIENT, request_id: str = "r-1") -> None:
        headers = {"X-Original-URI": uri, "X-Real-IP": client, "X-Request-Id": request_id}
        assert get(self.verifier.port, "/auth", headers).status in {401, 403}

    def lines(self, request_id: str) -> list[dict[str, Any]]:
        """Return the line of the log and that of the audit log about one request."""

        def found() -> list[dict[str, Any]]:
            # The last line may still be written.
            texts = [*self.verifier.log.split("\n")[:-1], *self.audited()]
            return [line for line in map(json.loads, texts) if line.get("request_id") == request_id]

        wait_until(lambda: len(found()) == 2, "two lines")
        return found()

    def audited(self) -> list[str]:
        return self.audit.read_text("utf-8").split("\n")[:-1] if self.audit.exists() else []


def run_service(tmp_path: Path, **options: Any) -> Iterator[Logs]:
    audit = tmp_path / "audit.log"
    environ: dict[str, Any] = {
        "JWT_APP_ID": "app",
        "JWT_APP_SECRET": SECRET,
        "VERIFIER_AUDIT_LOG": str(audit),
    }
    with running_verifier(tmp_path, **environ, **options) as verifier:
        yield Logs(verifier, audit)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logs]:
    yield from run_service(tmp_path_factory.mktemp("service"))


def test_denials_name_client_user_and_cause(logs: Logs) -> None:
    logs.ask(f"/other?jwt={sign(CLAIMS)}", request_id="named")
    for line in logs.lines("named"):
        assert tuple(line[name] for name in FIELDS) == ADA
        assert line["code"] == "room-mismatch"
        assert line["cure"].startswith("This token is for the room demo; the link opens other.")
        assert "ada@example.org" not in json.dumps(line)
        assert "eyJ" not in json.dumps(line)


def test_claims_of_a_forged_token_are_not_logged(logs: Logs) -> None:
    forged = sign(CLAIMS, key="x" * 40)
    logs.ask(f"/demo?jwt={forged}", request_id="forged")
    for line in logs.lines("forged"):
        assert (line["code"], line["client"]) == ("signature-invalid", CLIENT)
        assert not {"user_id", "user_name"} & line.keys()
        assert not {"Ada", "u-1", "t-1"} & set(re.findall(r"[\w-]+", json.dumps(line)))
        assert line["token_id"].startswith("sha256:")


def test_client_is_an_address_or_absent(logs: Logs) -> None:
    for number, sent in enumerate(('1.2.3.4", "x": "', "1.2.3.4, 5.6.7.8", "unix:", "ada")):
        logs.ask("/demo", client=sent, request_id=f"bad-{number}")
        for line in logs.lines(f"bad-{number}"):
            assert "client" not in line


def test_every_decision_endpoint_names_the_client(logs: Logs) -> None:
    port, headers = logs.verifier.port, {"X-Real-IP": CLIENT}
    body = json.dumps({"token": sign(CLAIMS), "room_jid": "other@conference.meet.example.org"})
    post(port, "/v1/verify", body.encode(), headers | {"X-Request-Id": "verify"})
    bearer = {"Authorization": f"Bearer {sign(CLAIMS | {'exp': 1})}"}
    get(port, "/access", headers | bearer | {"X-Request-Id": "access"})
    for request_id in ("verify", "access"):
        for line in logs.lines(request_id):
            assert (line["client"], line["user_name"]) == (CLIENT, "Ada")


def test_documented_searches_find_the_user(logs: Logs) -> None:
    logs.ask(f"/other?jwt={sign(CLAIMS)}", request_id="searched")
    logs.lines("searched")
    page = (DOCS / "monitoring.md").read_text("utf-8")
    text = section(page, "Why was this user refused?")
    commands = blocks(text, "sh")
    assert len(commands) == 3
    shown = re.findall(r"^  \w+ ", text, re.MULTILINE)
    assert shown
    for command in commands:
        text = command.replace("/var/log/jitsi-verifier/audit.log", str(logs.audit))
        text = text.replace("09:00", datetime.fromtimestamp(time.time(), UTC).strftime("%H:%M:%S"))
        # The log of this service stands in for journald's.
        script = f'journalctl() {{ cat "$LOG"; }}\n{text}'
        environ = {
            "PATH": f"{COMMAND.parent}:{os.environ['PATH']}",
            "TZ": "UTC",
            "LOG": str(logs.verifier.log_path),
            "VERIFIER_AUDIT_LOG": str(logs.audit),
            "JWT_APP_ID": "app",
            "JWT_APP_SECRET": SECRET,
        }
        done = subprocess.run(
            ["bash", "-c", script], env=environ, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), command
        assert "This token is for the room demo; the link opens other." in done.stdout
        if "why" in command:
            assert [label for label in shown if label not in done.stdout] == []


@pytest.mark.parametrize(
    ("option", "value", "left_out"),
    [
        ("VERIFIER_LOG_PERSONAL_DATA", "false", {"client", "user_id", "user_name"}),
        ("VERIFIER_TRUSTED_PROXIES", "192.0.2.0/24", {"client"}),
    ],
)
def test_options_leave_personal_data_out(
    tmp_path: Path, option: str, value: str, left_out: set[str]
) -> None:
    for logs in run_service(tmp_path, **{option: value}):
        logs.ask(f"/other?jwt={sign(CLAIMS)}")
        for line in logs.lines("r-1"):
            assert {name for name in FIELDS if name not in line} == left_out
