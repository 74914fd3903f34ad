"""``revoke``: revoke tokens in the running service before they end, or undo a revocation."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from verifier.cli.admin_client import Reply, send_request
from verifier.cli.arguments import (
    Parser,
    UsageError,
    add_command,
    add_config,
    duration,
    read_standard_input,
    room_address,
    settings_of,
    text,
)
from verifier.cli.manual import Manual
from verifier.cli.revocations import ENDPOINT, add_admin, in_words
from verifier.config import Settings
from verifier.explain import PastedInput, UnreadableError, view_token
from verifier.revocation.model import (
    BadRevocationError,
    Revocation,
    parse_criteria,
    parse_revocation,
)

_SUMMARY: Final = "revoke tokens in the running service"
_DESCRIPTION: Final = """\
Makes the running service deny tokens that it would allow: one token, or all
tokens that meet every given criterion. The revocation applies to every endpoint
from the next decision on. Users who are in a room stay there. A proxy's cache
may allow a revoked token for up to decision_ttl.

The command connects to the admin address and does not send the token itself.
Other users of the machine can see arguments in the list of processes. If there
are other users, pass '-' and give the token on standard input."""
_MANUAL: Final = Manual(
    {
        0: "The revocation is stored, or removed with --undo.",
        1: "The service did not answer, or answered with an error.",
    },
    {},
    (
        (
            "jitsi-verifier revoke --reason 'posted in a forum' - < token",
            "Revoke one token until it ends.",
        ),
        ("jitsi-verifier revoke --user-id 4711 --expires 7d", "Revoke all tokens of one user."),
        (
            "jitsi-verifier revoke --iss my_app --issued-before now --expires 30d",
            "Revoke all tokens that an issuer has issued until now.",
        ),
        ("jitsi-verifier revoke --room standup --tenant acme", "Close a room, also to guests."),
        ("jitsi-verifier revoke --undo --user-id 4711", "Allow the user's tokens again."),
    ),
)
_TEXTS: Final = {
    "--jti": ("ID", "the token's jti"),
    "--token-digest": ("SHA256", "the digest of the compact token, as in the audit log"),
    "--user-id": ("ID", "the user's id, context.user.id, as 'why' prints it"),
    "--kid": ("K", "the key id in the token's header"),
}


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the sub-command."""
    parser = add_command(commands, "revoke", _SUMMARY, _DESCRIPTION, _MANUAL)
    parser.add_argument(
        "subject",
        nargs="?",
        metavar="TOKEN|URL|-",
        help="a token, or a URL that contains one; - for standard input",
    )
    _add_criteria(parser.add_argument_group("criteria; a token has to meet all of them"))
    parser.add_argument(
        "--reason", metavar="TEXT", type=text, help="the reason, shown to operators"
    )
    parser.add_argument(
        "--expires",
        metavar="24h",
        type=duration,
        help="duration, such as 15m, 24h, 7d (default: until the token ends, else 24h)",
    )
    parser.add_argument(
        "--undo", action="store_true", help="remove the revocation with these criteria"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    add_admin(parser)
    add_config(parser)
    parser.set_defaults(run=run, parser=parser)


def _add_criteria(criteria: argparse._ArgumentGroup) -> None:
    for name, (metavar, meaning) in _TEXTS.items():
        criteria.add_argument(name, metavar=metavar, type=text, help=meaning)
    criteria.add_argument("--iss", metavar="I", type=text, help="the issuer; needs --issued-before")
    criteria.add_argument(
        "--issued-before",
        metavar="UNIX|now",
        type=_moment,
        help="tokens of --iss with an earlier iat, or without iat",
    )
    criteria.add_argument(
        "--room", metavar="R", type=text, help="the room; without --tenant, of every tenant"
    )
    criteria.add_argument("--tenant", metavar="T", type=text, help="the tenant")


def run(options: argparse.Namespace) -> int:
    """Store a revocation in the service, or remove it with ``--undo``.

    Raises:
        UsageError: There are no criteria, or a criterion is not valid.
        ConfigError: The configuration cannot be used.
        NoAnswerError: The service did not answer as expected.
    """
    settings = settings_of(options)
    revocation = _revocation(options, settings)
    method = "DELETE" if options.undo else "POST"
    reply = send_request(settings, options.admin, method, ENDPOINT, revocation.to_json())
    if not reply.is_success:
        sys.stderr.write(f"jitsi-verifier: {_error(reply, revocation)}\n")
        return 1
    if options.json:
        sys.stdout.write(f"{_as_json(revocation, undone=options.undo)}\n")
    else:
        done = "accepted again" if options.undo else "revoked"
        sys.stdout.write(f"{done}: {in_words(revocation, ended=options.undo)}\n")
    return 0


def _as_json(revocation: Revocation, *, undone: bool) -> str:
    return json.dumps(revocation.criteria) if undone else revocation.to_json()


def _revocation(options: argparse.Namespace, settings: Settings) -> Revocation:
    if options.undo and (options.reason or options.expires):
        raise UsageError("--undo: expected neither --reason nor --expires beside it")
    raw = json.dumps(_members(options)).encode()
    try:
        if options.undo:
            return parse_criteria(raw)
        return parse_revocation(raw, time.time(), settings.longest_leeway)
    except BadRevocationError as error:
        raise UsageError(str(error)) from None


def _members(options: argparse.Namespace) -> Mapping[str, Any]:
    names = ("jti", "token_digest", "user_id", "kid", "iss", "issued_before", "reason")
    members = {name: getattr(options, name) for name in names}
    if options.expires is not None:
        # The service stores an absolute time, because it may read the revocation again much later.
        members["expires"] = math.ceil(time.time()) + options.expires
    if options.room is not None or options.tenant is not None:
        # A tenant alone is read as the tenant of any room.
        address = room_address("room" if options.room is None else options.room, options.tenant)
        members["tenant"] = address.tenant
        members["room"] = None if options.room is None else address.room
    members["token"] = None if options.subject is None else _token(options.subject)
    if members["token"] and options.expires is None and not options.undo:
        _note_missing_exp(members["token"])
    given = {name: value for name, value in members.items() if value is not None}
    if not given.keys() - {"reason", "expires"}:
        raise UsageError("expected a token, a URL or '-', or at least one criterion")
    return given


def _token(subject: str) -> str:
    pasted = PastedInput()
    try:
        pasted.read(read_standard_input() if subject == "-" else subject)
    except UnreadableError as error:
        raise UsageError(str(error)) from None
    if pasted.ambiguity:
        raise UsageError(f"expected one token, found {pasted.ambiguity}")
    if pasted.token is None:
        raise UsageError("expected a URL that contains a token; use --room to revoke a room")
    return pasted.token


def _note_missing_exp(token: str) -> None:
    claims = view_token(token).claims
    if claims is not None and "exp" not in claims:
        note = "the token has no exp: the revocation ends in 24 hours, unless --expires is given"
        sys.stderr.write(f"note: {note}\n")


def _moment(value: str) -> float:
    if value == "now":
        # Rounded up: an iat in whole seconds then counts as earlier, even one of this second.
        return math.ceil(time.time())
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise argparse.ArgumentTypeError("expected a Unix time in seconds, or now")
    return seconds


def _error(reply: Reply, revocation: Revocation) -> str:
    if reply.is_not_found:
        return f"there is no revocation for {in_words(revocation, ended=True)}"
    return reply.detail
