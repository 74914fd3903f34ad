"""From a question to its explanation, step by step.

Never holds a token: neither its signature nor the whole of it, only single claims.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from verifier.explain.cures import CURES, ambiguity
from verifier.explain.evidence import Evidence
from verifier.explain.remarks import remarks
from verifier.explain.steps import applies, expected_in_words, found_in_words
from verifier.explain.wording import quoted, shown
from verifier.keys.model import KeyLookup
from verifier.rules.engine import STEPS, RevocationCheck, decide, read_token
from verifier.rules.model import AccessRequest, Decision, DenialCode, Deny
from verifier.rules.policy import Policy

Result = Literal["pass", "fail", "not-reached"]

_WRAPPING: Final = (
    re.compile(r"(?:authorization:\s*)?bearer\s+(?P<token>.+)", re.IGNORECASE | re.DOTALL),
    re.compile(r"([\"'])(?P<token>.+)\1", re.DOTALL),
)
_MOST_WRAPPINGS: Final = 4  # nobody's mistake has more, and each costs the text's length


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the rules.

    Attributes:
        name: One of ``rules.STEPS``; ``request`` stands before them all.
        result: How it went.
        expected: In words; None where it was not reached.
        found: In words; None where it was not reached, or there was nothing.
        cure: For a failure, one sentence on what to change.
    """

    name: str
    result: Result
    expected: str | None = None
    found: str | None = None
    cure: str | None = None


@dataclass(frozen=True, slots=True)
class Prosody:
    """What Jitsi's plugins tell the client: an XMPP condition and a text; on an allow, neither."""

    error: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict and why; ``dataclasses.asdict`` gives the form of ``explain --json``.

    Attributes:
        allowed: The verdict.
        code: Why not; None when allowed.
        steps: Those that were taken and, after a failure, those that would have come.
        prosody: Jitsi's own words for it.
        notes: What else is worth knowing.
    """

    allowed: bool
    code: DenialCode | None
    steps: tuple[Step, ...]
    prosody: Prosody
    notes: tuple[str, ...] = ()


def explain(
    request: AccessRequest,
    policy: Policy,
    keys: KeyLookup,
    now: float,
    revoked: RevocationCheck | None = None,
) -> Explanation:
    """Judge one request and say why; arguments and verdict are those of ``rules.decide``."""
    taken: dict[str, tuple[Any, Any]] = {}

    def note(step: str, expected: Any, found: Any) -> None:
        taken.pop(step, None)
        taken[step] = (expected, found)

    decision = decide(request, policy, keys, now, note, revoked=revoked)
    token = None if request.token is None else read_token(request.token)
    last = next(reversed(taken))
    evidence = Evidence(request, policy, keys, now, token, decision, last, revoked is not None)
    steps = tuple(_step(name, taken.get(name), evidence) for name in _story(evidence, list(taken)))
    notes = tuple(remarks(evidence))
    if isinstance(decision, Deny):
        return Explanation(False, decision.code, steps, Prosody(*decision.answer), notes)
    return Explanation(True, None, steps, Prosody(), notes)


def explain_ambiguity(found: str) -> Explanation:
    """Explain a request that can be read in two ways, so that no rule is asked."""
    expected = "one token, every parameter once, prefix as in the path"
    refused = Step("request", "fail", expected, found, ambiguity())
    return _refuse_before_all_rules(DenialCode.AMBIGUOUS_REQUEST, refused)


def explain_unserved_host(host: str) -> Explanation:
    """Explain a request for a host that ``strict_hosts`` shuts out, so that no rule is asked."""
    expected = "a host that has a [hosts] table (strict_hosts)"
    cure = f"Give {quoted(host)} a [hosts] table, or ask for the room by a host that has one."
    refused = Step("request", "fail", expected, shown(host), cure)
    return _refuse_before_all_rules(DenialCode.DOMAIN_MISMATCH, refused)


def _refuse_before_all_rules(code: DenialCode, refused: Step) -> Explanation:
    rest = (Step(name, "not-reached") for name in STEPS)
    return Explanation(False, code, (refused, *rest), Prosody(*Deny(code).answer))


def unwrap(text: str) -> tuple[str, str | None]:
    """Take blanks, quotes and ``Bearer`` off a token that was copied with them.

    Returns:
        The token, and what an operator should know of it where the service would not do likewise.
    """
    token = bare = text.strip()
    for _ in range(_MOST_WRAPPINGS):
        match = next(filter(None, (form.fullmatch(bare) for form in _WRAPPING)), None)
        if match is None:
            break
        bare = match["token"].strip()
    if bare == token:
        return token, None
    return bare, (
        "'Bearer ' or quotes were taken off the token for this explanation; in a URL the service"
        " itself would refuse it with them."
    )


def _story(evidence: Evidence, taken: list[str]) -> list[str]:
    """Name the steps that were taken, and after a failure those that would have come."""
    if not isinstance(evidence.decision, Deny):
        return taken
    later = STEPS[STEPS.index(taken[-1]) + 1 :]
    return taken + [name for name in later if applies(name, evidence)]


def _step(name: str, noted: tuple[Any, Any] | None, evidence: Evidence) -> Step:
    if noted is None:
        return Step(name, "not-reached")
    decision: Decision = evidence.decision
    failed = isinstance(decision, Deny) and name == evidence.step
    expected, found = noted
    step = Step(
        name,
        "fail" if failed else "pass",
        expected_in_words(name, expected),
        found_in_words(name, found, failed=failed, now=evidence.now),
    )
    if isinstance(decision, Deny) and failed:
        return replace(step, cure=CURES[decision.code](evidence))
    return step
