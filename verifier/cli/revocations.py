"""``revocations``: what the running service refuses, and until when."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import Final

from verifier.cli.admin_client import NoAnswerError, ask
from verifier.cli.arguments import Parser, add_command, add_config, settings_of
from verifier.cli.manual import Manual
from verifier.config.addresses import Address, parse_address
from verifier.revocation.model import BadRevocationError, Revocation

ENDPOINT: Final = "/v1/revocations"
"""Where on the admin address revocations are."""

_SUMMARY: Final = "list what has been revoked"
_DESCRIPTION: Final = """\
Prints what the running service refuses though it would accept it: one line for
each revocation, the first to end first."""
_MANUAL: Final = Manual(
    {0: "They were listed.", 1: "There is no service, or it says why not."},
    {},
    (
        ("jitsi-verifier revocations", "What is revoked?"),
        ("jitsi-verifier revocations --json", "For a program."),
    ),
)


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the sub-command."""
    parser = add_command(commands, "revocations", _SUMMARY, _DESCRIPTION, _MANUAL)
    parser.add_argument("--json", action="store_true", help="for programs")
    add_admin(parser)
    add_config(parser)
    parser.set_defaults(run=run, parser=parser)


def add_admin(parser: Parser) -> None:
    """Add the option that says where the running service is."""
    parser.add_argument(
        "--admin",
        metavar="ADDRESS",
        type=_address,
        help="the service's admin address (default: admin_listen of the configuration)",
    )


def run(options: argparse.Namespace) -> int:
    """List them.

    Raises:
        ConfigError: the configuration cannot be used.
        NoAnswerError: the service does not answer.
    """
    reply = ask(settings_of(options), options.admin, "GET", ENDPOINT)
    if not reply.is_good:
        sys.stderr.write(f"jitsi-verifier: {reply.detail}\n")
        return 1
    if options.json:
        sys.stdout.write(json.dumps(reply.body, indent=2) + "\n")
        return 0
    try:
        found = [
            Revocation.from_json(json.dumps(each)) for each in reply.body.get("revocations", [])
        ]
    except BadRevocationError as error:
        raise NoAnswerError(f"expected revocations as this version writes them: {error}") from None
    sys.stdout.write("".join([f"{in_words(each)}\n" for each in found]))
    return 0


def in_words(revocation: Revocation, *, ended: bool = False) -> str:
    """Say in one line what a revocation is for; unless it has ended, also until when and why."""
    criteria = " ".join(
        f"{name}={json.dumps(value)}" for name, value in revocation.criteria.items()
    )
    if ended:
        return criteria
    moment = datetime.fromtimestamp(revocation.expires, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{criteria} until {moment}" + (f" ({revocation.reason})" if revocation.reason else "")


def _address(value: str) -> Address:
    try:
        return parse_address(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
