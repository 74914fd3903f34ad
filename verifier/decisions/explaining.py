"""Explains a decision with the service's keys; fetches the key if it is not in memory."""

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
_MAX_KEY_IDS: Final = 20


async def explain_request(
    request: AccessRequest,
    policy: Policy,
    keys: Keys,
    now: float,
    revoked: RevocationCheck | None = None,
) -> Explanation:
    """Explain the decision that the service would make; wait if a key has to be fetched.

    Args:
        request: The token and the room.
        policy: What is accepted.
        keys: The keys of the configured sources.
        now: Unix time, seconds.
        revoked: Denies what is revoked; None if the caller does not know the revocations.
    """
    with_fetched = await _fetch_missing_key(request, policy, keys, now)
    explanation = explain(request, policy, with_fetched, now, revoked)
    if explanation.code not in _NO_KEY or not isinstance(keys, KeyResolver):
        return explanation
    return replace(explanation, notes=(*explanation.notes, *_source_notes(keys.status())))


def _source_notes(sources: Iterable[SourceStatus]) -> Iterator[str]:
    """Yield two notes for each source: its last error, and the key ids that it has."""
    for source in sources:
        if source.last_error:
            yield f"Key source {source.name}: {source.last_error}"
        key_ids = [str(key.key_id) for key in source.keys if key.key_id is not None]
        if key_ids:
            more = ", …" if len(key_ids) > _MAX_KEY_IDS else ""
            yield f"Key ids from {source.name}: {', '.join(key_ids[:_MAX_KEY_IDS])}{more}"


async def _fetch_missing_key(
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
