"""``explain``: why a token opens a room or does not, and what to change."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import math
import os
import sys
import time
from dataclasses import asdict, dataclass, replace
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
from verifier.cli.manual import Manual
from verifier.config import Settings
from verifier.decisions.explaining import explain_request
from verifier.explain import (
    Explanation,
    PastedInput,
    Step,
    UnreadableError,
    explain_ambiguity,
)
from verifier.keys.resolver import open_resolver
from verifier.keys.sources.base import SourceContext
from verifier.keys.sources.http import open_session
from verifier.log import LOGGER
from verifier.rules.model import AccessRequest
from verifier.rules.policy import Policy
from verifier.rules.room import access_request, jid_request
from verifier.tokens.redact import hide_tokens

_SUMMARY: Final = "say why a token opens a room or does not"
_DESCRIPTION: Final = """\
Prints every rule in Jitsi's order with what was expected and what was found,
the verdict, what Prosody would say, and what to change. Keys are found as the
service finds them; what is revoked only the running service knows.

An argument shows up in the list of processes: on a machine that others use,
pass '-' and give the token on standard input."""
_MANUAL: Final = Manual(
    {0: "The token opens the room.", 1: "It does not."},
    {},
    (
        (
            "jitsi-verifier explain 'https://meet.example.org/standup?jwt=eyJ0eXAi...'",
            "Why does this link not work?",
        ),
        ("jitsi-verifier explain --room standup - < token", "Does this token open that room?"),
        (
            "jitsi-verifier explain --json --now 1795348800 --room standup - < token",
            "What would have been said at that time, for a program.",
        ),
    ),
)

_MARKS: Final = {"pass": "✓", "fail": "✗", "not-reached": "·"}
_RED, _GREEN, _DIM, _BOLD = "31", "32", "2", "1"
_COLOURS: Final = {"pass": _GREEN, "fail": _RED, "not-reached": _DIM}
_TELLING: Final = frozenset(
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
"""Steps of which one wants to see what was found even if it was right."""


@dataclass(frozen=True, slots=True)
class ExplainRequest:
    """What ``explain`` was asked.

    Attributes:
        request: What to judge; None where it can be read in two ways.
        ambiguity: In which.
        notes: What was done to the arguments, or follows from them.
    """

    request: AccessRequest | None
    ambiguity: str = ""
    notes: tuple[str, ...] = ()


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the sub-command."""
    parser = add_command(commands, "explain", _SUMMARY, _DESCRIPTION, _MANUAL)
    parser.add_argument(
        "subject",
        nargs="?",
        metavar="TOKEN|URL|-",
        help="a token, or a URL with #jwt=, ?jwt= or ?token=, which names the room too;"
        " - reads it from standard input; without it, a guest is judged",
    )
    which = parser.add_argument_group("the room")
    room = which.add_mutually_exclusive_group()
    room.add_argument("--url", help="the page or signalling URL that names the room")
    room.add_argument("--room-jid", metavar="JID", help="the room's XMPP address")
    room.add_argument("--room", metavar="R", type=text, help="the room's name")
    which.add_argument("--tenant", metavar="T", type=text, help="with --room: its tenant")
    which.add_argument(
        "--new-room", action="store_true", help="judge as Prosody asks where nobody is in it yet"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--now", metavar="UNIX", type=_time, help="judge at this time, seconds")
    add_config(parser)
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Explain one request on standard output.

    Raises:
        UsageError: the arguments name no question.
        ConfigError: the configuration cannot be used.
        KeySourceError: a configured key cannot be used.
    """
    settings = settings_of(options)
    question = _read_request(options, settings.policy())
    if options.new_room and question.request is not None:
        question = replace(question, request=replace(question.request, creates_room=True))
    now = time.time() if options.now is None else options.now
    explanation = asyncio.run(_explain(question, settings, now))
    notes = tuple(map(hide_tokens, (*question.notes, *explanation.notes)))
    explanation = replace(explanation, notes=notes)
    if options.json:
        sys.stdout.write(json.dumps(asdict(explanation), indent=2) + "\n")
    else:
        sys.stdout.write(_render(explanation, colour=_wants_colour()))
    return 0 if explanation.allowed else 1


def _read_request(options: argparse.Namespace, policy: Policy) -> ExplainRequest:
    """Read the question.

    Raises:
        UsageError: there is none, or a URL, a room or a tenant is none.
    """
    if options.tenant is not None and options.room is None:
        raise UsageError("--tenant needs --room")
    given = read_standard_input() if options.subject == "-" else options.subject
    if given is None and options.url is None and options.room_jid is None and options.room is None:
        raise UsageError("expected a token, a URL or '-', or a room for a guest")
    found = PastedInput()
    try:
        if given is not None:
            found.read(given)
        if options.url is not None:
            found.read_url(options.url)
    except UnreadableError as error:
        raise UsageError(str(error)) from None
    if found.ambiguity:
        return ExplainRequest(None, found.ambiguity, tuple(found.notes))
    request = _access_request(options, found, policy)
    return ExplainRequest(request, notes=tuple(found.notes))


def _access_request(
    options: argparse.Namespace, found: PastedInput, policy: Policy
) -> AccessRequest:
    if options.room_jid is not None:
        return jid_request(found.token, options.room_jid)
    if options.room is not None:
        address = room_address(options.room, options.tenant)
        if address.room != options.room:
            found.notes.append(f'To the web client the room is "{address.room}".')
        return access_request(found.token, address, policy)
    if found.url is not None:
        return access_request(found.token, found.url.target.address, policy)
    found.notes.append("No room was given, so only the token was judged: add --url or --room.")
    return AccessRequest(found.token)


async def _explain(question: ExplainRequest, settings: Settings, now: float) -> Explanation:
    if question.request is None:
        return explain_ambiguity(question.ambiguity)
    if not LOGGER.handlers:
        LOGGER.addHandler(logging.NullHandler())  # the explanation says what is wrong with keys
    async with open_session() as session:
        ring = open_resolver(
            settings.key_locations(), session, SourceContext(settings.key_source_settings())
        )
        try:
            await ring.start()
            return await explain_request(question.request, settings.policy(), ring, now)
        finally:
            await ring.close()


def _wants_colour() -> bool:
    """Tell whether to colour (https://no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def _time(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise argparse.ArgumentTypeError("expected a Unix time in seconds")
    return seconds


def _render(explanation: Explanation, *, colour: bool) -> str:
    """Write one line a step, the verdict, what Prosody would say, what to change, and notes."""
    width = max(len(step.name) for step in explanation.steps)
    lines = [_line(step, width, colour=colour) for step in explanation.steps]
    if explanation.allowed:
        lines += ["", _painted("allowed", f"{_BOLD};{_GREEN}", colour=colour)]
    else:
        denied = _painted(f"denied: {explanation.code}", f"{_BOLD};{_RED}", colour=colour)
        said = ": ".join(filter(None, (explanation.prosody.error, explanation.prosody.reason)))
        lines += ["", denied, f"Prosody would say: {said}"]
        lines += [f"To change: {step.cure}" for step in explanation.steps if step.cure]
    lines += [f"Note: {note}" for note in explanation.notes]
    return "\n".join([*lines, ""])


def _line(step: Step, width: int, *, colour: bool) -> str:
    mark = _painted(_MARKS[step.result], _COLOURS[step.result], colour=colour)
    return f"{mark} {step.name:{width}}  {_comment(step)}".rstrip()


def _comment(step: Step) -> str:
    if step.result == "fail":
        return f"expected {step.expected}; found {step.found or 'nothing'}"
    if step.result == "not-reached":
        return "not reached"
    return (step.found or "none") if step.name in _TELLING else ""


def _painted(text: str, style: str, *, colour: bool) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if colour else text
