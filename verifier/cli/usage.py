"""What the sub-commands share: complaints, configuration, and rooms as people type them."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import Final, NoReturn

from verifier.core.rooms import RoomAddress, parse_target, room_name
from verifier.shell.settings import Settings, load

# "eyJ" begins every encoded JSON object.
_TOKEN: Final = re.compile(r"eyJ[\w.%+/=-]+")


class UsageError(Exception):
    """The command cannot be carried out as it was given; says what was expected."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints quote no token."""

    def error(self, message: str) -> NoReturn:
        """Complain, and exit with status 2."""
        super().error(_TOKEN.sub("[token]", message))


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
    target = parse_target(f"/{tenant}/room")
    if target is None or target.address is None or target.address.tenant is None:
        raise UsageError("--tenant: expected one segment of a path, without special characters")
    return RoomAddress(form, target.address.tenant)
