"""Explanations where keys may have to be fetched first, as the service fetches them."""

from __future__ import annotations

from verifier.core.decision import AccessRequest, DenialCode, Deny
from verifier.core.explain import Explanation, explain
from verifier.core.keys import KeyLookup, KeySet
from verifier.core.policy import Policy
from verifier.core.rules import decide
from verifier.shell.keysource import Missing
from verifier.shell.service import Keys


async def explain_request(
    request: AccessRequest, policy: Policy, keys: Keys, now: float
) -> Explanation:
    """Explain the verdict that the service would give; asks for a key that is not at hand.

    Args:
        request: The token and the room.
        policy: What is accepted.
        keys: The configured sources.
        now: Unix time, seconds.
    """
    return explain(request, policy, await _keys_at_hand(request, policy, keys, now), now)


async def _keys_at_hand(
    request: AccessRequest, policy: Policy, keys: Keys, now: float
) -> KeyLookup:
    decision = decide(request, policy, keys, now)
    if not isinstance(decision, Deny) or decision.code is not DenialCode.KEY_UNKNOWN:
        return keys
    if decision.key_id is None:
        return keys
    found = await keys.find(decision.key_id)
    if isinstance(found, Missing):
        return KeySet(keys.static, unavailable=found is Missing.UNAVAILABLE)
    return KeySet(keys.static, {decision.key_id: found})
