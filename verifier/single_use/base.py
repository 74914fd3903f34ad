"""What every store of uses offers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Redemption:
    """Somebody wants to enter a room with a token.

    Attributes:
        name: Of the token: a digest, nothing to enter with.
        window: For how long, seconds, the first entry leaves the door open.
        keep_until: When nobody can use the token any more, Unix seconds.
        browser: Who this is, by a cookie that only this browser has; None for anybody.
    """

    name: str
    window: float
    keep_until: float
    browser: str | None = field(default=None, repr=False)


class RedemptionStore(Protocol):
    """Where uses are recorded."""

    async def claim(self, use: Redemption) -> bool:
        """Let the first one in, whoever else asks at the same time; and again within the window.

        The browser that was first is let in at any time, and opens the window anew: what follows
        from its entry, such as Prosody's own question, comes without a cookie.

        Raises:
            StoreUnavailableError: nobody knows whether the token has been used.
        """

    async def close(self) -> None:
        """Let go of everything."""
