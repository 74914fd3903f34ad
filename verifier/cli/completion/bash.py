"""The script for bash, 3.2 and newer."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from string import Template
from typing import Final

from verifier.cli.arguments import Parser
from verifier.cli.completion.words import choices, is_file, options, positionals, takes_value

_SCRIPT: Final = Template("""\
# bash completion for jitsi-verifier
_jitsi_verifier() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= each
    # bash takes --option=value for three words.
    if [[ $word == '=' ]]; then
        word=
    elif [[ $before == '=' ]]; then
        before=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $each in
            $names) command=$each; break ;;
        esac
    done
    local IFS=$$' \\t\\n'
    COMPREPLY=()
    case $command:$before in
$values
    esac
    case $command:$word in
$words
    esac
}
_jitsi_verifier_files() {
    local IFS=$$'\\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($$(compgen -f -- "$word"))
}
complete -F _jitsi_verifier jitsi-verifier
""")


def bash(program: Parser) -> str:
    """Write the script."""
    parsers = {"": program, **program.commands}
    values = [line for name, parser in parsers.items() for line in _values(name, parser)]
    words = [line for name, parser in parsers.items() for line in _words(name, parser)]
    return _SCRIPT.safe_substitute(
        names="|".join(program.commands), values="\n".join(values), words="\n".join(words)
    )


def _values(name: str, parser: Parser) -> Iterator[str]:
    """Write what may follow each option; nothing is said of what may be anything."""
    anything = []
    for action in filter(takes_value, options(parser)):
        patterns = [f"{name}:{option}" for option in action.option_strings]
        if found := _value(action):
            yield f"        {'|'.join(patterns)}) {found}; return ;;"
        else:
            anything += patterns
    if anything:
        yield f"        {'|'.join(anything)}) return ;;"


def _words(name: str, parser: Parser) -> Iterator[str]:
    """Write what may stand where no option's value is wanted."""
    every = _one_of([option for each in options(parser) for option in each.option_strings])
    found = [value for each in positionals(parser) if (value := _value(each))]
    if parser.commands:
        found = [_one_of(list(parser.commands))]
    if found:
        yield f"        {name}:-*) {every} ;;"
    yield f"        {name}:*) {found[0] if found else every} ;;"


def _value(action: argparse.Action) -> str:
    if is_file(action):
        return "_jitsi_verifier_files"
    return _one_of(choices(action)) if action.choices else ""


def _one_of(words: Sequence[str]) -> str:
    return 'COMPREPLY=($(compgen -W "{}" -- "$word"))'.format(" ".join(words))
