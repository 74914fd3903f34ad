"""``mint``: print a signed token, or a URL with one, that this configuration accepts."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Final
from uuid import uuid4

from verifier.cli.arguments import (
    Parser,
    UsageError,
    add_command,
    add_config,
    duration,
    room_address,
    settings_of,
    text,
)
from verifier.cli.manual import Manual
from verifier.config import Settings
from verifier.keys.formats import parse_secret
from verifier.keys.model import KeySet, is_symmetric
from verifier.rooms.address import RoomAddress, ascii_lower, parse_jid, room_jid, split_tenant
from verifier.rooms.url import parse_url
from verifier.rules.denials import UNKNOWN_HOST
from verifier.rules.engine import decide
from verifier.rules.model import AccessRequest, DenialCode, Deny
from verifier.rules.policy import Policy
from verifier.rules.room import access_request
from verifier.tokens.mint import TokenSpec, claims_of, sign

# encodeURIComponent leaves these characters as they are, but the client removes them from a path.
_IN_A_PATH: Final = {ord(character): f"%{ord(character):02X}" for character in "!'()*"}

_DEFAULT_LIFETIME: Final = 86_400  # seconds
_CURES: Final = {
    DenialCode.POLICY_TOKEN_LIFETIME: "give a shorter --expires, or leave it out",
    DenialCode.POLICY_USER_ID_MISSING: "give --user-id",
    DenialCode.POLICY_WILDCARD_ROOM: "name one room with --room",
    DenialCode.POLICY_WILDCARD_SUB: "name a tenant with --tenant, or --sub",
    DenialCode.ISSUER_NOT_ACCEPTED: "leave out --iss",
    DenialCode.AUDIENCE_NOT_ACCEPTED: "leave out --aud",
    DenialCode.TENANT_MISMATCH: "leave out --sub",
    DenialCode.DOMAIN_MISMATCH: "leave out --sub",
}

_UNSERVED: Final = "give a --url whose host has a [hosts] table, as strict_hosts demands"

_SUMMARY: Final = "sign a token, for tests and small deployments"
_DESCRIPTION: Final = """\
Prints a token that this configuration accepts, signed with its first secret.
Each token has a jti of its own and lives as long as [policy] allows. If the
configuration denies the token all the same, the token is printed for tests, the
reason goes to standard error, and the exit status is 1."""
_MANUAL: Final = Manual(
    {
        0: "A token was printed.",
        1: "A token was printed, and this configuration denies it.",
    },
    {},
    (
        (
            "jitsi-verifier mint --room standup --user Ada --moderator",
            "Print a token for one room and one day.",
        ),
        (
            "jitsi-verifier mint --room standup --expires 15m --url https://meet.example.org",
            "Print a link to send.",
        ),
        (
            "jitsi-verifier mint --room '*' --tenant acme",
            "Print a token for every room of a tenant.",
        ),
    ),
)


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the sub-command."""
    parser = add_command(commands, "mint", _SUMMARY, _DESCRIPTION, _MANUAL)
    parser.add_argument(
        "--room", metavar="R", required=True, type=text, help="the room; * for every room"
    )
    parser.add_argument(
        "--tenant", metavar="T", type=text, help="the room's tenant: acme in /acme/standup"
    )
    parser.add_argument(
        "--expires",
        type=duration,
        metavar="24h",
        help="lifetime: 90s, 15m, 24h, 7d; default: 24h, or policy.max_token_lifetime if shorter",
    )
    parser.add_argument(
        "--url",
        metavar="BASE",
        help="print the URL BASE/[TENANT/]ROOM?jwt=TOKEN, with the options of its host",
    )
    _add_user(parser.add_argument_group("the user"))
    _add_claims(parser.add_argument_group("claims and header"))
    add_config(parser)
    parser.set_defaults(run=run, parser=parser)


def _add_user(user: argparse._ArgumentGroup) -> None:
    user.add_argument("--user", metavar="NAME", type=text, help="context.user.name")
    user.add_argument("--email", metavar="E", type=text, help="context.user.email")
    user.add_argument("--user-id", metavar="ID", type=text, help="context.user.id")
    user.add_argument("--moderator", action="store_true", help="make the user an owner of the room")
    user.add_argument(
        "--feature",
        metavar="F",
        type=text,
        action="append",
        default=[],
        help="a feature; repeatable",
    )


def _add_claims(claims: argparse._ArgumentGroup) -> None:
    claims.add_argument(
        "--sub",
        metavar="S",
        type=text,
        help="default: the tenant, else the XMPP domain if domains are verified, else *",
    )
    claims.add_argument(
        "--aud", metavar="A", type=text, help="default: the first accepted audience, else jitsi"
    )
    claims.add_argument(
        "--iss", metavar="I", type=text, help="default: the first accepted issuer, else app_id"
    )
    claims.add_argument(
        "--jti", metavar="ID", type=text, help="the token's id; default: a new one for each token"
    )
    claims.add_argument("--kid", metavar="K", type=text, help="the key id in the header")


def run(options: argparse.Namespace) -> int:
    """Print the token or the URL; notes, and why it is denied, go to standard error.

    Raises:
        UsageError: Room, tenant and URL do not fit together.
        ConfigError: The configuration cannot be used.
    """
    service = settings_of(options)
    own = _settings_of_host(service, options.url)
    settings = own or service
    policy, algorithm = settings.policy(), settings.signature_algorithm
    if not is_symmetric(algorithm):
        sys.stderr.write(
            f"mint signs with a shared secret, but this configuration accepts {algorithm} and has"
            " only public keys for it: sign elsewhere, with the private key\n"
        )
        return os.EX_CONFIG
    address = _address(options)
    key = parse_secret(settings.app_secret[0])
    secret: bytes = key.material
    now = time.time()
    token = sign(claims_of(_spec(options, address, settings), now), secret, algorithm, options.kid)
    line = token if options.url is None else _join_url(options.url, address, token)
    request = AccessRequest(token) if address is None else access_request(token, address, policy)
    decision = decide(request, policy, KeySet((key,)), now)
    if own is None:
        decision = UNKNOWN_HOST
    sys.stdout.write(f"{line}\n")
    if not isinstance(decision, Deny):
        return 0
    cure = _UNSERVED if decision is UNKNOWN_HOST else _CURES.get(decision.code)
    sys.stderr.write(
        f"this configuration denies this token: {decision.code} ({decision.detail})"
        f"{f'; {cure}' if cure else ''}\n"
    )
    return 1


def _settings_of_host(settings: Settings, base: str | None) -> Settings | None:
    """Return the settings of the host of ``--url``; None if ``strict_hosts`` excludes it."""
    url = None if base is None else parse_url(f"{base.rstrip('/')}/")
    return settings if url is None else settings.for_host(url.host)


def _address(options: argparse.Namespace) -> RoomAddress | None:
    """Return the room that the token is for; None if the token is for every room."""
    if options.room == "*":
        # Only to check the tenant: any room's name will do.
        room_address("room", options.tenant)
        return None
    address = room_address(options.room, options.tenant)
    if address.room != options.room:
        _note(f'the token names the room "{address.room}", as the web client does')
    return address


def _spec(
    options: argparse.Namespace, address: RoomAddress | None, settings: Settings
) -> TokenSpec:
    policy = settings.policy()
    return TokenSpec(
        room="*" if address is None else address.room,
        issuer=options.iss or default_issuer(policy, settings.app_id),
        audience=options.aud or default_audience(policy),
        subject=options.sub or default_subject(policy, _tenant(options, policy)),
        lifetime=options.expires or default_lifetime(policy),
        token_id=options.jti or str(uuid4()),
        user_id=options.user_id,
        user_name=options.user,
        user_email=options.email,
        moderator=options.moderator,
        features=tuple(options.feature),
    )


def default_issuer(policy: Policy, app_id: str) -> str:
    """Return the first accepted issuer, or the application if any issuer is accepted."""
    return next((name for name in policy.asap_accepted_issuers if name != "*"), app_id)


def default_audience(policy: Policy) -> str:
    """Return the first accepted audience, or ``jitsi``, which most issuers write."""
    return next((name for name in policy.asap_accepted_audiences if name != "*"), "jitsi")


def default_lifetime(policy: Policy) -> int:
    """Return a day, or the longest lifetime that is accepted if it is shorter, seconds."""
    options = policy.operator_policy
    longest = None if options is None else options.max_token_lifetime
    # exp and iat are whole seconds, and a token that lives less than one is expired at once.
    return _DEFAULT_LIFETIME if longest is None else max(1, min(_DEFAULT_LIFETIME, int(longest)))


def default_subject(policy: Policy, tenant: str | None) -> str:
    """Return the subject that opens rooms of this tenant, or of the XMPP domain, and no others.

    Args:
        policy: What is accepted.
        tenant: As in the room's address; None without a tenant.
    """
    if tenant is not None:
        return tenant
    base = policy.muc_mapper_domain_base
    if not policy.enable_domain_verification or base is None:
        # No sub is compared. So any name is accepted where the wildcard is forbidden.
        forbidden = policy.operator_policy and policy.operator_policy.forbid_wildcard_sub
        return (base or "jitsi") if forbidden else "*"
    # If the MUC domain is not prefix and base, the rules accept only the wildcard.
    host = f"{policy.muc_mapper_domain_prefix}.{ascii_lower(base)}"
    return base if host == policy.muc_mapper_domain else "*"


def _tenant(options: argparse.Namespace, policy: Policy) -> str | None:
    """Return the tenant as it is written in the address of its rooms."""
    jid = parse_jid(room_jid(room_address("room", options.tenant), policy.muc_mapper_domain_prefix))
    return None if jid is None or jid.node is None else split_tenant(jid.node)[0]


def _join_url(base: str, address: RoomAddress | None, token: str) -> str:
    if address is None:
        raise UsageError("--url needs one room, not *")
    segments = [address.tenant, address.room.translate(_IN_A_PATH)]
    url = "/".join([base.rstrip("/"), *filter(None, segments)]) + f"?jwt={token}"
    read = parse_url(url)
    if read is None or read.target.signalling or read.target.address != address:
        raise UsageError("--url: expected https://HOST, and a room that such a URL can name")
    return url


def _note(note: str) -> None:
    sys.stderr.write(f"note: {note}\n")
