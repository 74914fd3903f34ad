"""``revocations``: list the revocations of the running service."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import Final

from verifier.cli.admin_client import NoAnswerError, send_request
from verifier.cli.arguments import Parser, add_command, add_config, settings_of
from verifier.cli.manual import Manual
from verifier.config.addresses import Address, parse_address
from verifier.revocation.model import BadRevocationError, Revocation

ENDPOINT: Final = "/v1/revocations"
"""The endpoint on the admin address."""

_SUMMARY: Final = "list the revocations in force"
_DESCRIPTION: Final = """\
Prints one line for each revocation of the running service, in the order in
which they end."""
_MANUAL: Final = Manual(
    {
        0: "The revocations were listed.",
        1: "The service did not answer, or answered with an error.",
    },
    {},
    (
        ("jitsi-verifier revocations", "List the revocations."),
        ("jitsi-verifier revocations --json", "List them as JSON."),
    ),
)


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the sub-command."""
    parser = add_command(commands, "revocations", _SUMMARY, _DESCRIPTION, _MANUAL)
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    add_admin(parser)
    add_config(parser)
    parser.set_defaults(run=run, parser=parser)


def add_admin(parser: Parser) -> None:
    """Add the option ``--admin``."""
    parser.add_argument(
        "--admin",
        metavar="ADDRESS",
        type=_address,
        help="admin address of the service (default: admin_listen of the configuration)",
    )


def run(options: argparse.Namespace) -> int:
    """Print the revocations.

    Raises:
        ConfigError: The configuration cannot be used.
        NoAnswerError: The service did not answer as expected.
    """
    reply = send_request(settings_of(options), options.admin, "GET", ENDPOINT)
    if not reply.is_success:
        sys.stderr.write(f"jitsi-verifier: {reply.detail}\n")
        return 1
    if options.json:
        sys.stdout.write(json.dumps(reply.body, indent=2) + "\n")
        return 0
    # The same reader as the stores': another version of the service may write other members.
    try:
        revocations = [
            Revocation.from_json(json.dumps(entry)) for entry in reply.body.get("revocations", [])
        ]
    except BadRevocationError as error:
        raise NoAnswerError(f"expected revocations in the form of this version: {error}") from None
    sys.stdout.write("".join([f"{in_words(revocation)}\n" for revocation in revocations]))
    return 0


def in_words(revocation: Revocation, *, ended: bool = False) -> str:
    """Return a revocation as one line: its criteria, and its end and reason unless it has ended."""
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
