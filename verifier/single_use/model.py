"""The option ``single_use``: after the window, a token admits only the browser that used it first.

The rules depend on the request alone. Whether a token was used before depends on earlier requests,
so it is decided after the rules, and only for requests that the rules allow. A redemption is the
first use of a token, and is recorded. Each request to enter a room with the token is an attempt.
The first attempt redeems the token, and later attempts are compared with the redemption.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Protocol, TypeGuard

from verifier.rules.denials import ALREADY_USED, NOT_REDEEMABLE, REDEMPTIONS_UNAVAILABLE
from verifier.rules.model import AccessRequest, Allow, Decision
from verifier.storage.errors import StoreUnavailableError
from verifier.tokens.claims import ABSENT, Claims

# Clocks of replicas differ. A record must not be deleted while some replica still accepts its
# token.
_MAX_CLOCK_DIFFERENCE: Final = 300.0  # seconds


@dataclass(frozen=True, slots=True)
class EntryAttempt:
    """One attempt to enter a room with a token; the first attempt is the token's redemption.

    Attributes:
        token_id: A digest that identifies the token. The token cannot be computed from it.
        window: Seconds after the redemption in which the token admits every browser.
        keep_until: When the record may be deleted, because the token has ended; Unix seconds.
        browser: A random word from a cookie that only this browser has; None without a cookie.
    """

    token_id: str
    window: float
    keep_until: float
    browser: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class UsedToken:
    """What a browser that has entered with a token knows of the token's redemption.

    Attributes:
        token_id: The token's ID in the store of redemptions (``token_id``).
        ends: When the browser's knowledge ends, Unix seconds; at the latest with the token.
        browser: The browser, as in ``EntryAttempt``.
    """

    token_id: str
    ends: float
    browser: str = field(repr=False)


class RedemptionStore(Protocol):
    """Records redemptions."""

    async def redeem(self, attempt: EntryAttempt) -> bool:
        """Record the first use of a token; returns whether to admit the browser.

        Of several simultaneous attempts, exactly one is the first. Later attempts are admitted:

        * within the window after the first one;
        * at any time, from the browser that was first. Such an attempt opens the window again, for
          requests that follow from it and carry no cookie, such as Prosody's.

        Raises:
            StoreUnavailableError: it is not known whether the token has been used.
        """

    async def close(self) -> None:
        """Close files and connections."""


class SingleUse:
    """Admits each token once, and again only within the window or from the same browser.

    Args:
        redemptions: The store of redemptions.
        window: Seconds after a redemption in which the token admits other browsers, too.
    """

    def __init__(self, redemptions: RedemptionStore, window: float) -> None:
        self._redemptions = redemptions
        self._window = window

    async def redeem(self, allow: Allow, leeway: float, browser: str | None) -> Decision:
        """Return the rules' decision, or a denial where another browser has used the token.

        Args:
            allow: The decision of the rules about a token and a room.
            leeway: Seconds for which the rules accept a token after its end.
            browser: The browser, as in ``EntryAttempt``.
        """
        claims = allow.claims or Claims({})
        token_end, jti = claims.expires_at, claims.raw.get("jti", ABSENT)
        # With single_use on, the configuration makes the rules deny such tokens. This check remains
        # in case that changes: such a token could be used without limit.
        if jti is ABSENT or token_end is None:
            return NOT_REDEEMABLE
        keep_until = token_end + leeway + _MAX_CLOCK_DIFFERENCE
        return await self._attempt(token_id(claims), keep_until, browser, allow)

    async def readmit(self, used: UsedToken) -> Decision:
        """Return an allow if the browser may load the page again that it entered with a token."""
        keep_until = used.ends + _MAX_CLOCK_DIFFERENCE
        return await self._attempt(used.token_id, keep_until, used.browser, Allow())

    async def _attempt(
        self, token: str, keep_until: float, browser: str | None, allow: Allow
    ) -> Decision:
        attempt = EntryAttempt(token, self._window, keep_until, browser)
        try:
            return allow if await self._redemptions.redeem(attempt) else ALREADY_USED
        except StoreUnavailableError:
            return REDEMPTIONS_UNAVAILABLE


def is_entry(decision: Decision, request: AccessRequest) -> TypeGuard[Allow]:
    """Return whether the decision lets a session into a room with a token.

    A request about the token alone is no entry, nor is one about a session that was admitted
    before.
    """
    if request.room_jid is None or request.admitted_before:
        return False
    return isinstance(decision, Allow) and decision.claims is not None


def token_id(claims: Claims) -> str:
    """Return the digest of ``iss`` and ``jti``, hex, by which the store knows a token."""
    # ``jti`` is unique for one issuer only (RFC 7519, 4.1.7).
    jti = claims.raw.get("jti")
    return sha256(json.dumps([claims.issuer, jti]).encode()).hexdigest()
