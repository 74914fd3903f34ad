"""Failures of the store of redemptions, as operators see them: a metric, and a few log lines.

A failed redemption denies a good token. The decision counts as ``store-unavailable``, which does
not say which store failed, and why.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from verifier.log import log
from verifier.single_use.model import EntryAttempt, RedemptionStore
from verifier.storage.errors import StoreUnavailableError

_LOG_INTERVAL: Final = 10.0  # seconds between two log lines


class ReportedRedemptions:
    """A ``RedemptionStore`` that reports the failures of another one.

    Args:
        store: The store.
        count_failure: Counts one failure.
        monotonic: The time by the monotonic clock, seconds.
    """

    def __init__(
        self,
        store: RedemptionStore,
        count_failure: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._count_failure = count_failure
        self._monotonic = monotonic
        self._log_at = 0.0
        self._unlogged = 0

    async def redeem(self, attempt: EntryAttempt) -> bool:
        """Record the first use of a token; returns whether to admit the browser.

        Raises:
            StoreUnavailableError: it is not known whether the token has been used.
        """
        try:
            return await self._store.redeem(attempt)
        except StoreUnavailableError as error:
            self._report(error)
            raise

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()

    def _report(self, error: StoreUnavailableError) -> None:
        self._count_failure()
        self._unlogged += 1
        if self._monotonic() >= self._log_at:
            self._log_at = self._monotonic() + _LOG_INTERVAL
            log("redemption failed", logging.ERROR, error=str(error), count=self._unlogged)
            self._unlogged = 0
