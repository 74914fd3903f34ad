"""Completion in real shells, which must not start Python for it."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.commands import Run
from tests.support.processes import wait_until

Complete = Callable[..., set[str]]

COMMANDS = {"serve", "explain", "mint", "check-config", "replay", "completion"}
COMMANDS |= {"revoke", "revocations"}
_BASH = """
source "$1"; shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_jitsi_verifier
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def home(run: Run, tmp_path: Path) -> Path:
    """Return a folder with a script for each shell, a log and a folder, but no program."""
    for shell in ("bash", "zsh", "fish"):
        outcome = run("completion", shell)
        assert (outcome.status, outcome.err) == (0, "")
        (tmp_path / f"script.{shell}").write_text(outcome.out)
    (tmp_path / "access log.gz").touch()
    (tmp_path / "access.d").mkdir()
    return tmp_path


def shell(command: Sequence[str], home: Path) -> set[str]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, cwd=home, env=environ, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return {line.partition("\t")[0] for line in done.stdout.splitlines() if line}


def bash(home: Path, *words: str) -> set[str]:
    """Return the completions of bash for the last word."""
    script = str(home / "script.bash")
    return shell(("bash", "--norc", "-c", _BASH, "-", script, "jitsi-verifier", *words), home)


def fish(home: Path, *words: str) -> set[str]:
    """Return the completions of fish for the last word."""
    line = " ".join(("jitsi-verifier", *words))
    script = 'source script.fish; complete -C "$argv[1]"'
    return shell(("fish", "--no-config", "-c", script, line), home)


@pytest.mark.parametrize("complete", [bash, fish])
def test_commands_options_and_choices_are_completed(complete: Complete, home: Path) -> None:
    assert complete(home, "") >= COMMANDS
    assert complete(home, "rep") == {"replay"}
    assert complete(home, "--v") == {"--version"}
    assert complete(home, "replay", "--fa") == {"--fail-on-denied"}
    assert complete(home, "mint", "--room", "standup", "--mod") == {"--moderator"}
    assert complete(home, "completion", "z") == {"zsh"}
    assert complete(home, "completion", "") == {"bash", "zsh", "fish"}


@pytest.mark.parametrize("complete", [bash, fish])
def test_file_names_are_completed_only_for_files(complete: Complete, home: Path) -> None:
    logs = {name.rstrip("/").replace("\\", "") for name in complete(home, "replay", "acc")}
    assert logs == {"access log.gz", "access.d"}
    assert complete(home, "serve", "--config", "script.b") == {"script.bash"}
    assert complete(home, "replay", "--host", "acc") == set()


def test_bash_completes_a_value_after_an_equals_sign(home: Path) -> None:
    assert bash(home, "serve", "--config", "=", "script.b") == {"script.bash"}
    assert bash(home, "serve", "--config", "=") >= {"script.bash"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("rep", "replay "),
        ("replay --fa", "replay --fail-on-denied "),
        ("replay acc", "replay access"),
        ("serve --config script.b", "serve --config script.bash "),
        ("completion z", "completion zsh "),
    ],
)
def test_zsh_completes_on_a_terminal(home: Path, typed: str, completed: str) -> None:
    terminal, shell_side = pty.openpty()
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb"}
    process = subprocess.Popen(
        ["zsh", "-f", "-i"],
        cwd=home,
        env=environ,
        stdin=shell_side,
        stdout=shell_side,
        stderr=shell_side,
        start_new_session=True,
    )
    os.close(shell_side)
    os.set_blocking(terminal, False)
    seen = ""

    def shown(words: str) -> bool:
        nonlocal seen
        seen += os.read(terminal, 65_536).decode(errors="replace")
        return words in seen

    try:
        os.write(terminal, b'autoload -U compinit; compinit -u; eval "$(<script.zsh)"\n')
        os.write(terminal, b"print READ''Y\n")
        wait_until(lambda: shown("READY"), "zsh")
        os.write(terminal, f"jitsi-verifier {typed}\t".encode())
        wait_until(lambda: shown(f"jitsi-verifier {completed}"), "zsh's completion")
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
