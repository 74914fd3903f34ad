"""Where ``rules = "strict"`` differs from Jitsi: what the standards ask and Jitsi does not look at.

Holds to RFC 7519 (claims), RFC 7518 and 7468 (keys) and RFC 6122 (addresses, as Prosody prepares
them). All but one of these can only refuse: a list in ``aud`` is compared as RFC 7519 has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from encodings.idna import nameprep
from stringprep import in_table_a1
from typing import Any, Final

from verifier.keys.model import VerificationKey
from verifier.rooms.address import Jid
from verifier.rules.policy import Policy
from verifier.tokens.claims import ABSENT, Claims, is_number
from verifier.tokens.jws import json_type

_NEVER_IN_NODES: Final = frozenset("\"&'/:<>@\x7f") | frozenset(map(chr, range(0x21)))


def accepts_audience(claim: Any, accepted: Sequence[str]) -> bool:
    """Compare as RFC 7519, section 4.1.3: one string, or several, of which one is accepted."""
    named = [claim] if isinstance(claim, str) else claim
    if not isinstance(named, list) or not named:
        return False
    if not all(isinstance(name, str) for name in named):
        return False
    return "*" in accepted or not set(accepted).isdisjoint(named)


def mistyped_claim(claims: Claims) -> tuple[str, Any] | None:
    """Find a claim that Jitsi never reads and that has not RFC 7519's type: what, and the value."""
    issued_at = claims.raw.get("iat", ABSENT)
    if issued_at is ABSENT or is_number(issued_at):
        return None
    return f"expected iat to be a number, found {json_type(issued_at)}", issued_at


def is_stray_pattern(claims: Claims, policy: Policy) -> bool:
    """Tell whether there is a pattern where the claim is optional: to Jitsi, none has to match."""
    return claims.is_pattern and claims.room is not ABSENT and not policy.asap_require_room_claim


def is_prepared(jid: Jid) -> bool:
    """Tell whether XMPP's preparation (RFC 6122) would leave an address as it is.

    A server prepares every address that it is sent, so that any other form is none that it would
    ask about.
    """
    return _is_node(jid.node or "") and _is_host(jid.host)


def _is_node(text: str) -> bool:
    return _NEVER_IN_NODES.isdisjoint(text) and _is_stable(text)


def _is_host(text: str) -> bool:
    return not text.endswith(".") and _is_stable(text)


def _is_stable(text: str) -> bool:
    if text.isascii():
        return text == text.lower()
    # What Unicode 3.2 did not know stays as it is, but Python would lower its letters.
    known = "".join(letter for letter in text if not in_table_a1(letter))
    try:
        return nameprep(known) == known
    except UnicodeError:
        return False


def doubt_about(key: VerificationKey, now: float) -> str:
    """Say why a key is not used: a form that two programs read in two ways, or a certificate's end.

    Returns:
        What is wrong with it; empty where nothing is.
    """
    if key.validity is not None:
        begins, ends = key.validity
        if not begins <= now <= ends:
            return "its certificate is not valid now"
    return key.interop_warning


def without_doubt(keys: Iterable[VerificationKey], now: float) -> tuple[list[VerificationKey], str]:
    """Leave out the keys that are not used; says besides why one of those is not."""
    doubts = [(key, doubt_about(key, now)) for key in keys]
    return [key for key, doubt in doubts if not doubt], next((d for _, d in doubts if d), "")
