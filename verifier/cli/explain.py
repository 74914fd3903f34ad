"""The ``explain`` command: why a token opens a room or does not, and what to change."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import math
import sys
import time
from dataclasses import asdict, replace
from typing import Final

from verifier.cli.arguments import (
    Parser,
    UsageError,
    add_command,
    add_config,
    read_standard_input,
    room_address,
    settings_of,
    text,
)
from verifier.cli.colour import painted, wants_colour
from verifier.cli.manual import Manual
from verifier.config import Settings
from verifier.decisions.explaining import explain_request
from verifier.explain import (
    NO_HOST,
    Explanation,
    PastedInput,
    Step,
    UnreadableError,
    add_pasted,
    explain_ambiguity,
    explain_unserved_host,
)
from verifier.keys.resolver import open_resolver
from verifier.keys.sources.base import SourceContext
from verifier.keys.sources.http import open_session
from verifier.log import LOGGER
from verifier.rules.model import AccessRequest
from verifier.rules.room import access_request, jid_request

_SUMMARY: Final = "say why a token opens a room or does not"
_DESCRIPTION: Final = """\
Prints the cause in one sentence, what to change, the decision and Prosody's
answer, and then every rule in Jitsi's order with the expected and the found
value. A [hosts] table counts if the URL names its host. Keys are fetched as the
service fetches them. Revocations are not checked: only the running service
knows them.

Other users of the machine can see arguments in the list of processes. If there
are other users, pass '-' and give the token on standard input."""
_MANUAL: Final = Manual(
    {0: "The token opens the room.", 1: "The token does not open the room."},
    {},
    (
        (
            "jitsi-verifier explain 'https://meet.example.org/standup?jwt=eyJ0eXAi...'",
            "Why does this link not work?",
        ),
        ("jitsi-verifier explain --room standup - < token", "Does this token open that room?"),
        (
            "jitsi-verifier explain --json --now 1795348800 --room standup - < token",
            "The decision at that time, for a program.",
        ),
    ),
)

_MARKS: Final = {"pass": "✓", "fail": "✗", "not-reached": "·"}
_RED, _GREEN, _DIM, _BOLD = "31", "32", "2", "1"
_COLOURS: Final = {"pass": _GREEN, "fail": _RED, "not-reached": _DIM}
_STEPS_WITH_VALUE: Final = frozenset(
    {
        "key id",
        "algorithm",
        "expiry",
        "not before",
        "issuer",
        "audience",
        "room claim",
        "subject",
        "room address",
    }
)
"""Steps whose found value is of interest even if the step passed."""


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the sub-command."""
    parser = add_command(commands, "explain", _SUMMARY, _DESCRIPTION, _MANUAL)
    parser.add_argument(
        "subject",
        nargs="?",
        metavar="TOKEN|URL|-",
        help="a token, or a URL with #jwt=, ?jwt= or ?token=, which names the room too;"
        " - reads it from standard input; without it, the request of a guest is explained",
    )
    which = parser.add_argument_group("the room")
    room = which.add_mutually_exclusive_group()
    room.add_argument("--url", help="the page or signalling URL that names the room")
    room.add_argument("--room-jid", metavar="JID", help="the room's XMPP address")
    room.add_argument("--room", metavar="R", type=text, help="the room's name, or TENANT/NAME")
    which.add_argument("--tenant", metavar="T", type=text, help="with --room: its tenant")
    which.add_argument(
        "--new-room", action="store_true", help="decide as Prosody does for an empty room"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--now", metavar="UNIX", type=_time, help="decide at this time, seconds")
    add_config(parser)
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Explain one request on standard output.

    Raises:
        UsageError: The arguments name no request.
        ConfigError: The configuration cannot be used.
        KeySourceError: A configured key cannot be used.
    """
    service = settings_of(options)
    pasted = _read_arguments(options)
    settings = _settings_of_host(service, pasted)
    if settings is None:
        explanation = explain_unserved_host(pasted.host or "")
    elif pasted.ambiguity:
        explanation = explain_ambiguity(pasted.ambiguity)
    else:
        request = _access_request(options, pasted, settings)
        now = time.time() if options.now is None else options.now
        explanation = asyncio.run(_explain(request, settings, now))
    explanation = add_pasted(explanation, pasted)
    if options.json:
        sys.stdout.write(json.dumps(asdict(explanation), indent=2) + "\n")
    else:
        sys.stdout.write(_render(explanation, colour=wants_colour()))
    return 0 if explanation.allowed else 1


def _settings_of_host(service: Settings, pasted: PastedInput) -> Settings | None:
    """Return the settings for the host of the URL; None if ``strict_hosts`` excludes the host."""
    if pasted.host is None:
        if service.hosts:
            pasted.notes.append(NO_HOST)
        return service
    return service.for_host(pasted.host)


def _read_arguments(options: argparse.Namespace) -> PastedInput:
    if options.tenant is not None and options.room is None:
        raise UsageError("--tenant needs --room")
    subject = read_standard_input() if options.subject == "-" else options.subject
    rooms = (options.url, options.room_jid, options.room)
    if subject is None and all(room is None for room in rooms):
        raise UsageError("expected a token, a URL or '-', or a room for a guest")
    pasted = PastedInput()
    try:
        if subject is not None:
            pasted.read(subject)
        if options.url is not None:
            pasted.read_url(options.url)
        if options.tenant is None:
            options.room = pasted.read_room(options.room)
    except UnreadableError as error:
        raise UsageError(str(error)) from None
    return pasted


def _access_request(
    options: argparse.Namespace, pasted: PastedInput, settings: Settings
) -> AccessRequest:
    if options.room_jid is not None:
        request = jid_request(pasted.token, options.room_jid)
    elif options.room is not None and options.tenant is None:
        try:
            request = pasted.request(options.room, settings.policy())
        except UnreadableError as error:
            raise UsageError(f"--room: {error}") from None
    elif options.room is not None:
        address = room_address(options.room, options.tenant)
        if address.room != options.room:
            pasted.notes.append(f'To the web client the room is "{address.room}".')
        request = access_request(pasted.token, address, settings.policy())
    elif pasted.url is not None:
        request = access_request(pasted.token, pasted.url.target.address, settings.policy())
    else:
        pasted.notes.append(
            "No room was given, so only the token was checked: add --url or --room."
        )
        request = AccessRequest(pasted.token)
    return replace(request, creates_room=options.new_room)


async def _explain(request: AccessRequest, settings: Settings, now: float) -> Explanation:
    if not LOGGER.handlers:
        # The explanation itself names problems with keys, so the log lines would be a repetition.
        LOGGER.addHandler(logging.NullHandler())
    async with open_session() as session:
        resolver = open_resolver(
            settings.key_locations(), session, SourceContext(settings.key_source_settings())
        )
        try:
            await resolver.start()
            return await explain_request(request, settings.policy(), resolver, now)
        finally:
            await resolver.close()


def _time(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise argparse.ArgumentTypeError("expected a Unix time in seconds")
    return seconds


def _render(explanation: Explanation, *, colour: bool) -> str:
    """Return cause, cure, code, Prosody's answer and notes, and then one line for each step."""
    if explanation.allowed:
        lines = [painted("allowed", f"{_BOLD};{_GREEN}", colour=colour)]
    else:
        cause, cure = explanation.cause_and_cure
        denied = painted(f"denied: {explanation.code}", f"{_BOLD};{_RED}", colour=colour)
        answer = ": ".join(filter(None, (explanation.prosody.error, explanation.prosody.reason)))
        lines = [painted(cause, _BOLD, colour=colour)]
        lines += [f"To change: {cure}"] if cure else []
        lines += [denied, f"Prosody would say: {answer}"]
    lines += [f"Note: {note}" for note in explanation.notes]
    width = max(len(step.name) for step in explanation.steps)
    steps = [_step_line(step, width, colour=colour) for step in explanation.steps]
    return "\n".join([*lines, "", *steps, ""])


def _step_line(step: Step, width: int, *, colour: bool) -> str:
    mark = painted(_MARKS[step.result], _COLOURS[step.result], colour=colour)
    return f"{mark} {step.name:{width}}  {_step_comment(step)}".rstrip()


def _step_comment(step: Step) -> str:
    if step.result == "fail":
        return f"expected {step.expected}; found {step.found or 'nothing'}"
    if step.result == "not-reached":
        return "not reached"
    return (step.found or "none") if step.name in _STEPS_WITH_VALUE else ""
