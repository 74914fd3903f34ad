"""A policy, keys and tokens for tests of the rules, and one function that decides."""

from __future__ import annotations

from typing import Any

from tests.support.tokens import SECRET, present, sign
from verifier import AccessRequest, Allow, DenialCode, Deny, KeySet, Policy, decide
from verifier.keys.model import VerificationKey

NOW = 1_800_000_000

HS = frozenset({"HS256", "HS384", "HS512"})

KEYS = KeySet(static=(VerificationKey(None, HS, SECRET.encode(), "secret"),))

POLICY = Policy(
    asap_accepted_issuers=("app",),
    asap_accepted_audiences=("jitsi",),
    muc_mapper_domain_base="meet.example.org",
    muc_mapper_domain="conference.meet.example.org",
)

CLAIMS: dict[str, Any] = {
    "iss": "app",
    "aud": "jitsi",
    "sub": "meet.example.org",
    "room": "standup",
    "nbf": NOW - 60,
    "exp": NOW + 60,
    "context": {"user": {"id": "u-1", "name": "Ada"}},
}

ROOM = "standup@conference.meet.example.org"


def mint(header: dict[str, Any] | None = None, secret: str = SECRET, **claims: Any) -> str:
    """Return a token with the usual claims; a claim whose value is ... is left out."""
    return sign(present(CLAIMS | claims), header, secret)


def ask(
    token: str | None, policy: Policy = POLICY, room: str | None = ROOM, **more: Any
) -> Allow | Deny:
    """Return the decision about a token; ``more`` are attributes of the access request."""
    return decide(AccessRequest(token, room, **more), policy, KEYS, NOW)


def code_of(decision: Allow | Deny) -> DenialCode:
    """Return the code of a denial; an allow fails the test."""
    assert isinstance(decision, Deny), decision
    return decision.code
