"""The command line as a whole: exit statuses, help, and no traceback for any arguments."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.commands import Run
from tests.support.processes import COMMAND, running_verifier
from tests.support.tokens import SECRET
from verifier.cli import main
from verifier.rules import engine
from verifier.version import VERSION

ENVIRON = {
    "PATH": os.environ["PATH"],
    "JWT_APP_ID": "app",
    "JWT_APP_SECRET": SECRET,
    "XMPP_DOMAIN": "meet.jitsi",
}
GARBAGE = st.text(max_size=30) | st.sampled_from(
    (
        *("-", "--json", "--url", "--room", "--room-jid", "--tenant", "--now", "--expires"),
        *("nan", "1e400", "9d", "*", "//", "\udcff", "a.b.c", "https://[::1/"),
        "https://h/r?jwt=a&jwt=b",
    )
)


def installed(*arguments: str, stdin: bytes = b"", **environ: str) -> tuple[int, str, str]:
    """Run the installed console script."""
    done = subprocess.run(
        [COMMAND, *arguments], env=ENVIRON | environ, input=stdin, capture_output=True, check=False
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def on_a_terminal(*arguments: str, **environ: str) -> str:
    """Run the installed console script with its output on a terminal."""
    ours, theirs = pty.openpty()
    environ = ENVIRON | {"TERM": "xterm"} | environ
    with subprocess.Popen([COMMAND, *arguments], env=environ, stdout=theirs) as process:
        os.close(theirs)
        written = b""
        try:
            while chunk := os.read(ours, 65_536):
                written += chunk
        except OSError:  # Linux raises this when the other side has closed
            pass
        process.wait()
    os.close(ours)
    return written.decode()


@pytest.mark.slow
def test_explain_reads_a_minted_token_from_standard_input() -> None:
    status, token, _ = installed("mint", "--room", "standup", "--moderator")
    assert status == 0
    status, out, err = installed("explain", "-", "--room", "standup", stdin=token.encode())
    assert (status, err) == (0, "")
    assert "allowed" in out
    assert installed("explain", token.strip(), "--room", "retro")[0] == 1


@pytest.mark.slow
def test_colour_only_on_terminals_that_support_it() -> None:
    command = ("explain", "--room", "standup")
    assert "\x1b[" in on_a_terminal(*command)
    assert "\x1b[" not in on_a_terminal(*command, NO_COLOR="1")
    assert "\x1b[" not in on_a_terminal(*command, TERM="dumb")
    assert "\x1b[" not in installed(*command)[1]


def test_python_m_verifier_is_the_same_command() -> None:
    command = [sys.executable, "-m", "verifier", "--version"]
    done = subprocess.run(command, env=ENVIRON, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.partition("\n")[0]) == (0, f"jitsi-verifier {VERSION}")


def test_version_names_the_kind_of_build() -> None:
    _, out, _ = installed("--version")
    is_compiled = any(engine.__file__.endswith(suffix) for suffix in EXTENSION_SUFFIXES)
    assert f"\nbuild {'compiled' if is_compiled else 'pure Python'}\n" in out


def test_terminal_with_another_encoding_works() -> None:
    status, out, err = installed("explain", "x", PYTHONIOENCODING="ascii")
    assert (status, err) == (1, "")
    assert "token-malformed" in out


def test_closed_pipe_causes_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [COMMAND, "explain", "x"], env=ENVIRON, stdout=closed, stderr=-1, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"")


def shell(script: str) -> tuple[int, bytes]:
    command = ["sh", "-c", script, "sh", str(COMMAND)]
    done = subprocess.run(command, env=ENVIRON, capture_output=True, check=False)
    return done.returncode, done.stderr


def test_output_error_is_reported() -> None:
    expected = b"jitsi-verifier: No space left on device\n"
    assert shell('exec "$1" completion bash >/dev/full') == (1, expected)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ["mint --room x", "replay /dev/null", "explain x"])
def test_closed_streams_do_not_change_the_status(arguments: str) -> None:
    status, _ = shell(f'exec "$1" {arguments}')
    assert shell(f'exec "$1" {arguments} >&- 2>&-') == (status, b"")


def test_closed_standard_input_is_wrong_usage() -> None:
    script = f"exec '{COMMAND}' explain - <&-"
    done = subprocess.run(["sh", "-c", script], env=ENVIRON, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


@pytest.mark.slow
def test_unusable_configuration_lists_all_problems_and_ends_with_78() -> None:
    for command in (["serve"], ["explain", "a.b.c"], ["mint", "--room", "x"]):
        status, out, err = installed(*command, JWT_APP_ID="", VERIFIER_LISTEN="nowhere")
        assert (status, out) == (78, "")
        assert "JWT_APP_ID" in err
        assert "VERIFIER_LISTEN" in err
        assert SECRET not in err


@pytest.mark.slow
def test_serve_answers_requests(tmp_path: Path) -> None:
    with running_verifier(tmp_path, JWT_APP_ID="app", JWT_APP_SECRET=SECRET) as verifier:
        assert verifier.ask("/standup").code == "token-missing"


@pytest.mark.parametrize("command", [[], ["serve"], ["explain"], ["mint"]])
def test_every_command_has_help(run: Run, command: list[str]) -> None:
    outcome = run(*command, "--help")
    assert outcome.status == 0
    assert "usage: jitsi-verifier" in outcome.out


def test_help_warns_of_tokens_in_the_list_of_processes(run: Run) -> None:
    assert "list of processes" in run("explain", "--help").out


@pytest.mark.parametrize("arguments", [[], ["guess"], ["explain", "--no-such"], ["mint"]])
def test_wrong_usage_ends_with_2(run: Run, arguments: list[str]) -> None:
    outcome = run(*arguments)
    assert outcome.status == 2
    assert "usage:" in outcome.err


def test_usage_error_quotes_no_token(run: Run) -> None:
    token = "eyJ0eXAiOiJKV1QifQ.eyJpc3MiOiJhIn0.c2lnbmF0dXJl"
    for arguments in ([token], ["explain", "a", token], ["explain", "a", "--now", token]):
        outcome = run(*arguments)
        assert outcome.status == 2
        assert token[:12] not in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("command", ["explain", "mint"])
@given(arguments=st.lists(GARBAGE, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_arguments_cause_a_traceback(
    configured: Callable[..., None], command: str, arguments: list[str]
) -> None:
    del configured
    out, err = io.StringIO(), io.StringIO()
    stdin, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(b"\xffgarbage"))
    try:
        with redirect_stdout(out), redirect_stderr(err):
            status = main([command, *arguments])
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    finally:
        sys.stdin = stdin
    assert status in (0, 1, 2)
    assert SECRET not in out.getvalue() + err.getvalue()
