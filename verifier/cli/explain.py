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
from dataclasses import asdict, replace
from typing import Final

from verifier.cli.arguments import Parser, add_command, add_config, settings_of, text
from verifier.cli.explain_report import render
from verifier.cli.manual import Manual
from verifier.cli.question import Question, read_question
from verifier.config import Settings
from verifier.decisions.explaining import explain_request
from verifier.explain import Explanation, explain_ambiguity
from verifier.keys.sources import SourceContext, open_resolver, open_session
from verifier.log import LOGGER
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
    question = read_question(options, settings.policy())
    if options.new_room and question.request is not None:
        question = replace(question, request=replace(question.request, creates_room=True))
    now = time.time() if options.now is None else options.now
    explanation = asyncio.run(_explain(question, settings, now))
    notes = tuple(map(hide_tokens, (*question.notes, *explanation.notes)))
    explanation = replace(explanation, notes=notes)
    if options.json:
        sys.stdout.write(json.dumps(asdict(explanation), indent=2) + "\n")
    else:
        sys.stdout.write(render(explanation, colour=_wants_colour()))
    return 0 if explanation.allowed else 1


async def _explain(question: Question, settings: Settings, now: float) -> Explanation:
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
