"""Tests that every store of redemptions passes; a test module inherits them with its fixture."""

from __future__ import annotations

import asyncio
import time

from verifier.single_use.model import EntryAttempt, RedemptionStore

HOUR = time.time() + 3600


def entry_attempt(browser: str | None = None, window: float = 0, *, jti: str = "a") -> EntryAttempt:
    """Return an attempt to enter with a token that ends in an hour."""
    return EntryAttempt(jti, window, HOUR, browser)


class RedemptionStoreTests:
    """Subclasses override the fixture ``store``."""

    async def test_only_the_first_attempt_is_let_in(self, store: RedemptionStore) -> None:
        assert await store.redeem(entry_attempt())
        assert not await store.redeem(entry_attempt())
        assert not await store.redeem(entry_attempt("another"))
        assert await store.redeem(entry_attempt(jti="b"))

    async def test_exactly_one_of_many_simultaneous_attempts_is_first(
        self, store: RedemptionStore
    ) -> None:
        attempts = [store.redeem(entry_attempt(str(number))) for number in range(50)]
        assert sum(await asyncio.gather(*attempts)) == 1

    async def test_every_browser_is_let_in_within_the_window(self, store: RedemptionStore) -> None:
        assert await store.redeem(entry_attempt("first", window=600))
        assert await store.redeem(entry_attempt(window=0))
        assert await store.redeem(entry_attempt("another", window=0))

    async def test_the_first_browser_is_always_let_in_and_reopens_the_window(
        self, store: RedemptionStore
    ) -> None:
        assert await store.redeem(entry_attempt("first"))
        assert await store.redeem(entry_attempt("first"))
        assert not await store.redeem(entry_attempt())
        assert await store.redeem(entry_attempt("first", window=600))
        assert await store.redeem(entry_attempt())

    async def test_a_first_attempt_without_cookie_belongs_to_no_browser(
        self, store: RedemptionStore
    ) -> None:
        assert await store.redeem(entry_attempt())
        assert not await store.redeem(entry_attempt())
        assert not await store.redeem(entry_attempt(""))

    async def test_the_window_closes(self, store: RedemptionStore) -> None:
        assert await store.redeem(entry_attempt(window=0.05))
        async with asyncio.timeout(30):
            while await store.redeem(entry_attempt()):
                pass
