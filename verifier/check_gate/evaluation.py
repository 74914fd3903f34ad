"""Reads the answers: where each comes from, and whether that is as expected. Knows no network.

How an answer shows where it comes from:

- Prosody: its BOSH namespace or its own page in the body, or an opened websocket (101).
- the gate: a denial code of the verifier, 401 or 403, or a redirect. Denial pages may have any
  text, and a gate of another make may have no code.
- Jicofo and the room's size: their answers have no mark. They count as reached if the answer is the
  one that a good token gets.
- the proxy, if the verifier or a server behind the gate does not answer: 502 to 504. Some proxies
  answer 500, which Jicofo does too. It is the proxy's if BOSH gets the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from verifier.check_gate.model import (
    Answer,
    Carrier,
    Credential,
    Expected,
    Question,
    Request,
    Result,
    Server,
    Target,
    Token,
    Verdict,
)
from verifier.check_gate.questions import BOSH_NAMESPACE

_PROSODY: Final = re.compile(
    rb"Prosody (BOSH|WebSocket) endpoint|point your (BOSH|WebSocket) client to this URL|"
    + re.escape(BOSH_NAMESPACE).encode()
)
_VERIFIER: Final = re.compile(rb'jitsi_verifier_|jitsi-verifier|"fingerprint"')
_IDENTITY: Final = ("x-jitsi-room", "x-jitsi-affiliation", "x-jitsi-user-id")
_DENIALS: Final = (401, 403)
_UNAVAILABLE: Final = (502, 503, 504)
_NO_SUCH_PATH: Final = (301, 302, 307, 308, 404, 405)
_AMBIGUOUS: Final = "ambiguous-request"

_SAME_CONFIGURATION: Final = "run check-gate with the configuration of the running verifier"
_CURES: Final = {
    "signature-invalid": "the running verifier has another secret or key than this configuration: "
    + _SAME_CONFIGURATION,
    "key-unknown": "the running verifier does not know the key of this token: give --kid",
    "key-id-missing": "the running verifier looks keys up by key id: give --kid",
    "token-expired": "compare the clocks of this machine and of the verifier's, or give a newer"
    " token",
    "token-not-yet-valid": "compare the clocks of this machine and of the verifier's",
    "issuer-not-accepted": "the running verifier accepts another issuer: " + _SAME_CONFIGURATION,
    "audience-not-accepted": "the running verifier accepts another audience: "
    + _SAME_CONFIGURATION,
    "token-missing": "the verifier got no token: pass the whole URL and Authorization on to it",
    _AMBIGUOUS: "the verifier could not read the request: compare the headers that the proxy sets",
    "keys-unavailable": "the verifier has no keys: its /readyz says why",
}
_NO_ANSWER: Final = "the verifier or Jitsi does not answer: look at the logs of the proxy"
_NO_SERVICE: Final = "the gate lets the request in, but Prosody does not answer: is it running?"
_NO_UPGRADE: Final = "pass the headers Upgrade and Connection on, so that websockets can be opened"
_NO_CODE: Final = (
    "the denial has no code (X-Jitsi-Denial). Look into the log of the verifier: if this request is"
    " there, compare the headers that the proxy sets, such as Host; if not, another rule of the"
    " proxy denies it, such as a password or a list of addresses"
)
_REPORT_ONLY: Final = 'this configuration says mode = "report-only", which denies nothing'


@dataclass
class Context:
    """What the answers so far have shown.

    Attributes:
        report_only: Whether the local configuration denies nothing.
        good: The answers to good tokens, by their requests without the token.
        refused_good: Whether the good token was denied.
        failure: The proxy's answer if a server does not answer, as BOSH got it; None for none.
    """

    report_only: bool = False
    good: dict[Request, Answer] = field(default_factory=dict)
    refused_good: bool = False
    failure: Answer | None = None

    def learn(self, question: Question, answer: Answer) -> None:
        """Remember the answer to a good token, and how the proxy says that it has no answer."""
        if question.target is Target.BOSH and answer.status >= 500 and not is_prosody(answer):
            self.failure = answer
        if question.expected is Expected.ADMITTED:
            self.good.setdefault(_without_token(question.request), answer)
            self.refused_good = self.refused_good or (
                question.target is Target.BOSH and is_denial(answer)
            )


def is_denial(answer: Answer) -> bool:
    """Return whether the answer says that the gate has denied the request.

    A code alone says nothing: a proxy may add it, and then pass the request on all the same.
    """
    return not is_prosody(answer) and (
        answer.status in _DENIALS or (answer.status >= 300 and bool(answer.denial))
    )


def is_prosody(answer: Answer) -> bool:
    """Return whether Prosody has answered."""
    return answer.status == HTTPStatus.SWITCHING_PROTOCOLS or bool(_PROSODY.search(answer.body))


def is_verifier(answer: Answer) -> bool:
    """Return whether the verifier itself has answered, and not the proxy for it."""
    if any(answer.values(name) for name in _IDENTITY):
        return True
    if answer.denial == _AMBIGUOUS:
        return True
    return answer.status == HTTPStatus.OK and bool(_VERIFIER.search(answer.body))


def describe(answer: Answer) -> str:
    """Return an answer in a few words, without anything that it could repeat of a request."""
    if not answer.status:
        return answer.failure
    words = [str(answer.status)]
    if answer.status == HTTPStatus.SWITCHING_PROTOCOLS:
        words = ["101, a websocket"]
    elif is_prosody(answer):
        words.append("from Prosody")
    elif re.fullmatch(r"[a-z-]{1,40}", answer.denial):
        words.append(answer.denial)
    elif 300 <= answer.status < 400:
        words.append(f"to {_host_of(answer.value('location')) or 'this site'}")
    elif answer.is_html:
        words.append("a page")
    return " ".join(words)


def evaluate(question: Question, answer: Answer, token: Token, context: Context) -> Result:
    """Return what became of a question that was asked."""
    read = {
        Expected.OPEN: _check_open,
        Expected.ADMITTED: _check_admitted,
        Expected.DENIED: _check_denied,
        Expected.NOTHING_OPENED: _check_nothing_opened,
        Expected.UNREACHABLE: _check_unreachable,
    }[question.expected]
    return read(question, answer, token, context)


def not_asked(question: Question, reason: str) -> Result:
    """Return the result of a question that could not be asked."""
    return Result(question, Verdict.NOT_ASKED, reason)


def _holds(question: Question, answer: Answer, more: str = "") -> Result:
    return Result(question, Verdict.HOLDS, describe(answer) + more)


def _missed(question: Question, answer: Answer, cure: str = "", more: str = "") -> Result:
    return Result(question, Verdict.MISSED, describe(answer) + more, cure or question.cure)


def _check_open(question: Question, answer: Answer, _token: Token, _context: Context) -> Result:
    elsewhere = _host_of(answer.value("location")) and question.request.path != "/"
    if not answer.status or is_denial(answer) or (300 <= answer.status < 400 and elsewhere):
        return _missed(question, answer)
    # The media bridge need not run for the gate to be open.
    if answer.status >= 500 and "colibri" not in question.request.path:
        return _missed(question, answer, _NO_ANSWER)
    return _holds(question, answer)


def _check_admitted(question: Question, answer: Answer, _token: Token, context: Context) -> Result:
    if is_denial(answer):
        cure = _CURES.get(answer.denial, question.cure) if answer.denial else _NO_CODE
        return _missed(question, answer, cure)
    if not answer.status or _is_failure(answer, context):
        return _missed(question, answer, _NO_ANSWER)
    if question.target is Target.BOSH and not is_prosody(answer):
        return _missed(question, answer, _NO_SERVICE, ", not from Prosody")
    if question.target in {Target.WEBSOCKET, Target.SERVICE} and _is_not_served(answer):
        return not_asked(question, f"this path is not served ({describe(answer)})")
    if question.target is Target.WEBSOCKET and answer.status != HTTPStatus.SWITCHING_PROTOCOLS:
        cure = _NO_UPGRADE if is_prosody(answer) else _NO_SERVICE
        return _missed(question, answer, cure, ", no websocket")
    if question.target is Target.PAGE and answer.status >= 400:
        return _missed(question, answer, _NO_ANSWER)
    return _holds(question, answer)


def _check_denied(question: Question, answer: Answer, token: Token, context: Context) -> Result:
    if not answer.status:
        return _check_silence(question, answer)
    if is_denial(answer):
        if token.text and context.refused_good and answer.denial != token.code:
            return not_asked(question, "a good token is denied as well, so this shows nothing")
        return _holds(question, answer)
    if _was_let_in(question, answer, context):
        return _missed(question, answer, _REPORT_ONLY if context.report_only else "")
    if answer.status >= 500:
        return _missed(question, answer, _NO_ANSWER)
    if question.target is Target.SERVICE and answer.status == HTTPStatus.NOT_FOUND:
        return not_asked(question, "404 instead of a denial, which a missing gate answers as well")
    return _unless_limited(question, answer)


def _check_nothing_opened(
    question: Question, answer: Answer, _token: Token, context: Context
) -> Result:
    if not answer.status:
        return _check_silence(question, answer)
    if is_prosody(answer) or (question.target is Target.SERVICE and _is_known(answer, context)):
        return _missed(question, answer, _REPORT_ONLY if context.report_only else "")
    return _unless_limited(question, answer)


def _unless_limited(question: Question, answer: Answer) -> Result:
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return not_asked(question, "the proxy limits requests (429), so this shows nothing")
    return _holds(question, answer)


def _check_silence(question: Question, answer: Answer) -> Result:
    """Return the result of a request that should not be let in, and got no response."""
    if answer.connected:
        return _holds(question, answer)
    return not_asked(question, answer.failure)


def _check_unreachable(
    question: Question, answer: Answer, _token: Token, _context: Context
) -> Result:
    beside = question.request.server not in {Server.SITE, Server.PLAIN_HTTP}
    if not answer.status:
        return _holds(question, answer)
    if question.target is Target.SERVICE:
        # Jicofo refuses the body; other programs have no such path, or answer with a page.
        reached = not (is_denial(answer) or answer.is_html or answer.status in _NO_SUCH_PATH)
    else:
        reached = is_verifier(answer) if question.target is Target.VERIFIER else is_prosody(answer)
    if beside and answer.own_address:
        reason = "this machine is the server, so no firewall was crossed: ask from another one"
        return not_asked(question, reason)
    return _missed(question, answer) if reached else _holds(question, answer)


def _was_let_in(question: Question, answer: Answer, context: Context) -> bool:
    """Return whether an answer that is no denial comes from behind the gate."""
    if is_prosody(answer):
        return True
    if _is_failure(answer, context):
        return False
    if question.target is Target.SERVICE:
        good = context.good.get(_without_token(question.request))
        if good is not None and good.status and not is_denial(good) and not good.is_html:
            return _looks_like(answer, good) and answer.status != 404
    if (answer.status, question.request.method) == (HTTPStatus.NO_CONTENT, "OPTIONS"):
        return False  # the proxy itself answers, and Prosody would open nothing either
    # A denial page may have the status 200. Signalling is no page, except Prosody's own.
    if answer.status < 300:
        return not answer.is_html
    if 300 <= answer.status < 400 or answer.status in {404, 429}:
        return False
    return question.target is Target.SERVICE and answer.status <= 500


def _is_not_served(answer: Answer) -> bool:
    """Return whether signalling is answered with an error page, or with Jitsi's page."""
    is_page = answer.is_html and answer.status == HTTPStatus.OK and not is_prosody(answer)
    return is_page or answer.status == HTTPStatus.NOT_FOUND


def _is_known(answer: Answer, context: Context) -> bool:
    """Return whether a good token gets the same answer, which is no page and not empty."""
    if is_denial(answer) or answer.is_html or not answer.body or _is_failure(answer, context):
        return False
    return any(_looks_like(answer, good) for good in context.good.values())


def _is_failure(answer: Answer, context: Context) -> bool:
    """Return whether the proxy says that it got no answer for this request."""
    failure = context.failure
    same = failure is not None and _looks_like(answer, failure)
    return same or answer.status in _UNAVAILABLE


def _without_token(request: Request) -> Request:
    return replace(request, credential=Credential.NONE, carrier=Carrier.QUERY)


def _looks_like(answer: Answer, other: Answer) -> bool:
    return (answer.status, answer.value("content-type"), answer.body) == (
        other.status,
        other.value("content-type"),
        other.body,
    )


def _host_of(location: str) -> str:
    """Return the host of a redirect, never its path or query; empty if it stays on the site."""
    try:
        return (urlsplit(location).hostname or "")[:100]
    except ValueError:
        return "an unreadable address"
