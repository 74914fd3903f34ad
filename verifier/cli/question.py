"""Which question the arguments of ``explain`` ask: whose token, and which room.

Reads URLs as the gate does, and tokens a little more kindly.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass, field
from typing import Final

from verifier.cli.usage import UsageError, room_address
from verifier.core.decision import AccessRequest
from verifier.core.explain import unwrap
from verifier.core.policy import Policy
from verifier.core.question import access_request
from verifier.core.rooms import (
    Target,
    fragment_token,
    parse_jid,
    parse_url,
    split_tenant,
)

_LONGEST_INPUT: Final = 1_000_000
_URL: Final = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*://|[^?#]*[?#](.*&)?(jwt|token)=", re.DOTALL)


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


@dataclass(slots=True)
class _Findings:
    """The tokens and the target that have been found."""

    token: str | None = field(default=None, repr=False)
    target: Target | None = None
    ambiguity: str = ""
    notes: list[str] = field(default_factory=list)


def read_question(options: argparse.Namespace, policy: Policy) -> Question:
    """Read the question.

    Raises:
        UsageError: there is none, or a URL, a room or a tenant is none.
    """
    if options.tenant is not None and options.room is None:
        raise UsageError("--tenant needs --room")
    given = _standard_input() if options.subject == "-" else options.subject
    if given is None and options.url is None and options.room_jid is None and options.room is None:
        raise UsageError("expected a token, a URL or '-', or a room for a guest")
    found = _Findings()
    if given is not None and _URL.match(given.strip()) is None:
        found.token, note = unwrap(given)
        found.notes += [note] if note else []
    elif given is not None:
        _read_url(given.strip(), found)
    if options.url is not None:
        _read_url(options.url.strip(), found)
    if found.ambiguity:
        return Question(None, found.ambiguity, tuple(found.notes))
    request = _request(options, found, policy)
    return Question(request, notes=tuple(found.notes))


def _standard_input() -> str:
    if sys.stdin is None:
        raise UsageError("'-': there is no standard input")
    return sys.stdin.buffer.read(_LONGEST_INPUT).decode("utf-8", "surrogateescape")


def _read_url(text: str, found: _Findings) -> None:
    """Take target and token from a URL; a token that is there already stays."""
    url = parse_url(_absolute(text))
    if url is None:
        raise UsageError("expected an http or https URL with a host and without a user name")
    found.target = url.target
    tokens = {*url.target.jwt, *url.target.token}
    if url.target.ambiguous:
        found.ambiguity = "a parameter twice, or a prefix that is not the path's tenant"
    elif len(tokens) > 1:
        found.ambiguity = "two tokens that differ"
    elif found.token is not None:
        if tokens - {found.token}:
            found.notes.append("The URL carries another token, which was not looked at.")
    else:
        _take_token(tokens.pop() if tokens else None, fragment_token(text), found)


def _absolute(text: str) -> str:
    if text.startswith("/"):
        return f"https://localhost{text}"
    return text if "://" in text.partition("?")[0] else f"https://{text}"


def _take_token(sent: str | None, hidden: str | None, found: _Findings) -> None:
    if sent is not None and hidden is not None and sent != hidden:
        found.notes.append(
            "The URL has another token in its fragment (#jwt=), and that is the one which the web"
            " client uses; the one in the query was judged, which a proxy sees."
        )
    elif sent is None and hidden is not None:
        found.notes.append(
            "The token is in the URL's fragment (#jwt=), which no proxy ever sees: the page itself"
            " is asked for without a token, and only the signalling that follows carries it."
        )
    text = hidden if sent is None else sent
    if text is not None:
        found.token, note = unwrap(text)
        found.notes += [note] if note else []


def _request(options: argparse.Namespace, found: _Findings, policy: Policy) -> AccessRequest:
    if options.room_jid is not None:
        jid = parse_jid(options.room_jid)
        tenant = split_tenant(jid.node)[0] if jid is not None and jid.node else None
        return AccessRequest(found.token, options.room_jid, tenant or "")
    if options.room is not None:
        address = room_address(options.room, options.tenant)
        if address.room != options.room:
            found.notes.append(f'To the web client the room is "{address.room}".')
        return access_request(found.token, address, policy)
    if found.target is not None:
        return access_request(found.token, found.target.address, policy)
    found.notes.append("No room was given, so only the token was judged: add --url or --room.")
    return AccessRequest(found.token)
