"""What an operator should know about a token besides the verdict, however that went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from verifier.explain.decided_request import DecidedRequest
from verifier.explain.wording import MILLISECONDS, moment, quoted
from verifier.keys.model import JITSI_ALGORITHMS
from verifier.rules.model import Allow
from verifier.rules.policy import Policy
from verifier.tokens.claims import ABSENT, Claims, is_number

_NO_MODERATOR: Final = (False, "false", "", None, ABSENT)


def find_notes(decided: DecidedRequest) -> Iterator[str]:
    """Say what is worth knowing; nothing of a token that cannot be read."""
    if isinstance(decided.decision, Allow):
        yield from _on_entrance(decided, decided.decision)
    elif decided.step == "claim types" and "iat" in decided.detail:
        yield "Jitsi never reads iat: it would let the token in. Strict rules do not."
    elif decided.step == "claim types":
        yield (
            "Jitsi's own plugins do not look at this: they would let the token in, or fail on it"
            " later. This verifier does not."
        )
    if decided.claims.raw:
        yield from _on_times(decided)
        yield from _on_moderators(decided.claims)
        yield from _on_breadth(decided)
        yield from _on_user(decided.claims)


def _on_entrance(decided: DecidedRequest, allow: Allow) -> Iterator[str]:
    operator_policy = decided.policy.operator_policy
    if allow.claims is None:
        yield "No token: a guest, let in by allow_empty_token (JWT_ALLOW_EMPTY)."
    elif allow.affiliation == "owner":
        yield "The token makes its bearer a moderator (affiliation owner)."
    elif operator_policy is not None and operator_policy.moderators_create_rooms:
        yield (
            "No moderator: Prosody would let nobody in with this token who would be the first in"
            " the room (policy.moderators_create_rooms)."
        )
    if allow.claims is not None and decided.policy.single_use != "off":
        yield (
            "The token opens its room once (single_use): whether it has been used is not asked"
            " here, nor does this use it."
        )
    if allow.tenant_mismatch:
        tenant = quoted(decided.claims.context_tenant)
        yield (
            f"context.tenant, {tenant}, is not the URL's tenant: Jitsi flags that, and refuses it"
            " in rooms that require authentication."
        )
    algorithm = decided.header.algorithm
    if allow.claims is not None and algorithm not in JITSI_ALGORITHMS:
        yield f"Jitsi's own plugins cannot check {algorithm}: Prosody would refuse this token."


def _on_times(decided: DecidedRequest) -> Iterator[str]:
    claims, now = decided.claims, decided.now
    expiry, issued_at = claims.expires_at, claims.raw.get("iat", ABSENT)
    if claims.expiry is ABSENT:
        yield "There is no exp: the token never expires."
    elif expiry is not None and expiry > MILLISECONDS:
        yield (
            f"exp, {expiry}, looks like milliseconds, and Jitsi reads seconds: the token"
            " practically never expires."
        )
    elif expiry is not None and decided.step == "not before" and now >= expiry:
        yield "The token has expired, too."
    if is_number(issued_at) and issued_at > now:
        yield f"iat lies in the future ({moment(issued_at)}); Jitsi ignores it."


def _on_moderators(claims: Claims) -> Iterator[str]:
    for name in ("moderator", "affiliation"):
        if name in claims.raw:
            yield (
                f"{name} stands at the top level of the token, where Jitsi ignores it: what makes"
                " a moderator is moderator: true within context.user."
            )
    flag: Any = claims.user.get("moderator", ABSENT)
    if not claims.is_moderator and flag not in _NO_MODERATOR:
        yield (
            f"context.user.moderator is {quoted(flag)}, which makes no moderator: only true (or"
            ' "true") does.'
        )


def _on_breadth(decided: DecidedRequest) -> Iterator[str]:
    claims, policy = decided.claims, decided.policy
    if claims.room == "*":
        yield 'room is "*": the token is good for every room.'
    if claims.subject == "*" and policy.enable_domain_verification:
        yield 'sub is "*": the token is good for every tenant.'
    if isinstance(claims.audience, list):
        yield from _on_audiences(policy)
    if claims.is_pattern and not (policy.enable_domain_verification or policy.strict):
        yield "context.room.regex is ignored: patterns work only with enable_domain_verification."


def _on_audiences(policy: Policy) -> Iterator[str]:
    if "*" in policy.asap_accepted_audiences:
        yield "aud is a list: with Jitsi it can pass only because every audience is accepted."
    elif policy.strict:
        yield (
            "aud is a list, which strict rules compare name by name; Jitsi's own plugins compare it"
            " with no string: Prosody would refuse this token."
        )


def _on_user(claims: Claims) -> Iterator[str]:
    if claims.context is ABSENT and "user_id" not in claims.raw:
        yield "There is no context: the user comes in without name, e-mail address and rights."
    elif claims.user and "id" not in claims.user:
        yield "context.user has no id: applications behind the proxy get none (X-Jitsi-User-Id)."
