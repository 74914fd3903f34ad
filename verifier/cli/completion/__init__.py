"""``completion``: scripts that let a shell complete commands, options and file names.

They are written from the parser and then stand for themselves: a shell that completes starts no
Python. Libraries for this either start one at every key press, or know no fish.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Final

from verifier.cli.arguments import Parser, add_command
from verifier.cli.completion.bash import bash
from verifier.cli.completion.fish import fish
from verifier.cli.completion.zsh import zsh
from verifier.cli.manual import Manual

_SUMMARY: Final = "print a script for a shell to complete commands with"
_DESCRIPTION: Final = """\
Prints a script that lets a shell complete commands, options and file names. It
stands for itself: nothing is started when the shell completes. Make it anew
after an upgrade."""
_MANUAL: Final = Manual(
    {0: "The script was printed."},
    {},
    (
        ('eval "$(jitsi-verifier completion bash)"', "For this bash; or in ~/.bashrc."),
        (
            "jitsi-verifier completion bash > /etc/bash_completion.d/jitsi-verifier",
            "For everybody's bash.",
        ),
        (
            "jitsi-verifier completion zsh > /usr/local/share/zsh/site-functions/_jitsi-verifier",
            "For everybody's zsh.",
        ),
        (
            "jitsi-verifier completion fish > ~/.config/fish/completions/jitsi-verifier.fish",
            "For fish.",
        ),
    ),
)

_SHELLS: Final[Mapping[str, Callable[[Parser], str]]] = {"bash": bash, "zsh": zsh, "fish": fish}


def add(commands: argparse._SubParsersAction[Parser], program: Parser) -> None:
    """Add the sub-command.

    Args:
        commands: Where to.
        program: What is to be completed.
    """
    parser = add_command(commands, "completion", _SUMMARY, _DESCRIPTION, _MANUAL)
    parser.add_argument("shell", choices=tuple(_SHELLS), help="bash, zsh or fish")

    def run(options: argparse.Namespace) -> int:
        sys.stdout.write(_SHELLS[options.shell](program))
        return 0

    parser.set_defaults(run=run, parser=parser)
