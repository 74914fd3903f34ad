"""What all answers together reveal: tokens, identities, the page's address; and what is cacheable.

These rows send no request of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from verifier.check_gate.evaluation import is_denial
from verifier.check_gate.model import (
    Answer,
    Expected,
    Question,
    Request,
    Result,
    Server,
    Target,
    Token,
    Verdict,
)

_GROUP: Final = "What answers reveal"
_IDENTITY: Final = re.compile(r"x-jitsi-(room|tenant|subject|issuer|user-.*|group|affiliation)")
# The values that send no path and no query to another site (Referrer Policy, section 3).
_SAFE_REFERRERS: Final = frozenset(
    {
        "no-referrer",
        "same-origin",
        "origin",
        "strict-origin",
        "origin-when-cross-origin",
        "strict-origin-when-cross-origin",
    }
)
# RFC 9110, section 15.1: what a cache may keep without being told how long.
_HEURISTIC: Final = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})
_NOT_KEPT: Final = re.compile(r"no-store|no-cache|private|max-age=0")
_KEPT: Final = re.compile(r"public|max-age=[1-9]|s-maxage=[1-9]")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question that was asked, with its token and its answer.

    Attributes:
        host: The site's host.
    """

    question: Question
    token: Token
    answer: Answer
    host: str


def evaluate_all(exchanges: Sequence[Exchange]) -> Iterator[Result]:
    """Yield a result for each thing that answers could reveal."""
    for row in _ROWS:
        question = Question(
            _GROUP, row.text, Request(""), Target.PAGE, Expected.NOTHING_REVEALED, row.cure
        )
        chosen = [each for each in exchanges if each.answer.status and row.choose(each)]
        if not chosen:
            yield Result(question, Verdict.NOT_ASKED, "there was no such answer")
            continue
        bad = [each for each in chosen if row.is_bad(each)]
        found = f"{len(chosen)} answers"
        if bad:
            found = f"{len(bad)} of {len(chosen)}, first: {bad[0].question.name}"
        yield Result(
            question, Verdict.MISSED if bad else Verdict.HOLDS, found, row.cure if bad else ""
        )


def _always(_exchange: Exchange) -> bool:
    return True


def _is_page(exchange: Exchange) -> bool:
    return exchange.question.target is Target.PAGE and not is_denial(exchange.answer)


def _is_denied(exchange: Exchange) -> bool:
    return is_denial(exchange.answer) and exchange.question.request.server is Server.SITE


def _repeats_token(exchange: Exchange) -> bool:
    token, answer = exchange.token.text, exchange.answer
    if not token:
        return False
    if token.encode() in answer.body:
        return True
    return any(
        token in value and not (name == "location" and _stays(value, exchange.host))
        for name, value in answer.headers
    )


def _stays(location: str, host: str) -> bool:
    """Return whether a redirect stays on the site: a hand-off moves the token into the fragment."""
    return re.match(rf"(https?://{re.escape(host)})?/(?!/)", location, re.IGNORECASE) is not None


def _has_identity(exchange: Exchange) -> bool:
    return any(_IDENTITY.fullmatch(name) for name, _ in exchange.answer.headers)


def _sends_referrer(exchange: Exchange) -> bool:
    policies = exchange.answer.values("referrer-policy")
    names = [name.strip().lower() for value in policies for name in value.split(",")]
    return not names or not _SAFE_REFERRERS.issuperset(names)


def _may_be_kept(exchange: Exchange) -> bool:
    answer = exchange.answer
    control = ", ".join(answer.values("cache-control")).lower()
    if _NOT_KEPT.search(control):
        return False
    if answer.denial:
        return True  # the verifier's denials say no-store, so the proxy has dropped it
    return bool(_KEPT.search(control)) or answer.status in _HEURISTIC


@dataclass(frozen=True, slots=True)
class _Row:
    """One thing that answers could reveal.

    Attributes:
        text: What is asked.
        cure: What to do if an answer reveals it.
        choose: Which answers it is about.
        is_bad: Whether an answer reveals it.
    """

    text: str
    cure: str
    choose: Callable[[Exchange], bool]
    is_bad: Callable[[Exchange], bool]


_ROWS: Final = (
    _Row(
        "no answer repeats a token",
        "remove the URL and the request headers from this page or header",
        _always,
        _repeats_token,
    ),
    _Row(
        "no answer has identity headers",
        "X-Jitsi-… headers are for Jitsi: remove them from responses",
        _always,
        _has_identity,
    ),
    _Row(
        "Referrer-Policy of the room's page",
        "add the header Referrer-Policy: no-referrer, so that a link in the chat does not send"
        " the page's URL, with the token, to another site",
        _is_page,
        _sends_referrer,
    ),
    _Row(
        "Referrer-Policy of denials",
        "add the header Referrer-Policy: no-referrer to error pages as well",
        _is_denied,
        _sends_referrer,
    ),
    _Row(
        "no denial may be cached",
        "add the header Cache-Control: no-store to denials, so that no cache serves them to others",
        _is_denied,
        _may_be_kept,
    ),
)
