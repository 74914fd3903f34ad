"""What upstream lets through only because it never looks: forms and types.

Comes last, so that it never hides one of Jitsi's own answers.
"""

from __future__ import annotations

from typing import Final

from verifier.rules import strict
from verifier.rules.model import DenialCode, Deny
from verifier.rules.policy import Policy
from verifier.rules.steps import Recorder, deny, not_a
from verifier.tokens import jws
from verifier.tokens.claims import ABSENT, Claims, TokenHeader
from verifier.tokens.jws import Token

_KINDS: Final = {str: "a string", dict: "an object"}


def check_form(token: Token, claims: Claims, policy: Policy, note: Recorder) -> Deny | None:
    """Refuse what upstream lets through only because it never looks."""
    # 15. Strict form; an extension that must be understood (RFC 7515, 4.1.11) is not.
    header = TokenHeader(token.header)
    if token.irregularity:
        note("claim types", "a strict token", token.irregularity)
        return deny(DenialCode.TOKEN_MALFORMED, token.irregularity)
    for name in ("crit", "zip"):
        if name in token.header:
            note("claim types", f"no {name} in the header", token.header[name])
            return deny(DenialCode.TOKEN_MALFORMED, f"expected no {name} in the header")
    # 16. JSON types, where a wrong one reaches other modules or is never compared.
    context = claims.context if isinstance(claims.context, dict) else {}
    for name, value, code in (
        ("exp", claims.expiry, DenialCode.EXPIRY_MALFORMED),
        ("nbf", claims.not_before, DenialCode.NOT_BEFORE_MALFORMED),
    ):
        if value is False:
            note("claim types", f"{name} to be a number", value)
            return deny(code, not_a("number", name, value), header.key_id)
    typed = (
        ("kid", header.key_id, str),
        ("iss", claims.issuer, str),
        ("sub", claims.subject, str),
        ("room", claims.room, str),
        ("context", claims.context, dict),
        ("context.user", context.get("user", ABSENT), dict),
        ("context.tenant", context.get("tenant", ABSENT), str),
        ("context.group", context.get("group", ABSENT), str),
        ("context.room", context.get("room", ABSENT), dict),
        ("context.features", context.get("features", ABSENT), dict),
    )
    for name, value, kind in typed:
        if value is not ABSENT and not isinstance(value, kind):
            note("claim types", f"{name} to be {_KINDS[kind]}", value)
            detail = f"expected {name} to be {_KINDS[kind]}, found {jws.json_type(value)}"
            return deny(DenialCode.CLAIM_MALFORMED, detail, header.key_id)
    mistyped = strict.mistyped_claim(claims) if policy.strict else None
    if mistyped is not None:
        note("claim types", "iat to be a number", mistyped[1])
        return deny(DenialCode.CLAIM_MALFORMED, mistyped[0], header.key_id)
    if claims.room == "":
        note("claim types", "room not to be empty", claims.room)
        return deny(DenialCode.CLAIM_MALFORMED, "expected room not to be empty", header.key_id)
    note("claim types", "the types that Jitsi's modules read", "those types")
    return None
