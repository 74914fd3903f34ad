"""Tokens that open a room once (the option ``single_use``): a verdict that depends on the past.

Asked behind the rules, and only about what they allow. Knows no store but by its protocol, and
no HTTP.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Final, TypeGuard

from verifier.revocation.stores.base import StoreUnavailableError
from verifier.rules.denials import ALREADY_USED, NOT_REDEEMABLE, REDEMPTIONS_UNAVAILABLE
from verifier.rules.model import AccessRequest, Allow, Decision
from verifier.single_use.base import Redemption, RedemptionStore
from verifier.tokens.claims import ABSENT, Claims

_CLOCKS_DIFFER: Final = 300.0  # seconds, that a use is kept behind its token's end


class SingleUse:
    """Lets each token in once.

    Args:
        uses: Where uses are recorded.
        window: For how long, seconds, after its first entry a token goes on opening its room.
    """

    def __init__(self, uses: RedemptionStore, window: float) -> None:
        self._uses = uses
        self._window = window

    async def settle(self, allow: Allow, leeway: float, browser: str | None) -> Decision:
        """Let in whom the rules let in, unless somebody else was first.

        Args:
            allow: What the rules say of a token.
            leeway: For how long, seconds, the rules accept it behind its end.
            browser: Who this is (``Redemption``).
        """
        claims = allow.claims or Claims({})
        ends, jti = claims.expires_at, claims.raw.get("jti", ABSENT)
        # The configuration has the rules refuse such tokens; none may slip through here.
        if jti is ABSENT or ends is None:
            return NOT_REDEEMABLE
        keep_until = ends + leeway + _CLOCKS_DIFFER
        use = Redemption(_name(claims.issuer, jti), self._window, keep_until, browser)
        try:
            return allow if await self._uses.claim(use) else ALREADY_USED
        except StoreUnavailableError:
            return REDEMPTIONS_UNAVAILABLE


def is_entry(decision: Decision, request: AccessRequest) -> TypeGuard[Allow]:
    """Tell whether somebody is about to enter a room by a token.

    A question about the token alone is none, nor is one about somebody who has entered by it.
    """
    if request.room_jid is None or request.admitted_before:
        return False
    return isinstance(decision, Allow) and decision.claims is not None


def _name(issuer: Any, jti: Any) -> str:
    return sha256(json.dumps([issuer, jti]).encode()).hexdigest()
