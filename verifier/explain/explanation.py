"""The explanation of a decision: every step of the rules in order, with what each step found.

An explanation never contains a token: neither its signature nor the whole text, only single claims.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from verifier.explain.decided_request import DecidedRequest
from verifier.explain.notes import find_notes
from verifier.explain.pasted import PastedInput
from verifier.explain.suggestions import SUGGESTIONS, suggest_one_reading
from verifier.explain.wording import (
    format_expiry,
    format_not_before,
    format_value,
    make_printable,
    quote,
    split_cause,
)
from verifier.keys.model import KeyLookup
from verifier.rules.engine import decide
from verifier.rules.model import STEPS, AccessRequest, Decision, DenialCode, Deny, RevocationCheck
from verifier.rules.policy import OperatorPolicy, Policy
from verifier.rules.token import read_token
from verifier.tokens.claims import ABSENT
from verifier.tokens.redact import hide_tokens

Result = Literal["pass", "fail", "not-reached"]

_KEY_SERVER_STEPS: Final = ("header", "key id", "algorithm family", "key")
_ROOM_STEPS: Final = ("room address", "authentication", "room")
POLICY_OPTIONS: Final = {
    "policy: room": "forbid_wildcard_room",
    "policy: sub": "forbid_wildcard_sub",
    "policy: pattern": "forbid_room_patterns",
    "policy: lifetime": "max_token_lifetime",
    "policy: jti": "require_jti",
    "policy: expiry": "require_expiry",
    "policy: user id": "require_user_id",
    "policy: new room": "moderators_create_rooms",
}
"""The option of ``[policy]`` that turns on each step of the operator policy."""
_EXPECTED_IF_EMPTY: Final = {"tenant": "no tenant", "domain": "muc_mapper_domain to be set"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the rules.

    Attributes:
        name: One of ``rules.STEPS``, or ``request`` for what is checked before all rules.
        result: The step's outcome.
        expected: The expected value as text; None for a step that was not reached.
        found: The found value as text; None if the value is absent or the step was not reached.
        cure: The suggestion what to change; only for the step that failed.
    """

    name: str
    result: Result
    expected: str | None = None
    found: str | None = None
    cure: str | None = None


@dataclass(frozen=True, slots=True)
class Prosody:
    """The answer of Jitsi's Prosody plugins to a denial; both members are None if allowed.

    Attributes:
        error: The XMPP error condition.
        reason: The text for the client.
    """

    error: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and its reasons; ``dataclasses.asdict`` returns the form of ``explain --json``.

    Attributes:
        allowed: Whether the request is allowed.
        code: The denial code; None if allowed.
        steps: The steps that were taken, followed by the steps that the denial prevented.
        prosody: The answer of Jitsi's own plugins.
        notes: Other facts that an operator should know.
    """

    allowed: bool
    code: DenialCode | None
    steps: tuple[Step, ...]
    prosody: Prosody
    notes: tuple[str, ...] = ()

    @property
    def cause_and_cure(self) -> tuple[str, str]:
        """Why the request is denied, in one sentence, and what to change; empty if allowed."""
        cures = [step.cure for step in self.steps if step.cure]
        return split_cause(cures[0]) if cures else ("", "")


def explain(
    request: AccessRequest,
    policy: Policy,
    keys: KeyLookup,
    now: float,
    revoked: RevocationCheck | None = None,
) -> Explanation:
    """Decide one request and explain the decision; the arguments are those of ``rules.decide``."""
    taken: dict[str, tuple[Any, Any]] = {}

    def record(step: str, expected: Any, found: Any) -> None:
        # A step that is recorded again moves to the end, so that the last entry is where it ended.
        taken.pop(step, None)
        taken[step] = (expected, found)

    decision = decide(request, policy, keys, now, revoked=revoked, record=record)
    token = None if request.token is None else read_token(request)
    last = next(reversed(taken))
    decided = DecidedRequest(request, policy, keys, now, token, decision, last, revoked is not None)
    names = _name_steps(decided, list(taken))
    steps = tuple(_explain_step(name, taken.get(name), decided) for name in names)
    notes = tuple(find_notes(decided))
    if isinstance(decision, Deny):
        return Explanation(False, decision.code, steps, Prosody(*decision.answer), notes)
    return Explanation(True, None, steps, Prosody(), notes)


def add_pasted(explanation: Explanation, pasted: PastedInput) -> Explanation:
    """Return the explanation with what is known of the text that a person pasted.

    A mistake in a link replaces the suggestion, if it explains the denial; else it is a note. No
    note contains a token, whatever the text contains.
    """
    notes, steps = [*pasted.notes], explanation.steps
    for finding in pasted.findings:
        if explanation.code in finding.codes:
            cure = f"{finding.cause} {finding.cure}"
            steps = tuple(
                replace(step, cure=cure) if step.result == "fail" else step for step in steps
            )
        else:
            notes.append(finding.cause)
    notes += explanation.notes
    return replace(explanation, steps=steps, notes=tuple(map(hide_tokens, notes)))


def explain_ambiguity(found: str) -> Explanation:
    """Explain the denial of a request that has two readings; no rule is evaluated."""
    expected = "one token, every parameter once, prefix as in the path"
    failed = Step("request", "fail", expected, found, suggest_one_reading())
    return _deny_before_all_rules(DenialCode.AMBIGUOUS_REQUEST, failed)


def explain_unserved_host(host: str) -> Explanation:
    """Explain the denial of a host that ``strict_hosts`` excludes; no rule is evaluated."""
    expected = "a host that has a [hosts] table (strict_hosts)"
    cure = (
        f"No [hosts] table serves the host {quote(host)}. Add a [hosts] table for {quote(host)}, or"
        " use a host that has such a table."
    )
    failed = Step("request", "fail", expected, format_value(host), cure)
    return _deny_before_all_rules(DenialCode.DOMAIN_MISMATCH, failed)


def _deny_before_all_rules(code: DenialCode, failed: Step) -> Explanation:
    rest = (Step(name, "not-reached") for name in STEPS)
    return Explanation(False, code, (failed, *rest), Prosody(*Deny(code).answer))


def _name_steps(decided: DecidedRequest, taken: list[str]) -> list[str]:
    """Return the steps that were taken and, after a denial, the steps that it prevented."""
    if not isinstance(decided.decision, Deny):
        return taken
    later = STEPS[STEPS.index(taken[-1]) + 1 :]
    return taken + [name for name in later if _applies(name, decided)]


def _applies(name: str, decided: DecidedRequest) -> bool:
    """Return whether a step that was not reached is part of the rules for this request."""
    policy = decided.policy
    if name in _KEY_SERVER_STEPS:
        return policy.key_server
    if name == "revocation":
        return decided.checks_revocations
    if name in _ROOM_STEPS:
        return decided.request.room_jid is not None
    if name in POLICY_OPTIONS:
        return _is_policy_step(name, decided)
    if name in ("tenant", "domain"):
        address_part = decided.jid if name == "domain" else decided.tenant
        return (policy.enable_domain_verification or policy.strict) and address_part is not None
    return True


def _is_policy_step(name: str, decided: DecidedRequest) -> bool:
    # Only Prosody knows whether a room is empty, so only Prosody's requests have this step.
    if name == "policy: new room" and not decided.request.creates_room:
        return False
    operator_policy = decided.policy.operator_policy or OperatorPolicy()
    return bool(getattr(operator_policy, POLICY_OPTIONS[name]))


def _explain_step(name: str, recorded: tuple[Any, Any] | None, decided: DecidedRequest) -> Step:
    if recorded is None:
        return Step(name, "not-reached")
    decision: Decision = decided.decision
    failed = isinstance(decision, Deny) and name == decided.step
    expected, found = recorded
    step = Step(
        name,
        "fail" if failed else "pass",
        _describe_expected(name, expected),
        _describe_found(name, found, failed=failed, now=decided.now),
    )
    if isinstance(decision, Deny) and failed:
        return replace(step, cure=SUGGESTIONS[decision.code](decided))
    return step


def _describe_expected(name: str, value: Any) -> str:
    if isinstance(value, tuple):
        return "anything" if "*" in value else make_printable(" or ".join(value))
    if name == "policy: lifetime":
        return f"at most {value:g} s"
    if name == "signature":
        return f"{value}, made with a configured key"
    if name == "room" and (value is ABSENT or value == "*"):
        return "any room"
    if not value and name in _EXPECTED_IF_EMPTY:
        return _EXPECTED_IF_EMPTY[name]
    return format_value(value) or '""'


def _describe_found(name: str, value: Any, *, failed: bool, now: float) -> str | None:
    if name == "signature":
        return f"made with {'none' if failed else 'one'} of {value}" if value else "no key"
    if name == "policy: lifetime":
        return "no end" if value is None else f"{value:.0f} s"
    if name == "expiry":
        return format_expiry(value, now)
    if name == "not before":
        return format_not_before(value, now)
    if name == "context" and isinstance(value, dict):
        return make_printable(f"an object with {', '.join(value) or 'nothing in it'}")
    return format_value(value)
