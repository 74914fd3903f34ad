"""The ``check-gate`` command: asks a running gate from outside, and says what holds."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import secrets
import sys
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from verifier import check_gate
from verifier.check_gate import Site
from verifier.cli.admin_client import NoAnswerError
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
from verifier.cli.check_gate_report import as_json, render
from verifier.cli.colour import wants_colour
from verifier.cli.gate_endpoints import default_port, endpoints, redirection
from verifier.cli.gate_tokens import KeyFileError, Plan, make_tokens, open_signer
from verifier.cli.manual import Manual
from verifier.config import Settings
from verifier.rooms.address import RoomAddress
from verifier.tokens.jws import MalformedError, decode_object
from verifier.tokens.redact import hide_tokens

_SUMMARY: Final = "ask a running gate from outside whether it is shut"
_DESCRIPTION: Final = f"""\
Sends at most {check_gate.MAX_REQUESTS} requests to a running Jitsi Meet: without a token, with good
and bad ones, on every signalling path and on disguised paths. Prints what each
was answered, and what to do where that is not as expected.

The tokens are signed with the local configuration and live for five minutes.
Nothing is changed on the server, and no conference is created. Use it only on
your own server."""
_MANUAL: Final = Manual(
    {
        0: "Everything that could be asked is as expected.",
        1: "Something is not as expected, or the site cannot be asked.",
    },
    {},
    (
        ("jitsi-verifier check-gate https://meet.example.org", "Is the gate shut?"),
        (
            "jitsi-verifier check-gate https://meet.example.org --connect-to ::192.0.2.7:",
            "The same, before the name leads to the new server.",
        ),
        (
            "jitsi-verifier check-gate https://meet.example.org --no-config --token - < token",
            "From a machine that has no secret.",
        ),
    ),
)


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the sub-command."""
    parser = add_command(commands, "check-gate", _SUMMARY, _DESCRIPTION, _MANUAL)
    parser.add_argument("url", metavar="URL", help="the site: https://HOST")
    _add_tokens(parser)
    _add_connection(parser)
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument(
        "--no-config",
        action="store_true",
        help="read no configuration; then only --token gives a good token",
    )
    add_config(parser)
    parser.set_defaults(run=run, parser=parser)


def _add_tokens(parser: Parser) -> None:
    tokens = parser.add_argument_group("the tokens")
    tokens.add_argument("--room", metavar="R", type=text, help="default: a room with a random name")
    tokens.add_argument(
        "--tenant", metavar="T", type=text, help="default: a tenant with a random name"
    )
    tokens.add_argument(
        "--key",
        metavar="FILE",
        type=Path,
        help="the private key (PEM) to sign with, where the configuration has only public keys",
    )
    tokens.add_argument("--kid", metavar="K", type=text, help="the key id in the header")
    tokens.add_argument(
        "--token", metavar="FILE", help="a file with a good token; - reads it from standard input"
    )


def _add_connection(parser: Parser) -> None:
    connection = parser.add_argument_group("the connection")
    connection.add_argument(
        "--connect-to",
        metavar="HOST:PORT:HOST2:PORT2",
        type=redirection,
        action="append",
        default=[],
        help="connect to HOST2:PORT2 instead of HOST:PORT, as with curl; repeatable. Without an"
        " entry of their own, the ports beside the proxy are looked for at HOST2 as well",
    )
    trust = connection.add_mutually_exclusive_group()
    trust.add_argument("--ca", metavar="FILE", type=Path, help="trust these certificates (PEM)")
    trust.add_argument("--insecure", action="store_true", help="accept every certificate")
    connection.add_argument(
        "--timeout",
        metavar="10s",
        type=duration,
        default=10,
        help="the longest time for one answer; default: 10s",
    )


def run(options: argparse.Namespace) -> int:
    """Ask the gate, and print the report.

    Raises:
        UsageError: The arguments name no site, or do not fit together.
        ConfigError: The configuration cannot be used.
        NoAnswerError: The site cannot be asked.
    """
    scheme, host, port = _read_url(options.url)
    settings = _settings(options, host)
    plan, notes = _plan(options, settings)
    shown = f"{scheme}://{host}" + (f":{port}" if port != default_port(scheme) else "")
    site = Site(
        host=shown.partition("://")[2],
        room=plan.room,
        tenant=plan.tenant,
        endpoints=endpoints(options, settings, scheme, host, port),
        internal=_internal_address(settings),
        timeout=options.timeout,
    )
    report_only = settings is not None and settings.mode == "report-only"
    if report_only:
        notes.append('this configuration says mode = "report-only": nothing is denied')
    try:
        report = asyncio.run(
            check_gate.check_gate(site, make_tokens(plan), report_only=report_only)
        )
    except (check_gate.CannotConnectError, check_gate.NoGateError) as error:
        raise NoAnswerError(hide_tokens(f"{shown}: {error}")) from None
    if options.json:
        output = json.dumps(as_json(report, shown, notes), indent=2) + "\n"
    else:
        output = render(report, shown, notes, colour=wants_colour())
    sys.stdout.write(hide_tokens(output))
    return 0 if report.holds else 1


def _read_url(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of the site. A host alone stands for https."""
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        # Other scripts are written as DNS, TLS and the header Host need them.
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme not in {"http", "https"} or extra or not re.fullmatch(r"[\w.:-]+", host):
        raise UsageError("URL: expected https://HOST or https://HOST:PORT, without a path")
    host = f"[{host}]" if ":" in host else host
    return parts.scheme, host, port or default_port(parts.scheme)


def _settings(options: argparse.Namespace, host: str) -> Settings | None:
    """Return the configuration for the host; None without one."""
    if options.no_config:
        if options.key is not None or options.config is not None:
            raise UsageError("--no-config excludes --config and --key")
        return None
    settings = settings_of(options)
    return settings.for_host(host) or settings


def _plan(options: argparse.Namespace, settings: Settings | None) -> tuple[Plan, list[str]]:
    """Return what the tokens are for, and notes for the report."""
    given = _read_token(options.token) if options.token is not None else ""
    signer, notes = None, list[str]()
    if settings is not None:
        pem = None if options.key is None else _read_file("--key", options.key)
        try:
            signer = open_signer(settings, pem, options.kid)
        except KeyFileError as error:
            raise UsageError(f"--key {options.key}: {error}") from None
        if settings.allow_empty_token:
            notes.append(
                "allow_empty_token lets guests in, so a forged token is sent instead of none"
            )
    address = _address(options.room, options.tenant, given)
    plan = Plan(
        room=address.room,
        tenant=address.tenant or "",
        settings=settings,
        signer=signer,
        given=given,
        now=time.time(),
    )
    return plan, notes


def _read_file(option: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{option} {file}: {error.strerror}") from None


def _read_token(file: str) -> str:
    if file == "-":
        token = read_standard_input().strip()
    else:
        token = _read_file("--token", Path(file)).decode("utf-8", "surrogateescape").strip()
    if not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", token, re.ASCII):
        raise UsageError("--token: expected a file with one token, and nothing else")
    return token


def _address(room: str | None, tenant: str | None, given: str) -> RoomAddress:
    """Return the room and the tenant to ask for: the given ones, or random names.

    Without ``room``, it is the one of the given token, if that names one.
    """
    if given and room is None:
        try:
            claimed = decode_object(given.split(".")[1].encode()).get("room")
        except MalformedError:
            raise UsageError("--token: expected a token, found one that cannot be read") from None
        room = claimed if isinstance(claimed, str) and claimed != "*" else None
    return room_address(room or _random_name(), tenant or _random_name())


def _random_name() -> str:
    return f"check-gate-{secrets.token_hex(4)}"


def _internal_address(settings: Settings | None) -> str:
    """Return an address that needs no token (``bypass``), or that of the machine itself."""
    trusted = () if settings is None else settings.bypass
    return str(next((network[0] for network in trusted), "127.0.0.1"))
