"""The script for zsh, to be evaluated or put where its functions are."""

from __future__ import annotations

import argparse
import re
import shlex
from string import Template
from typing import Final

from verifier.cli.arguments import Parser
from verifier.cli.completion.words import choices, is_file, options, positionals, takes_value

_SCRIPT: Final = Template("""\
#compdef jitsi-verifier
# zsh completion for jitsi-verifier
_jitsi_verifier() {
    local context state state_descr line
    typeset -A opt_args
    local -a commands=(
$commands
    )
    _arguments -C \\
$own
        '1: :->command' '*:: :->arguments'
    case $state in
        command) _describe command commands ;;
        arguments)
            case $words[1] in
$cases
            esac ;;
    esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _jitsi_verifier "$@"
else
    compdef _jitsi_verifier jitsi-verifier
fi
""")


def zsh(program: Parser) -> str:
    """Write the script."""
    commands = [
        f"        {shlex.quote(f'{name}:{parser.summary}')}"
        for name, parser in program.commands.items()
    ]
    cases = []
    for name, parser in program.commands.items():
        specs = [_option(action) for action in options(parser)]
        specs += [_argument(action) for action in positionals(parser)]
        cases.append(f"                {name}) _arguments {' '.join(specs)} ;;")
    own = "\n".join(f"        {_option(action)} \\" for action in options(program))
    return _SCRIPT.safe_substitute(commands="\n".join(commands), own=own, cases="\n".join(cases))


def _option(action: argparse.Action) -> str:
    names = action.option_strings
    exclusive = f"({' '.join(names)})" if len(names) > 1 else ""
    value = f":{_plain(str(action.metavar or action.dest))}:{_values(action)}"
    end = f"[{_plain(action.help or '')}]{value if takes_value(action) else ''}"
    if isinstance(action, argparse._AppendAction):  # noqa: SLF001  # it has no other name
        exclusive = "*"
    return " ".join(shlex.quote(f"{exclusive}{name}{end}") for name in names)


def _argument(action: argparse.Action) -> str:
    several = "*" if action.nargs in ("+", "*") else ""
    return shlex.quote(f"{several}:{_plain(str(action.metavar or action.dest))}:{_values(action)}")


def _values(action: argparse.Action) -> str:
    if is_file(action):
        return "_files"
    return f"({' '.join(choices(action))})" if action.choices else " "


def _plain(text: str) -> str:
    """Take out what would mean something in a specification of zsh's."""
    return re.sub(r"[\[\]:\\]", "", text)
