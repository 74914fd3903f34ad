"""Help, manual page and exit statuses agree with each other and with what happens."""

from __future__ import annotations

import os
import re
import runpy
import signal
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.access_logs import line, token
from tests.support.commands import Run
from tests.support.paths import ROOT
from tests.support.processes import COMMAND, free_port, running_verifier
from tests.support.tokens import SECRET
from verifier.cli.main import program
from verifier.version import VERSION

MANUAL_PAGE = ROOT / "contrib/man/jitsi-verifier.1"
COMMANDS_PAGE = ROOT / "docs" / "commands.md"
ENVIRON = {
    "PATH": os.environ["PATH"],
    "JWT_APP_ID": "app",
    "JWT_APP_SECRET": SECRET,
    "XMPP_DOMAIN": "meet.jitsi",
}
COMMANDS = sorted(program().commands)
_STATUS = re.compile(r"^  (\d+) ", re.MULTILINE)


def documented_statuses(page: str) -> set[int]:
    section = page.partition("\nEXIT STATUS:\n")[2].partition("\n\n")[0]
    return {int(number) for number in _STATUS.findall(section)}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_the_sections_of_a_manual_page(run: Run, command: str) -> None:
    page = run(command, "--help").out
    first = page.partition("\n")[0]
    assert re.fullmatch(rf"jitsi-verifier {command} - \S.{{10,60}}", first)
    assert f"\nusage: jitsi-verifier {command}" in page
    assert {0, 2} <= documented_statuses(page)
    reads_configuration = "--config" in page
    for title in ("ENVIRONMENT", "FILES"):
        assert (f"\n{title}:\n" in page) == reads_configuration


def test_help_of_serve_lists_the_configuration_options(run: Run) -> None:
    page = run("serve", "--help").out
    for name in ("app_id, JWT_APP_ID\n", "mode, VERIFIER_MODE\n", "VERIFIER_ADMIN_TOKEN_FILE\n"):
        assert name in page


def test_help_fits_the_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for command in COMMANDS:
        page = run(command, "--help").out
        long = [row for row in page.splitlines() if len(row) > 80]
        assert all(row.startswith("  ") for row in long)
        # Command lines and lists of names are not wrapped.
        assert all("$" in row or ", " in row for row in long), long


def test_commands_page_has_every_command_and_status(run: Run) -> None:
    page = COMMANDS_PAGE.read_text("utf-8")
    table = page.partition("## Exit statuses")[2].partition("\n##")[0]
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", table, re.MULTILINE))
    assert sorted(rows) == COMMANDS
    for command, row in rows.items():
        own = documented_statuses(run(command, "--help").out) - {2, 78, 130}
        assert {int(number) for number in re.findall(r"\b(\d+)\b", row)} == own, command


def test_manual_page_is_the_generated_one() -> None:
    page = runpy.run_path(str(MANUAL_PAGE.with_name("build.py")))["build"]()
    assert MANUAL_PAGE.read_text("utf-8") == page, "make man"


def test_manual_page_is_correct_for_mandoc() -> None:
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", MANUAL_PAGE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_version_has_the_versions_for_a_bug_report(run: Run) -> None:
    outcome = run("--version")
    lines = outcome.out.splitlines()
    assert (outcome.status, outcome.err) == (0, "")
    assert lines[0] == f"jitsi-verifier {VERSION}"
    assert lines[1] == "Python {}.{}.{}".format(*sys.version_info[:3])
    assert f"aiohttp {version('aiohttp')}" in lines


def status_of(*arguments: str, stdin: bytes = b"", **environ: str) -> int:
    done = subprocess.run(
        [COMMAND, *arguments], env=ENVIRON | environ, input=stdin, capture_output=True, check=False
    )
    assert b"Traceback" not in done.stderr
    return done.returncode


@pytest.mark.slow
def test_explain_ends_with_a_documented_status() -> None:
    good = token(exp=2**40).encode()
    assert status_of("explain", "-", "--room", "standup", stdin=good) == 0
    assert status_of("explain", "-", "--room", "retro", stdin=good) == 1
    assert status_of("explain") == 2
    assert status_of("explain", "-", JWT_APP_ID="") == 78


@pytest.mark.slow
def test_mint_ends_with_a_documented_status() -> None:
    assert status_of("mint", "--room", "standup") == 0
    assert status_of("mint") == 2
    assert status_of("mint", "--room", "standup", JWT_APP_ID="") == 78


@pytest.mark.slow
def test_replay_ends_with_a_documented_status() -> None:
    log = line("/standup").encode()
    assert status_of("replay", "-", stdin=log) == 0
    assert status_of("replay", "-", "--fail-on-denied", stdin=log) == 1
    assert status_of("replay", "-", stdin=b"BZh91AY") == 1
    assert status_of("replay", "no-such.log") == 2
    assert status_of("replay", "-", JWT_APP_ID="") == 78
    assert status_of("replay", "-", JWT_APP_SECRET="", JWT_ASAP_KEYSERVER="ftp://x") == 78


@pytest.mark.slow
def test_completion_ends_with_a_documented_status() -> None:
    assert status_of("completion", "bash") == 0
    assert status_of("completion", "ksh") == 2


@pytest.mark.slow
def test_serve_ends_with_a_documented_status(tmp_path: Path) -> None:
    with running_verifier(tmp_path, JWT_APP_ID="app", JWT_APP_SECRET=SECRET) as verifier:
        verifier.process.send_signal(signal.SIGTERM)
        assert verifier.process.wait(20) == 0
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        admin = f"127.0.0.1:{free_port()}"
        assert status_of("serve", VERIFIER_LISTEN=listen, VERIFIER_ADMIN_LISTEN=admin) == 1
    assert status_of("serve", "--no-such") == 2
    assert status_of("serve", JWT_APP_ID="") == 78


def test_interrupted_replay_ends_with_130_and_no_traceback() -> None:
    process = subprocess.Popen(
        # A shell lets commands in the background ignore the signal.
        ["env", "--default-signal=INT", COMMAND, "replay", "-"],
        env=ENVIRON,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    # More than the pipe holds, so that this returns only after the command has begun to read.
    process.stdin.write(line("/standup").encode() * 5_000)
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert b"Traceback" not in err
    assert process.returncode == 130
