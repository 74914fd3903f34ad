"""Explanations under test: one deployment, one good token, and the suggestion of a denial."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.tokens import SECRET, present, sign
from verifier.explain import explain
from verifier.keys.formats import parse_secret
from verifier.keys.model import KeyLookup, KeySet
from verifier.rules.model import AccessRequest
from verifier.rules.policy import Policy

NOW = 1_750_000_000
POLICY = Policy(
    asap_accepted_issuers=("app",),
    asap_accepted_audiences=("jitsi",),
    muc_mapper_domain_base="meet.jitsi",
    muc_mapper_domain="conference.meet.jitsi",
)
PLAIN = replace(POLICY, enable_domain_verification=False)
RS256 = replace(POLICY, signature_algorithm="RS256", key_server=True)
KEYS = KeySet((parse_secret(SECRET),))
PRIVATE_KEY = rsa.generate_private_key(65537, 2048)
GOOD = {
    "iss": "app",
    "aud": "jitsi",
    "sub": "meet.jitsi",
    "room": "standup",
    "exp": NOW + 3600,
    "context": {"user": {"id": "7"}},
}


def check_suggestion(
    code: str,
    token: str | None,
    *words: str,
    room: str | None = "standup",
    policy: Policy = POLICY,
    keys: KeyLookup = KEYS,
    prefix: str = "",
    **request: Any,
) -> str:
    """Explain a request; assert its denial code and that its suggestion contains these words."""
    jid = None if room is None else f"{room}@conference.meet.jitsi"
    explanation = explain(AccessRequest(token, jid, prefix, **request), policy, keys, NOW)
    assert explanation.code == code
    (found,) = filter(None, (step.cure for step in explanation.steps))
    assert [word for word in words if word not in found] == [], found
    return found


def signed(header: dict[str, Any] | None = None, **claims: Any) -> str:
    """Return the good token with changed claims; ``...`` removes a claim."""
    return sign(present(GOOD | claims), header)


def rs256(**header: Any) -> str:
    """Return the good token, signed by ``PRIVATE_KEY``."""
    return sign(GOOD, header, key=PRIVATE_KEY, algorithm="RS256")
