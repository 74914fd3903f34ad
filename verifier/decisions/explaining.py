"""Explains a decision with the service's keys; fetches the key if it is not in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from verifier.decisions.verifier import Keys
from verifier.explain import Explanation, explain
from verifier.explain.wording import make_printable, quote
from verifier.keys.formats import describe_skipped
from verifier.keys.model import KeyLookup, KeySet
from verifier.keys.resolver import KeyResolver
from verifier.keys.sources.base import Missing, SourceStatus
from verifier.keys.sources.fetcher import UNUSABLE_RESPONSE
from verifier.rules.engine import decide
from verifier.rules.model import AccessRequest, DenialCode, Deny, RevocationCheck
from verifier.rules.policy import Policy
from verifier.rules.token import read_token

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
    if not isinstance(keys, KeyResolver):
        return explanation
    sources, key_id = keys.status(), _key_id(request)
    notes = (*explanation.notes, *_irregular_key_notes(sources, key_id))
    if explanation.code not in _NO_KEY:
        return replace(explanation, notes=notes)
    cure = _suggest_by_entries(sources, key_id)
    steps = tuple(
        replace(step, cure=cure) if cure and step.result == "fail" else step
        for step in explanation.steps
    )
    return replace(explanation, steps=steps, notes=(*notes, *_source_notes(sources, key_id)))


def _irregular_key_notes(sources: Iterable[SourceStatus], key_id: str | None) -> Iterator[str]:
    """Yield a note on the token's key if other programs may refuse its form."""
    for key in (key for source in sources for key in source.keys):
        if key.irregular and key_id is not None and key.key_id == key_id:
            yield (
                f"The key of kid {quote(key_id)} is in an irregular form, which other programs may"
                f" refuse: {make_printable(key.irregular)}."
            )


def _key_id(request: AccessRequest) -> str | None:
    key_id = None if request.token is None else read_token(request).first_header.key_id
    return key_id if isinstance(key_id, str) else None


def _suggest_by_entries(sources: Sequence[SourceStatus], key_id: str | None) -> str | None:
    """Return what to change if a source has the key, or keys at all, but cannot use them."""
    skipped = [entry for source in sources for entry in source.skipped]
    of_key = [entry for entry in skipped if entry.key_id == key_id]
    if of_key and key_id is not None:
        return (
            f"The key of kid {quote(key_id)} is published, but it cannot be used:"
            f" {make_printable(of_key[0].detail)}. Publish one public signing key under this kid."
        )
    if any(source.keys for source in sources):
        return None
    if skipped:
        return "The keys are published, but none of them can be used. The notes say why."
    for source in sources:
        _, unusable, reason = source.last_error.partition(UNUSABLE_RESPONSE)
        if unusable:
            return (
                f"The key source {source.name} responds, but its response cannot be used:"
                f" {make_printable(reason)}."
            )
    return None


def _source_notes(sources: Iterable[SourceStatus], key_id: str | None) -> Iterator[str]:
    """Yield what each source has: its last error, its unusable entries, and its key ids."""
    for source in sources:
        if source.last_error:
            yield f"Key source {source.name}: {source.last_error}"
        if source.skipped:
            ordered = sorted(source.skipped, key=lambda entry: entry.key_id != key_id)
            yield f"Not used from {source.name}: {describe_skipped(ordered)}"
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
