"""What the sub-commands share: complaints, configuration, and rooms as people type them."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from verifier.cli.manual import Manual, render
from verifier.config import Settings, load
from verifier.explain import UnreadableError, parse_tenant
from verifier.rooms.address import RoomAddress, room_name
from verifier.tokens.redact import hide_tokens

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST: Final = 36_500 * 86_400
_LONGEST_INPUT: Final = 1_000_000


class UsageError(Exception):
    """The command cannot be carried out as it was given; says what was expected."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints quote no token, and whose help is a manual page.

    Args:
        summary: What the command does, in a few words.
        manual: What there is to say beside the options.
        options: As ``ArgumentParser`` takes them.
    """

    def __init__(self, *, summary: str, manual: Manual, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        options.setdefault("allow_abbrev", False)
        super().__init__(**options)
        self.summary = summary
        self.manual = manual

    @property
    def arguments(self) -> Sequence[argparse.Action]:
        """Everything that may stand on the command line, in its order."""
        return self._actions

    @property
    def commands(self) -> Mapping[str, Parser]:
        """The sub-commands by name."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  # it has no other name
                found: Mapping[str, Parser] = action.choices
                return found
        return {}

    def sections(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Give the sections of the manual that follow the options."""
        configured = any("--config" in action.option_strings for action in self._actions)
        return self.manual.sections(configured=configured)

    def format_help(self) -> str:
        """Write the manual page."""
        page = f"{self.prog} - {self.summary}\n\n{super().format_help()}"
        return page + "".join(render(title, terms) for title, terms in self.sections())

    def error(self, message: str) -> NoReturn:
        """Complain, and exit with status 2."""
        super().error(hide_tokens(message))


def add_command(
    commands: argparse._SubParsersAction[Parser],
    name: str,
    summary: str,
    description: str,
    manual: Manual,
) -> Parser:
    """Add a sub-command.

    Args:
        commands: Where to.
        name: What it is called by.
        summary: What it does, in a few words.
        description: What there is to know of it, in lines of at most 78 characters.
        manual: The sections behind its options.
    """
    return commands.add_parser(
        name, help=summary, summary=summary, description=description, manual=manual
    )


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the option that every sub-command has."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML file (default: the one that VERIFIER_CONFIG names); the environment wins",
    )


def settings_of(options: argparse.Namespace) -> Settings:
    """Read the configuration.

    Raises:
        ConfigError: with all problems at once.
    """
    return load(os.environ, options.config)


def text(value: str) -> str:
    """Take an argument that goes into a claim.

    Raises:
        ArgumentTypeError: it is empty, or no UTF-8.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("expected UTF-8 text") from None
    if not value:
        raise argparse.ArgumentTypeError("expected some text, found none")
    return value


def duration(value: str) -> int:
    """Read for how long something holds; gives seconds.

    Raises:
        ArgumentTypeError: it is no time, none at all, or more than a hundred years.
    """
    found = re.fullmatch(r"([0-9]{1,10})([smhd])", value)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= _LONGEST:
        raise argparse.ArgumentTypeError("expected such as 90s, 15m, 24h or 7d, at most 36500d")
    return seconds


def room_address(room: str, tenant: str | None) -> RoomAddress:
    """Bring room and tenant, as people write them, to the form that the web client sends.

    Raises:
        UsageError: nothing is left of the name in that form, it is too long for an address, or
            the tenant is none that a URL can name.
    """
    form = room_name(room)
    if form is None:
        raise UsageError("--room: expected a name that the web client could send")
    if tenant is None:
        return RoomAddress(form)
    try:
        return RoomAddress(form, parse_tenant(tenant))
    except UnreadableError as error:
        raise UsageError(f"--tenant: {error}") from None


def read_standard_input() -> str:
    """Return the text on standard input, which the argument ``-`` stands for.

    Raises:
        UsageError: Standard input is closed.
    """
    if sys.stdin is None:
        raise UsageError("'-': there is no standard input")
    return sys.stdin.buffer.read(_LONGEST_INPUT).decode("utf-8", "surrogateescape")
