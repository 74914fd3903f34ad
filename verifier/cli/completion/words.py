"""What may stand where on a command line, as its parser knows it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from verifier.cli.arguments import Parser


def options(parser: Parser) -> Iterator[argparse.Action]:
    """Give what begins with a hyphen."""
    return (action for action in parser.arguments if action.option_strings)


def positionals(parser: Parser) -> Iterator[argparse.Action]:
    """Give the arguments that do not; a sub-command is none."""
    if not parser.commands:
        yield from (action for action in parser.arguments if not action.option_strings)


def takes_value(action: argparse.Action) -> bool:
    """Tell whether a value follows an option."""
    return action.nargs != 0


def is_file(action: argparse.Action) -> bool:
    """Tell whether a value is the name of a file."""
    named = str(action.metavar or "")
    return action.type is Path or named.startswith(("FILE", "ACCESS_LOG"))


def choices(action: argparse.Action) -> list[str]:
    """Give the words of which a value is one; none where it may be any."""
    return [str(choice) for choice in action.choices or ()]
