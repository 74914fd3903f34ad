"""From a question to its explanation, step by step.

Never holds a token: neither its signature nor the whole of it, only single claims.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

from verifier.explain.decided_request import DecidedRequest
from verifier.explain.notes import find_notes
from verifier.explain.suggestions import SUGGESTIONS, suggest_one_reading
from verifier.explain.wording import beginning, expiry, plain, quoted, shown
from verifier.keys.model import KeyLookup
from verifier.rules.engine import decide
from verifier.rules.model import STEPS, AccessRequest, Decision, DenialCode, Deny, RevocationCheck
from verifier.rules.policy import OperatorPolicy, Policy
from verifier.rules.token import read_token
from verifier.tokens.claims import ABSENT

Result = Literal["pass", "fail", "not-reached"]

_WRAPPING: Final = (
    re.compile(r"(?:authorization:\s*)?bearer\s+(?P<token>.+)", re.IGNORECASE | re.DOTALL),
    re.compile(r"([\"'])(?P<token>.+)\1", re.DOTALL),
)
_KEY_SERVER: Final = ("header", "key id", "algorithm family", "key")
_ROOM: Final = ("room address", "authentication", "room")
_ASKED_BY: Final[dict[str, str]] = dict(
    zip(
        (name for name in STEPS if name.startswith("policy: ")),
        (field.name for field in fields(OperatorPolicy)),
        strict=True,
    )
)
_NONE: Final = {"tenant": "no tenant", "domain": "muc_mapper_domain to be set"}
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

    decision = decide(request, policy, keys, now, revoked=revoked, record=note)
    token = None if request.token is None else read_token(request.token)
    last = next(reversed(taken))
    decided = DecidedRequest(request, policy, keys, now, token, decision, last, revoked is not None)
    steps = tuple(_step(name, taken.get(name), decided) for name in _story(decided, list(taken)))
    notes = tuple(find_notes(decided))
    if isinstance(decision, Deny):
        return Explanation(False, decision.code, steps, Prosody(*decision.answer), notes)
    return Explanation(True, None, steps, Prosody(), notes)


def explain_ambiguity(found: str) -> Explanation:
    """Explain a request that can be read in two ways, so that no rule is asked."""
    expected = "one token, every parameter once, prefix as in the path"
    refused = Step("request", "fail", expected, found, suggest_one_reading())
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


def _story(decided: DecidedRequest, taken: list[str]) -> list[str]:
    """Name the steps that were taken, and after a failure those that would have come."""
    if not isinstance(decided.decision, Deny):
        return taken
    later = STEPS[STEPS.index(taken[-1]) + 1 :]
    return taken + [name for name in later if _applies(name, decided)]


def _step(name: str, noted: tuple[Any, Any] | None, decided: DecidedRequest) -> Step:
    if noted is None:
        return Step(name, "not-reached")
    decision: Decision = decided.decision
    failed = isinstance(decision, Deny) and name == decided.step
    expected, found = noted
    step = Step(
        name,
        "fail" if failed else "pass",
        _describe_expected(name, expected),
        _describe_found(name, found, failed=failed, now=decided.now),
    )
    if isinstance(decision, Deny) and failed:
        return replace(step, cure=SUGGESTIONS[decision.code](decided))
    return step


def _applies(name: str, decided: DecidedRequest) -> bool:
    """Tell whether a step that was not reached would have been one of this question's."""
    if name in _KEY_SERVER:
        return decided.policy.key_server
    if name == "revocation":
        return decided.revocations
    if name in _ROOM:
        return decided.request.room_jid is not None
    if name in _ASKED_BY:
        return _is_asked(name, decided)
    if name in ("tenant", "domain"):
        verified = decided.policy.enable_domain_verification or decided.policy.strict
        wanted = decided.jid if name == "domain" else decided.tenant
        return verified and wanted is not None
    return True


def _is_asked(name: str, decided: DecidedRequest) -> bool:
    if name == "policy: new room" and not decided.request.creates_room:
        return False
    return bool(getattr(decided.policy.operator_policy or OperatorPolicy(), _ASKED_BY[name]))


def _describe_expected(name: str, value: Any) -> str:
    """Say what a step expects."""
    if isinstance(value, tuple):
        return "anything" if "*" in value else plain(" or ".join(value))
    if name == "policy: lifetime":
        return f"at most {value:g} s"
    if name == "signature":
        return f"{value}, made with a configured key"
    if name == "room" and (value is ABSENT or value == "*"):
        return "any room"
    if not value and name in _NONE:
        return _NONE[name]
    return shown(value) or '""'


def _describe_found(name: str, value: Any, *, failed: bool, now: float) -> str | None:
    """Say what a step found; None for nothing at all."""
    if name == "signature":
        return f"made with {'none' if failed else 'one'} of {value}" if value else "no key"
    if name == "policy: lifetime":
        return "no end" if value is None else f"{value:.0f} s"
    if name == "expiry":
        return expiry(value, now)
    if name == "not before":
        return beginning(value, now)
    if name == "context" and isinstance(value, dict):
        return plain(f"an object with {', '.join(value) or 'nothing in it'}")
    return shown(value)
