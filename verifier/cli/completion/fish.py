"""The script for fish."""

from __future__ import annotations

import argparse

from verifier.cli.arguments import Parser
from verifier.cli.completion.words import choices, is_file, options, positionals, takes_value


def fish(program: Parser) -> str:
    """Write the script."""
    lines = ["# fish completion for jitsi-verifier", "complete -c jitsi-verifier -f"]
    at_first = f"not __fish_seen_subcommand_from {' '.join(program.commands)}"
    for name, parser in program.commands.items():
        what = f"-a {name} -d {_quoted(parser.summary)}"
        lines.append(f"complete -c jitsi-verifier -n {_quoted(at_first)} {what}")
    for name, parser in {"": program, **program.commands}.items():
        when = f"__fish_seen_subcommand_from {name}" if name else at_first
        start = f"complete -c jitsi-verifier -n {_quoted(when)}"
        lines += [f"{start} {_option(action)}" for action in options(parser)]
        lines += [f"{start} {values}" for each in positionals(parser) if (values := _values(each))]
    return "\n".join([*lines, ""])


def _option(action: argparse.Action) -> str:
    names = [
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
        for name in action.option_strings
    ]
    wanted = "-r -F" if is_file(action) else f"-x {_values(action)}".rstrip()
    value = [wanted] if takes_value(action) else []
    return " ".join([*names, *value, f"-d {_quoted(action.help or '')}"])


def _values(action: argparse.Action) -> str:
    if is_file(action):
        return "-F"
    return f"-a {_quoted(' '.join(choices(action)))}" if action.choices else ""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
