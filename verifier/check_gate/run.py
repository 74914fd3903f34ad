"""Asks all questions, and collects the results."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from verifier.check_gate.asker import Asker, LimitError, Site
from verifier.check_gate.connection import CannotConnectError
from verifier.check_gate.evaluation import Context, evaluate, is_denial, is_prosody, not_asked
from verifier.check_gate.model import (
    Answer,
    Carrier,
    Credential,
    Question,
    Result,
    Server,
    Token,
    Tokens,
    Verdict,
)
from verifier.check_gate.questions import DIRECT, GUEST, OPEN, QUESTIONS
from verifier.check_gate.revealed import Exchange, evaluate_all

_NO_TOKEN: Final = Token()
_MAX_SILENT: Final = 3


class NoGateError(Exception):
    """The questions make no sense for this site. The text says why, and what was expected."""


@dataclass(frozen=True, slots=True)
class Report:
    """The results of one run.

    Attributes:
        results: A result for each question, in order.
        sent: The number of requests that were sent.
        complete: Whether no limit has ended the run early.
    """

    results: tuple[Result, ...]
    sent: int
    complete: bool = True

    @property
    def holds(self) -> bool:
        """Whether all that could be asked was asked, and is as expected."""
        missed = any(result.verdict is Verdict.MISSED for result in self.results)
        return self.complete and not missed


async def check_gate(site: Site, tokens: Tokens, *, report_only: bool = False) -> Report:
    """Ask a running gate all questions.

    Args:
        site: The site.
        tokens: The token for each credential. Those that are missing are not asked about.
        report_only: Whether the local configuration denies nothing.

    Raises:
        CannotConnectError: The site cannot be reached.
        NoGateError: The site is not a Jitsi Meet, as far as can be seen, or answers no more.
    """
    asker = Asker(site)
    run = _Run(asker, tokens, Context(report_only), site)
    try:
        await run.recognise()
        beside = [question for question in QUESTIONS if question.group == DIRECT]
        results = [await run.ask(each) for each in QUESTIONS if each.group != DIRECT]
        # Together, because a firewall answers nothing, and each would wait for its time limit.
        results += await asyncio.gather(*map(run.ask, beside))
    finally:
        await asker.close()
    return Report((*results, *evaluate_all(run.exchanges)), asker.sent, run.complete)


class _Run:
    """One run.

    Args:
        asker: Sends the requests.
        tokens: The tokens.
        context: What the answers have shown.
        site: The site.
    """

    def __init__(self, asker: Asker, tokens: Tokens, context: Context, site: Site) -> None:
        self.exchanges: list[Exchange] = []
        self.complete = True
        self._asker = asker
        self._tokens: Mapping[Credential, Token] = tokens
        self._context = context
        self._site = site
        self._known: dict[Question, Answer] = {}
        self._silent = 0

    async def recognise(self) -> None:
        """Ask the first two questions, and refuse a site that is not a Jitsi Meet.

        Raises:
            NoGateError: See there.
        """
        settings = _find(OPEN, "config.js")
        guest = _find(GUEST, "BOSH")
        for question in (settings, guest):
            self._known[question] = await self._asker.ask(
                question.request, self._token(question).text
            )
        first, second = self._known[settings], self._known[guest]
        location = first.value("location")
        if 300 <= first.status < 400 and re.match(r"https?://", location):
            origin = re.match(r"https?://[\w.:\[\]-]{1,100}", location)
            raise NoGateError(
                f"/config.js is redirected to {origin[0] if origin else 'another site'}:"
                " give the address that people open"
            )
        if first.failure or second.failure:
            raise NoGateError(first.failure or second.failure)
        is_settings = first.status == 200 and b"config" in first.body and not first.is_html
        if not (is_settings or is_denial(second) or is_prosody(second)):
            raise NoGateError(
                "this is not a Jitsi Meet, as far as can be seen: expected /config.js, found status"
                f" {first.status}; expected a denial or Prosody at /http-bind, found status"
                f" {second.status}"
            )

    async def ask(self, question: Question) -> Result:
        """Ask a question; return its result.

        Raises:
            NoGateError: The site answers no more.
        """
        token = self._token(question)
        if token.missing:
            return not_asked(question, token.missing)
        is_forged = question.request.carrier is Carrier.FORGED
        if is_forged and self._tokens.get(Credential.GUEST, _NO_TOKEN).text:
            return not_asked(question, "guests may enter without a token")
        if not self._asker.has(question.request.server):
            return not_asked(question, "not known which port it would be")
        try:
            answer = self._known.pop(question, None) or await self._asker.ask(
                question.request, token.text
            )
        except LimitError as error:
            self.complete = False
            return not_asked(question, str(error))
        except CannotConnectError as error:
            answer = Answer(failure=str(error), connected=False)
        self._expect_answers(question, answer)
        self._context.learn(question, answer)
        self.exchanges.append(Exchange(question, token, answer, self._site.host))
        return evaluate(question, answer, token, self._context)

    def _expect_answers(self, question: Question, answer: Answer) -> None:
        """Refuse a site that has stopped answering: the rest would show nothing."""
        if question.request.server is not Server.SITE:
            return
        self._silent = 0 if answer.connected else self._silent + 1
        if self._silent == _MAX_SILENT:
            raise NoGateError(
                f"the last {_MAX_SILENT} of {self._asker.sent} requests got no answer"
                f" ({answer.failure}): does a firewall, such as fail2ban, shut this address out?"
            )

    def _token(self, question: Question) -> Token:
        return self._tokens.get(question.request.credential, _NO_TOKEN)


def _find(group: str, text: str) -> Question:
    return next(each for each in QUESTIONS if (each.group, each.text) == (group, text))
