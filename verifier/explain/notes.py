"""Notes: facts about a token that an operator should know, besides the decision.

Most notes also appear on an allowed token, because a mistake that denies nothing is the hardest
to find. Each generator covers one topic; ``find_notes`` lists them in the order of display.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from verifier.explain.decided_request import DecidedRequest
from verifier.explain.form_suggestions import is_unsigned, suggest_order, suggest_signing
from verifier.explain.misplaced import find_misplaced
from verifier.explain.wording import (
    MILLISECONDS,
    describe_large_time,
    format_time,
    join_words,
    plain,
    quote,
)
from verifier.keys.model import JITSI_ALGORITHMS
from verifier.rules.model import Allow, DenialCode
from verifier.rules.policy import Policy
from verifier.tokens.claims import ABSENT, Claims, is_number

_OFF: Final = frozenset({"false", "no", "off", "0", "none", "null", "disabled", ""})
_MAX_FEATURES: Final = 4  # in one note
_SAYS_UNSIGNED: Final = frozenset(
    {
        DenialCode.TOKEN_MALFORMED,
        DenialCode.ALGORITHM_NOT_ALLOWED,
        DenialCode.ALGORITHM_MISSING,
    }
)
"""Codes whose suggestion says that the token is unsigned."""
_CLEARLY_NO_MODERATOR: Final = (False, "false", "", None, ABSENT)
_NO_MODERATORS: Final = ("member", "none", "outcast", "student", "guest", "", None, ABSENT)
"""Affiliations that are not meant to make a moderator."""


def find_notes(decided: DecidedRequest) -> Iterator[str]:
    """Yield the notes on a decision; none on a token whose claims cannot be read."""
    if isinstance(decided.decision, Allow):
        yield from _note_allowed(decided, decided.decision)
    elif decided.step == "claim types" and decided.cause == "iat":
        yield "Jitsi never reads iat, so it would let the token in. Strict rules do not."
    elif decided.step == "claim types":
        yield (
            "Jitsi's own plugins do not check this: they would let the token in, or fail on it"
            " later. This verifier denies it."
        )
    if decided.claims.raw and not suggest_order(decided):
        yield from _note_times(decided)
        yield from _note_moderator_claims(decided.claims)
        yield from _note_scope(decided)
        yield from _note_user(decided.claims)
        yield from _note_features(decided.claims)
        yield from find_misplaced(decided.claims, decided.header.raw)
    if is_unsigned(decided) and decided.code not in _SAYS_UNSIGNED:
        yield f"{suggest_signing(decided)}"


def _note_allowed(decided: DecidedRequest, allow: Allow) -> Iterator[str]:
    operator_policy = decided.policy.operator_policy
    if allow.claims is None:
        yield "No token: a guest, allowed by allow_empty_token (JWT_ALLOW_EMPTY)."
    elif allow.affiliation == "owner":
        yield "The token makes its user a moderator (affiliation owner)."
    elif operator_policy is not None and operator_policy.moderators_create_rooms:
        yield (
            "The token makes no moderator, so Prosody would not let it open an empty room"
            " (policy.moderators_create_rooms)."
        )
    if allow.claims is not None and decided.policy.single_use != "off":
        yield (
            "The token opens its room once (single_use). This explanation does not check whether"
            " the token was used, and does not use it."
        )
    if allow.tenant_mismatch:
        tenant = quote(decided.claims.context_tenant)
        yield (
            f"context.tenant, {tenant}, is not the URL's tenant: Jitsi flags that, and refuses it"
            " in rooms that require authentication."
        )
    algorithm = decided.header.algorithm
    if allow.claims is not None and algorithm not in JITSI_ALGORITHMS:
        yield f"Jitsi's own plugins cannot check {algorithm}: Prosody would refuse this token."


def _note_times(decided: DecidedRequest) -> Iterator[str]:
    claims, now = decided.claims, decided.now
    expiry, issued_at = claims.expires_at, claims.raw.get("iat", ABSENT)
    if claims.expiry is ABSENT:
        yield "There is no exp: the token never expires."
    elif expiry is not None and expiry > MILLISECONDS:
        yield (
            f"exp, {expiry}, {describe_large_time(expiry, now)}, and Jitsi reads seconds: the token"
            " practically never expires."
        )
    elif expiry is not None and decided.step == "not before" and now >= expiry:
        yield "The token has expired, too."
    if is_number(issued_at) and issued_at > MILLISECONDS:
        yield f"iat, {issued_at}, {describe_large_time(issued_at, now)}. Jitsi ignores it."
    elif is_number(issued_at) and issued_at > now:
        yield f"iat is in the future ({format_time(issued_at)}). Jitsi ignores it."


def _note_moderator_claims(claims: Claims) -> Iterator[str]:
    for name in ("moderator", "affiliation"):
        if name in claims.raw:
            yield (
                f"{name} is at the top level of the token, where Jitsi ignores it. Only"
                " moderator: true within context.user makes a moderator."
            )
    affiliation = claims.user.get("affiliation", ABSENT)
    if not claims.is_moderator and affiliation not in _NO_MODERATORS:
        yield (
            f"context.user.affiliation is {quote(affiliation)}, which makes no moderator: only"
            " owner, moderator and teacher do, in small letters."
        )
    flag: Any = claims.user.get("moderator", ABSENT)
    if not claims.is_moderator and flag not in _CLEARLY_NO_MODERATOR:
        yield (
            f"context.user.moderator is {quote(flag)}, which makes no moderator: only true (or"
            ' "true") does.'
        )


def _note_scope(decided: DecidedRequest) -> Iterator[str]:
    claims, policy = decided.claims, decided.policy
    if claims.room == "*":
        yield 'room is "*": the token is good for every room.'
    if claims.subject == "*" and policy.enable_domain_verification:
        yield 'sub is "*": the token is good for every tenant.'
    if isinstance(claims.audience, list):
        yield from _note_audience_list(policy)
    if claims.is_pattern and not (policy.enable_domain_verification or policy.strict):
        yield "context.room.regex is ignored: patterns work only with enable_domain_verification."


def _note_audience_list(policy: Policy) -> Iterator[str]:
    if "*" in policy.asap_accepted_audiences:
        yield "aud is a list: with Jitsi it can pass only because every audience is accepted."
    elif policy.strict:
        yield (
            "aud is a list. Strict rules compare each of its names, but Jitsi's own plugins accept"
            " no list here: Prosody would refuse this token."
        )


def _note_features(claims: Claims) -> Iterator[str]:
    context = claims.context if isinstance(claims.context, dict) else {}
    empty = [name for name in ("user", "features", "room") if context.get(name) == []]
    places = ["context"] if claims.context == [] else [f"context.{name}" for name in empty]
    if places:
        yield f"{join_words(places)}: [] is PHP's empty array, which Jitsi reads as {{}}."
    features = context.get("features")
    if not isinstance(features, dict):
        return
    truthy = [(name, value) for name, value in features.items() if _seems_on(value)]
    if truthy:
        values = list(dict.fromkeys(quote(value) for _, value in truthy[:_MAX_FEATURES]))
        names = join_words([plain(name) for name, _ in truthy[:_MAX_FEATURES]])
        verb = "switches" if len(values) == 1 else "switch"
        yield (
            f"{join_words(values)} {verb} nothing on in context.features ({names}): only true (or"
            ' "true") does.'
        )


def _seems_on(value: Any) -> bool:
    """Return whether a value was probably meant to switch a feature on, and does not."""
    if value is True or value == "true" or not value:
        return False
    return not isinstance(value, str) or value.strip().lower() not in _OFF


def _note_user(claims: Claims) -> Iterator[str]:
    if claims.context is ABSENT and "user_id" not in claims.raw:
        yield "There is no context: the user enters without name, e-mail address and rights."
    elif claims.user and "id" not in claims.user:
        yield "context.user has no id: applications behind the proxy get none (X-Jitsi-User-Id)."
