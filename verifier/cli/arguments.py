"""What the sub-commands share: their parser, common options, and the reading of arguments."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from verifier.cli.manual import Manual, render
from verifier.config import DEFAULT_CONFIG, ConfigError, Settings, load
from verifier.explain import UnreadableError, parse_tenant
from verifier.rooms.address import RoomAddress, room_name
from verifier.tokens.redact import hide_tokens

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MAX_SECONDS: Final = 36_500 * 86_400
_MAX_INPUT_BYTES: Final = 1_000_000


class UsageError(Exception):
    """The arguments of a command are wrong. The text says what was expected."""


class Parser(argparse.ArgumentParser):
    """A parser with errors that quote no token, and with help in the form of a manual page.

    Args:
        summary: What the command does, in a few words.
        manual: The sections that follow the options.
        options: The options of ``ArgumentParser``.
    """

    def __init__(self, *, summary: str, manual: Manual, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        options.setdefault("allow_abbrev", False)
        super().__init__(**options)
        self.summary = summary
        self.manual = manual
        self._given: Sequence[str] = ()

    @property
    def arguments(self) -> Sequence[argparse.Action]:
        """The options and positional arguments, in the order in which they were added."""
        return self._actions

    @property
    def commands(self) -> Mapping[str, Parser]:
        """The sub-commands by name."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  # no public name
                found: Mapping[str, Parser] = action.choices
                return found
        return {}

    def sections(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield the sections of the manual that follow the options."""
        configured = any("--config" in action.option_strings for action in self._actions)
        return self.manual.sections(configured=configured)

    def format_help(self) -> str:
        """Return the manual page as text for a terminal."""
        page = f"{self.prog} - {self.summary}\n\n{super().format_help()}"
        return page + "".join(render(title, terms) for title, terms in self.sections())

    # argparse declares overloads for namespaces of other types, which no command uses.
    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, and keep the arguments for the text of an error."""
        self._given = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Write an error to standard error, and exit with status 2."""
        about_config = re.search(r"--config(?!\w)", message)
        hint = "" if about_config else _suggest_config(self._given, message)
        super().error(hide_tokens(message + hint))


def refuse_config_files(options: argparse.Namespace) -> None:
    """Refuse a configuration file where a command expects a token, a link or a log."""
    for action in options.parser.arguments:
        values = getattr(options, action.dest, None) if not action.option_strings else None
        for value in values if isinstance(values, list) else [values]:
            if _is_config_file(str(value)):
                name = action.metavar or action.dest
                options.parser.error(f"argument {name}: did you mean --config {value}?")


def _suggest_config(given: Sequence[str], message: str) -> str:
    """Return a hint if an argument is a configuration file that does not stand behind --config.

    An argument that the message names is no value of a known option.
    """
    for option, argument in zip(("", *given), given, strict=False):
        refused = argument in message.split() or repr(argument) in message
        is_free = not option.startswith("-") or refused
        if is_free and (_is_config_file(argument) or (refused and _is_file(argument))):
            behind = " behind the command" if option == "--config" else ""
            return f"; did you mean --config {argument}{behind}?"
    return ""


def _is_file(argument: str) -> bool:
    """Return whether a text of any form is the name of a file."""
    with suppress(OSError, ValueError):
        return Path(argument).is_file()
    return False


def _is_config_file(argument: str) -> bool:
    """Return whether an argument looks like a configuration file, and not like a token or URL."""
    return argument.endswith(".toml") and "://" not in argument and not argument.startswith("-")


def add_command(
    commands: argparse._SubParsersAction[Parser],
    name: str,
    summary: str,
    description: str,
    manual: Manual,
) -> Parser:
    """Add a sub-command.

    Args:
        commands: The commands to add it to.
        name: The name of the command.
        summary: What the command does, in a few words.
        description: The description in the help, in lines of at most 80 characters.
        manual: The sections that follow the options.
    """
    return commands.add_parser(
        name, help=summary, summary=summary, description=description, manual=manual
    )


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--config``."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="configuration file, TOML (default: the file that VERIFIER_CONFIG names, or else"
        f" {DEFAULT_CONFIG} if it exists); environment variables override it",
    )


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the configuration, and say on standard error which file was read.

    Without a file there is nothing to say: the variables are those of the caller.

    Raises:
        ConfigError: The configuration cannot be used; contains all problems.
    """
    try:
        settings = load(os.environ, options.config)
    except ConfigError as error:
        say_source(error.source)
        raise
    if settings.file is not None:
        say_source(settings.source)
    return settings


def say_source(source: str) -> None:
    """Write what the configuration was read from to standard error."""
    sys.stderr.write(hide_tokens(f"jitsi-verifier: configuration: {source}\n"))


def text(value: str) -> str:
    """Return an argument that becomes the value of a claim.

    Raises:
        ArgumentTypeError: The argument is empty, or is not UTF-8.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("expected UTF-8 text") from None
    if not value:
        raise argparse.ArgumentTypeError("expected text, found none")
    return value


def duration(value: str) -> int:
    """Return the seconds of a duration such as ``15m``.

    Raises:
        ArgumentTypeError: The argument is no duration, is zero, or is more than a hundred years.
    """
    found = re.fullmatch(r"([0-9]{1,10})([smhd])", value)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= _MAX_SECONDS:
        raise argparse.ArgumentTypeError("expected a time such as 90s, 15m or 7d, at most 36500d")
    return seconds


def room_address(room: str, tenant: str | None) -> RoomAddress:
    """Return the room's address in the form that the web client sends.

    Args:
        room: The room's name as people write it.
        tenant: The tenant as people write it; None without a tenant.

    Raises:
        UsageError: The web client would send no room for this name, the name is too long for an
            address, or a URL cannot name the tenant.
    """
    if "/" in room:
        raise UsageError(
            "--room: expected a room's name, found a slash; --tenant names the room's tenant"
        )
    name = room_name(room)
    if name is None:
        raise UsageError("--room: expected a name that the web client could send")
    if tenant is None:
        return RoomAddress(name)
    try:
        return RoomAddress(name, parse_tenant(tenant))
    except UnreadableError as error:
        raise UsageError(f"--tenant: {error}") from None


def read_standard_input() -> str:
    """Return the text on standard input, which the argument ``-`` stands for.

    Raises:
        UsageError: Standard input is closed.
    """
    if sys.stdin is None:
        raise UsageError("'-': there is no standard input")
    return sys.stdin.buffer.read(_MAX_INPUT_BYTES).decode("utf-8", "surrogateescape")
