"""Explanations where keys may have to be fetched first, as the service fetches them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from verifier.decisions.verifier import Keys
from verifier.explain import Explanation, explain
from verifier.keys.model import KeyLookup, KeySet
from verifier.keys.resolver import KeyResolver
from verifier.keys.sources.base import Missing, SourceStatus
from verifier.rules.engine import decide
from verifier.rules.model import AccessRequest, DenialCode, Deny, RevocationCheck
from verifier.rules.policy import Policy

_NO_KEY: Final = (DenialCode.KEYS_UNAVAILABLE, DenialCode.KEY_UNKNOWN)
_MOST_KEY_IDS: Final = 20


async def explain_request(
    request: AccessRequest,
    policy: Policy,
    keys: Keys,
    now: float,
    revoked: RevocationCheck | None = None,
) -> Explanation:
    """Explain the verdict that the service would give; asks for a key that is not at hand.

    Args:
        request: The token and the room.
        policy: What is accepted.
        keys: The configured sources.
        now: Unix time, seconds.
        revoked: Refuses what has been taken back; None where that is not known here.
    """
    at_hand = await _keys_at_hand(request, policy, keys, now)
    explanation = explain(request, policy, at_hand, now, revoked)
    if explanation.code not in _NO_KEY or not isinstance(keys, KeyResolver):
        return explanation
    return replace(explanation, notes=(*explanation.notes, *_on_sources(keys.status())))


def _on_sources(sources: Iterable[SourceStatus]) -> Iterator[str]:
    """Say why there is no key, where that is the trouble."""
    for source in sources:
        if source.last_error:
            yield f"Key source {source.name}: {source.last_error}"
        key_ids = [str(key.key_id) for key in source.keys if key.key_id is not None]
        if key_ids:
            more = ", …" if len(key_ids) > _MOST_KEY_IDS else ""
            yield f"Key ids from {source.name}: {', '.join(key_ids[:_MOST_KEY_IDS])}{more}"


async def _keys_at_hand(
    request: AccessRequest, policy: Policy, keys: Keys, now: float
) -> KeyLookup:
    decision = decide(request, policy, keys, now)
    if not isinstance(decision, Deny) or decision.code is not DenialCode.KEY_UNKNOWN:
        return keys
    if decision.key_id is None:
        return keys
    found = await keys.fetch(decision.key_id)
    if isinstance(found, Missing):
        return KeySet(keys.static, unavailable=found is Missing.UNAVAILABLE)
    return KeySet(keys.static, {decision.key_id: found})
