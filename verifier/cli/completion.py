"""``completion``: scripts that let a shell complete commands, options and file names.

The library ``shtab`` writes each script from the parser. The script then works alone: no Python
starts when a shell completes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import shtab

from verifier.cli.arguments import Parser, add_command
from verifier.cli.manual import Manual

_SHELLS: Final = ("bash", "zsh", "fish")
_SUMMARY: Final = "print a completion script for a shell"
_DESCRIPTION: Final = """\
Prints a script that lets a shell complete commands, options and file names. No
other program starts when the shell completes. Print the script again after an
upgrade."""
_MANUAL: Final = Manual(
    {0: "The script was printed."},
    {},
    (
        (
            'eval "$(jitsi-verifier completion bash)"',
            "Enable it in this bash, or in each one from ~/.bashrc.",
        ),
        (
            "jitsi-verifier completion bash > /etc/bash_completion.d/jitsi-verifier",
            "Install it for bash, for all users.",
        ),
        (
            "jitsi-verifier completion zsh > /usr/local/share/zsh/site-functions/_jitsi-verifier",
            "Install it for zsh, for all users.",
        ),
        (
            "jitsi-verifier completion fish > ~/.config/fish/completions/jitsi-verifier.fish",
            "Install it for fish.",
        ),
    ),
)

# bash hands over "--config=FILE" as three words, which shtab's function does not know.
_BASH_WORDS: Final = """
_jitsi_verifier() {
  local word words=() shift=0 index=0
  for word in "${COMP_WORDS[@]}"; do
    if [[ $word == "=" && $index -lt $COMP_CWORD ]]; then shift=$((shift + 1));
    elif [[ $word == "=" ]]; then words+=("");
    else words+=("$word"); fi
    index=$((index + 1))
  done
  COMP_WORDS=("${words[@]}")
  COMP_CWORD=$((COMP_CWORD - shift))
  _shtab_jitsi_verifier "$@"
}
complete -o bashdefault -F _jitsi_verifier jitsi-verifier
"""


def add(commands: argparse._SubParsersAction[Parser], program: Parser) -> None:
    """Add the sub-command.

    Args:
        commands: The parser's sub-commands.
        program: The parser of the whole command line, which the script completes.
    """
    parser = add_command(commands, "completion", _SUMMARY, _DESCRIPTION, _MANUAL)
    parser.add_argument("shell", choices=_SHELLS, help="bash, zsh or fish")

    def run(options: argparse.Namespace) -> int:
        _prepare(program)
        script = shtab.complete(program, options.shell)
        sys.stdout.write(script + (_BASH_WORDS if options.shell == "bash" else ""))
        return 0

    parser.set_defaults(run=run, parser=parser)


def _prepare(parser: Parser) -> None:
    """Mark the values that are file names, and make each command's summary its description."""
    for action in parser.arguments:
        metavar = str(action.metavar or "")
        if action.type is Path or metavar.startswith(("FILE", "ACCESS_LOG", "AUDIT_LOG")):
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab's own attribute
    for command in parser.commands.values():
        command.description = command.summary
        _prepare(command)
