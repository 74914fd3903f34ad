"""What lives as long as the process: stores, the cache of responses, and limits.

A reload must not lose revocations, and must not drop the queue of the signature throttle.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from verifier.config import Settings
from verifier.decisions.cache import DecisionCache
from verifier.decisions.throttle import SignatureThrottle
from verifier.http.admin.wrong_tokens import WrongTokens
from verifier.observability.metrics import Metrics
from verifier.revocation.cache import RevocationCache
from verifier.revocation.stores import open_store
from verifier.single_use import open_redemptions
from verifier.single_use.reported import ReportedRedemptions
from verifier.storage.worker_counters import WorkerIdentity


class ProcessState:
    """What a reload keeps.

    Args:
        settings: The configuration at the start; it alone says which store is used.
        metrics: Counts what happens.
        identity: The worker that this process is.

    Attributes:
        metrics: Counts what happens.
        cache: Responses that are still valid; replaced by a reload.
        throttle: Limits the public-key signatures in each round of the event loop.
        revocations: The revocations that this process knows.
        redemptions: The store of redemptions, for single use.
        wrong_tokens: Delays the answers to wrong admin tokens.
    """

    def __init__(self, settings: Settings, metrics: Metrics, identity: WorkerIdentity) -> None:
        self.metrics = metrics
        self.renew_cache(settings)
        metrics.decisions.watch_cache_size(lambda: len(self.cache))
        self.throttle = SignatureThrottle()
        self.wrong_tokens = WrongTokens(metrics.count_wrong_admin_token)
        store = open_store(settings.revocation_store, identity)
        self.redemptions = ReportedRedemptions(
            open_redemptions(settings.revocation_store, identity), metrics.count_failed_redemption
        )
        self.revocations = RevocationCache(store, self.clear_cache)

    def renew_cache(self, settings: Settings) -> None:
        """Replace the cache by an empty one, as the settings say."""
        self.cache = DecisionCache(settings.decision_ttl, settings.decision_cache_size)

    def clear_cache(self) -> None:
        """Drop all cached responses: a key or a revocation has changed."""
        self.cache.clear()

    @contextlib.asynccontextmanager
    async def open_stores(self) -> AsyncIterator[None]:
        """Read the revocations, and close both stores at the end.

        Raises:
            StoreConfigError: the configured store cannot be used.
        """
        async with contextlib.AsyncExitStack() as stack:
            # Closed even if the start fails: a store may have opened its file by then.
            stack.push_async_callback(self.redemptions.close)
            stack.push_async_callback(self.revocations.store.close)
            await self.revocations.store.start(self.revocations)
            yield
