"""``revoke``: take tokens back before their time, or undo that."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from verifier.cli.admin_client import Reply, ask
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

_SUMMARY: Final = "refuse good tokens from now on"
_DESCRIPTION: Final = """\
Has the running service refuse tokens that it would accept, at every endpoint
and from the next decision on: one token, or all that meet every criterion
given. Who is in a room already stays there. What proxies remember they remember
for up to decision_ttl.

The service is asked over its admin address; the token itself is not sent. An
argument shows up in the list of processes: on a machine that others use, pass
'-' and give the token on standard input."""
_MANUAL: Final = Manual(
    {0: "It is stored.", 1: "It is not: there is no service, or it says why not."},
    {},
    (
        (
            "jitsi-verifier revoke --reason 'posted in a forum' - < token",
            "One token, until it ends.",
        ),
        ("jitsi-verifier revoke --user-id 4711 --expires 7d", "All tokens of one user."),
        (
            "jitsi-verifier revoke --iss my_app --issued-before now --expires 30d",
            "All that an issuer has issued so far.",
        ),
        ("jitsi-verifier revoke --room standup --tenant acme", "Close a room, to guests too."),
        ("jitsi-verifier revoke --undo --user-id 4711", "Accept the user's tokens again."),
    ),
)
_TEXTS: Final = {
    "--jti": ("ID", "the token's jti"),
    "--token-digest": ("SHA256", "the digest of the compact token, as the audit log has it"),
    "--user-id": ("ID", "context.user.id"),
    "--kid": ("K", "the id of the key that signed it"),
}


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the sub-command."""
    parser = add_command(commands, "revoke", _SUMMARY, _DESCRIPTION, _MANUAL)
    parser.add_argument(
        "subject",
        nargs="?",
        metavar="TOKEN|URL|-",
        help="a token, or a URL with one in it; - reads it from standard input",
    )
    _add_criteria(parser.add_argument_group("criteria, all of which have to be met"))
    parser.add_argument("--reason", metavar="TEXT", type=text, help="why, for people")
    parser.add_argument(
        "--expires",
        metavar="24h",
        type=duration,
        help="for how long, such as 15m, 24h, 7d (default: until the token ends, else 24h)",
    )
    parser.add_argument("--undo", action="store_true", help="take such a revocation back")
    parser.add_argument("--json", action="store_true", help="for programs")
    add_admin(parser)
    add_config(parser)
    parser.set_defaults(run=run, parser=parser)


def _add_criteria(criteria: argparse._ArgumentGroup) -> None:
    for name, (metavar, meaning) in _TEXTS.items():
        criteria.add_argument(name, metavar=metavar, type=text, help=meaning)
    criteria.add_argument("--iss", metavar="I", type=text, help="the issuer; with --issued-before")
    criteria.add_argument(
        "--issued-before",
        metavar="UNIX|now",
        type=_moment,
        help="with --iss: an earlier iat, or none",
    )
    criteria.add_argument("--room", metavar="R", type=text, help="the room, of every tenant")
    criteria.add_argument("--tenant", metavar="T", type=text, help="the tenant")


def run(options: argparse.Namespace) -> int:
    """Ask the service to refuse, or to accept again.

    Raises:
        UsageError: there are no criteria, or one of them is none.
        ConfigError: the configuration cannot be used.
        NoAnswerError: the service does not answer.
    """
    settings = settings_of(options)
    revocation = _read(options, settings)
    method = "DELETE" if options.undo else "POST"
    reply = ask(settings, options.admin, method, ENDPOINT, revocation.to_json())
    if not reply.is_good:
        sys.stderr.write(f"jitsi-verifier: {_complaint(reply, revocation)}\n")
        return 1
    if options.json:
        sys.stdout.write(f"{_shown(revocation, undone=options.undo)}\n")
    else:
        done = "accepted again" if options.undo else "revoked"
        sys.stdout.write(f"{done}: {in_words(revocation, ended=options.undo)}\n")
    return 0


def _shown(revocation: Revocation, *, undone: bool) -> str:
    return json.dumps(revocation.criteria) if undone else revocation.to_json()


def _read(options: argparse.Namespace, settings: Settings) -> Revocation:
    if options.undo and (options.reason or options.expires):
        raise UsageError("--undo: expected neither --reason nor --expires with it")
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
        members["expires"] = math.ceil(time.time()) + options.expires
    if options.room is not None or options.tenant is not None:
        address = room_address("room" if options.room is None else options.room, options.tenant)
        members["tenant"] = address.tenant
        members["room"] = None if options.room is None else address.room
    members["token"] = None if options.subject is None else _token(options.subject)
    if members["token"] and options.expires is None and not options.undo:
        _warn_of_no_end(members["token"])
    given = {name: value for name, value in members.items() if value is not None}
    if not given.keys() - {"reason", "expires"}:
        raise UsageError("expected a token, a URL or '-', or at least one criterion")
    return given


def _token(subject: str) -> str:
    found = PastedInput()
    try:
        found.read(read_standard_input() if subject == "-" else subject)
    except UnreadableError as error:
        raise UsageError(str(error)) from None
    if found.ambiguity:
        raise UsageError(f"expected one token, found {found.ambiguity}")
    if found.token is None:
        raise UsageError("expected a URL with a token in it; a room is revoked by --room")
    return found.token


def _warn_of_no_end(token: str) -> None:
    claims = view_token(token).claims
    if claims is not None and "exp" not in claims:
        note = "the token has no exp: it is accepted again in 24 hours, unless --expires says more"
        sys.stderr.write(f"note: {note}\n")


def _moment(value: str) -> float:
    if value == "now":
        return math.ceil(time.time())
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise argparse.ArgumentTypeError("expected a Unix time in seconds, or now")
    return seconds


def _complaint(reply: Reply, revocation: Revocation) -> str:
    if reply.is_unknown:
        return f"there is no revocation for {in_words(revocation, ended=True)}"
    return reply.detail
