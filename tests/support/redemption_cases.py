"""Tests that every store of redemptions passes; a test module inherits them with its fixture."""

from __future__ import annotations

import asyncio
import time

from verifier.single_use.model import Redemption, RedemptionStore

HOUR = time.time() + 3600


def redemption(browser: str | None = None, window: float = 0, *, jti: str = "a") -> Redemption:
    """Return an attempt to enter with a token that ends in an hour."""
    return Redemption(jti, window, HOUR, browser)


class RedemptionStoreTests:
    """Subclasses override the fixture ``store``."""

    async def test_only_the_first_attempt_is_let_in(self, store: RedemptionStore) -> None:
        assert await store.redeem(redemption())
        assert not await store.redeem(redemption())
        assert not await store.redeem(redemption("another"))
        assert await store.redeem(redemption(jti="b"))

    async def test_exactly_one_of_many_simultaneous_attempts_is_first(
        self, store: RedemptionStore
    ) -> None:
        attempts = [store.redeem(redemption(str(number))) for number in range(50)]
        assert sum(await asyncio.gather(*attempts)) == 1

    async def test_every_browser_is_let_in_within_the_window(self, store: RedemptionStore) -> None:
        assert await store.redeem(redemption("first", window=600))
        assert await store.redeem(redemption(window=0))
        assert await store.redeem(redemption("another", window=0))

    async def test_the_first_browser_is_always_let_in_and_reopens_the_window(
        self, store: RedemptionStore
    ) -> None:
        assert await store.redeem(redemption("first"))
        assert await store.redeem(redemption("first"))
        assert not await store.redeem(redemption())
        assert await store.redeem(redemption("first", window=600))
        assert await store.redeem(redemption())

    async def test_a_first_attempt_without_cookie_belongs_to_no_browser(
        self, store: RedemptionStore
    ) -> None:
        assert await store.redeem(redemption())
        assert not await store.redeem(redemption())
        assert not await store.redeem(redemption(""))

    async def test_the_window_closes(self, store: RedemptionStore) -> None:
        assert await store.redeem(redemption(window=0.05))
        async with asyncio.timeout(10):
            while await store.redeem(redemption()):
                pass
