"""Completion by real shells, none of which may start Python for it."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.commands import Run
from tests.support.processes import wait_until

Offered = Callable[..., set[str]]

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
    """A folder with a script for each shell, a log and a folder, and no program at all."""
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
    """Give what bash would offer for the last word."""
    script = str(home / "script.bash")
    return shell(("bash", "--norc", "-c", _BASH, "-", script, "jitsi-verifier", *words), home)


def fish(home: Path, *words: str) -> set[str]:
    """Give what fish would offer for the last word."""
    line = " ".join(("jitsi-verifier", *words))
    script = 'source script.fish; complete -C "$argv[1]"'
    return shell(("fish", "--no-config", "-c", script, line), home)


@pytest.mark.parametrize("offered", [bash, fish])
def test_commands_options_and_words_are_completed(offered: Offered, home: Path) -> None:
    assert offered(home, "") >= COMMANDS
    assert offered(home, "rep") == {"replay"}
    assert offered(home, "--v") == {"--version"}
    assert offered(home, "replay", "--fa") == {"--fail-on-denied"}
    assert offered(home, "mint", "--room", "standup", "--mod") == {"--moderator"}
    assert offered(home, "completion", "z") == {"zsh"}
    assert offered(home, "completion", "") == {"bash", "zsh", "fish"}


@pytest.mark.parametrize("offered", [bash, fish])
def test_file_names_are_completed_where_files_are_wanted(offered: Offered, home: Path) -> None:
    logs = {name.rstrip("/").replace("\\", "") for name in offered(home, "replay", "acc")}
    assert logs == {"access log.gz", "access.d"}
    assert offered(home, "serve", "--config", "script.b") == {"script.bash"}
    assert offered(home, "replay", "--host", "acc") == set()


def test_bash_takes_an_option_and_its_value_in_one_word(home: Path) -> None:
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
def test_zsh_completes_on_its_own_terminal(home: Path, typed: str, completed: str) -> None:
    terminal, theirs = pty.openpty()
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb"}
    process = subprocess.Popen(
        ["zsh", "-f", "-i"],
        cwd=home,
        env=environ,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
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
