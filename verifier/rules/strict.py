"""What ``rules = "strict"`` asks in addition: what the standards require and Jitsi ignores.

Follows RFC 7519 (claims), RFC 7518 and 7468 (keys) and RFC 6122 (addresses, as Prosody prepares
them). All of this can only deny, with one exception: a list in ``aud`` is compared as RFC 7519
requires, so that strict rules accept some tokens that Jitsi denies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from verifier.keys.model import VerificationKey
from verifier.rooms import nameprep
from verifier.rooms.address import Jid
from verifier.rules.policy import Policy
from verifier.tokens.claims import ABSENT, Claims, is_number
from verifier.tokens.jws import json_type

_NEVER_IN_NODES: Final = frozenset("\"&'/:<>@\x7f") | frozenset(map(chr, range(0x21)))


def accepts_audience(claim: Any, accepted: Sequence[str]) -> bool:
    """Return whether ``aud`` is a string or a list with an accepted value (RFC 7519, 4.1.3)."""
    named = [claim] if isinstance(claim, str) else claim
    if not isinstance(named, list) or not named:
        return False
    if not all(isinstance(name, str) for name in named):
        return False
    return "*" in accepted or not set(accepted).isdisjoint(named)


def mistyped_iat(claims: Claims) -> tuple[str, Any] | None:
    """Return what is wrong with ``iat`` and its value, or None; Jitsi never reads it."""
    issued_at = claims.raw.get("iat", ABSENT)
    if issued_at is ABSENT or is_number(issued_at):
        return None
    return f"expected iat to be a number, found {json_type(issued_at)}", issued_at


def is_optional_pattern(claims: Claims, policy: Policy) -> bool:
    """Return whether the token has a room pattern that Jitsi would not require to match."""
    return claims.is_pattern and claims.room is not ABSENT and not policy.asap_require_room_claim


def is_prepared(jid: Jid) -> bool:
    """Return whether XMPP's preparation (RFC 6122) would leave an address as it is.

    Prosody prepares every address that it receives, so that it never asks about another form.
    """
    return _is_node(jid.node or "") and _is_host(jid.host)


def _is_node(text: str) -> bool:
    return _NEVER_IN_NODES.isdisjoint(text) and _is_stable(text)


def _is_host(text: str) -> bool:
    return not text.endswith(".") and _is_stable(text)


def _is_stable(text: str) -> bool:
    # Preparation uses Unicode 3.2 and leaves newer letters as they are. Python would make them
    # lower case, so that they are left out of the comparison.
    return nameprep.is_prepared(text, ignores_unassigned=True)


def why_unused(key: VerificationKey, now: float) -> str:
    """Return why a key is not used at ``now``, Unix seconds; empty if it is used.

    A key is not used if two programs may read its form differently, or outside of its
    certificate's validity.
    """
    if key.validity is not None:
        begins, ends = key.validity
        if not begins <= now <= ends:
            return "its certificate is not valid now"
    return key.interop_warning


def used_keys(keys: Iterable[VerificationKey], now: float) -> tuple[list[VerificationKey], str]:
    """Return the keys that are used, and why the first of the others is not."""
    reasons = [(key, why_unused(key, now)) for key in keys]
    used = [key for key, reason in reasons if not reason]
    return used, next((reason for _, reason in reasons if reason), "")
