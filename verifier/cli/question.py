"""Which question the arguments of ``explain`` ask: whose token, and which room."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import Final

from verifier.cli.arguments import UsageError, room_address
from verifier.explain import Findings, UnreadableError
from verifier.rules.model import AccessRequest
from verifier.rules.policy import Policy
from verifier.rules.requests import access_request, jid_request

_LONGEST_INPUT: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Question:
    """What ``explain`` was asked.

    Attributes:
        request: What to judge; None where it can be read in two ways.
        ambiguity: In which.
        notes: What was done to the arguments, or follows from them.
    """

    request: AccessRequest | None
    ambiguity: str = ""
    notes: tuple[str, ...] = ()


def read_question(options: argparse.Namespace, policy: Policy) -> Question:
    """Read the question.

    Raises:
        UsageError: there is none, or a URL, a room or a tenant is none.
    """
    if options.tenant is not None and options.room is None:
        raise UsageError("--tenant needs --room")
    given = standard_input() if options.subject == "-" else options.subject
    if given is None and options.url is None and options.room_jid is None and options.room is None:
        raise UsageError("expected a token, a URL or '-', or a room for a guest")
    found = Findings()
    try:
        if given is not None:
            found.read(given)
        if options.url is not None:
            found.read_url(options.url)
    except UnreadableError as error:
        raise UsageError(str(error)) from None
    if found.ambiguity:
        return Question(None, found.ambiguity, tuple(found.notes))
    request = _request(options, found, policy)
    return Question(request, notes=tuple(found.notes))


def standard_input() -> str:
    """Read what was given for ``-``.

    Raises:
        UsageError: standard input is closed.
    """
    if sys.stdin is None:
        raise UsageError("'-': there is no standard input")
    return sys.stdin.buffer.read(_LONGEST_INPUT).decode("utf-8", "surrogateescape")


def _request(options: argparse.Namespace, found: Findings, policy: Policy) -> AccessRequest:
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
