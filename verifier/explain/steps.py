"""What was expected and found at a step of the rules, in words; knows each step by its name."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from verifier.explain.evidence import Evidence
from verifier.explain.wording import beginning, expiry, plain, shown
from verifier.rules.operator_policy import STEPS, OperatorPolicy
from verifier.tokens.claims import ABSENT

_KEY_SERVER: Final = ("header", "key id", "algorithm family", "key")
_ROOM: Final = ("room address", "authentication", "room")
_ASKED_BY: Final = dict(
    zip(
        STEPS,
        (field.name for field in fields(OperatorPolicy)),
        strict=True,
    )
)
_NONE: Final = {"tenant": "no tenant", "domain": "muc_mapper_domain to be set"}


def applies(name: str, evidence: Evidence) -> bool:
    """Tell whether a step that was not reached would have been one of this question's."""
    if name in _KEY_SERVER:
        return evidence.policy.key_server
    if name == "revocation":
        return evidence.revocations
    if name in _ROOM:
        return evidence.request.room_jid is not None
    if name in _ASKED_BY:
        return _is_asked(name, evidence)
    if name in ("tenant", "domain"):
        verified = evidence.policy.enable_domain_verification or evidence.policy.strict
        wanted = evidence.jid if name == "domain" else evidence.tenant
        return verified and wanted is not None
    return True


def _is_asked(name: str, evidence: Evidence) -> bool:
    if name == STEPS[-1] and not evidence.request.creates_room:
        return False
    return bool(getattr(evidence.policy.operator_policy or OperatorPolicy(), _ASKED_BY[name]))


def expected_in_words(name: str, value: Any) -> str:
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


def found_in_words(name: str, value: Any, *, failed: bool, now: float) -> str | None:
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
