"""What a process holds open: stores, caches, sinks and key sources, with two lifetimes.

- ``ProcessState`` lives as long as the process. A reload must not lose revocations, and must not
  drop the queue of the signature throttle.
- ``ConfiguredResources`` belong to one configuration. A reload opens new ones, and closes the old
  ones when no request can use them any more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.config import Settings
from verifier.decisions.cache import DecisionCache
from verifier.decisions.throttle import SignatureThrottle
from verifier.http.admin.wrong_tokens import WrongTokens
from verifier.keys.resolver import KeyResolvers
from verifier.keys.sources.base import SourceContext
from verifier.keys.sources.key_keeper import open_key_stores
from verifier.log import log_internal_error, traceback_summary
from verifier.observability.decision_log import DecisionSinks
from verifier.observability.metrics import Metrics
from verifier.process.blocking import start_blocking
from verifier.revocation.cache import RevocationCache
from verifier.revocation.stores import open_store
from verifier.single_use import open_redemptions
from verifier.single_use.reported import ReportedRedemptions
from verifier.storage.worker_counters import WorkerIdentity

if TYPE_CHECKING:
    import aiohttp


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


@dataclass(frozen=True, slots=True)
class ConfiguredResources:
    """What one configuration opens.

    Attributes:
        sinks: Where decisions are recorded.
        resolvers: Where verification keys are found, for each host.
    """

    sinks: DecisionSinks
    resolvers: KeyResolvers

    async def close(self) -> None:
        """Close key sources and sinks; waits as long as the slowest of them takes."""
        await self.resolvers.close()
        try:
            await start_blocking(self.sinks.close, "closing")
        except Exception as error:  # noqa: BLE001  # the records are lost; nothing uses them any more
            log_internal_error(traceback_summary(error), work="end of old resources")

    async def close_after(self, seconds: float) -> None:
        """Close them after so many seconds, or at once if the task is cancelled."""
        try:
            await asyncio.sleep(seconds)
        finally:
            await self.close()


async def open_resources(
    settings: Settings,
    state: ProcessState,
    session: aiohttp.ClientSession,
    replaced: ConfiguredResources | None = None,
) -> ConfiguredResources:
    """Open the sinks and key sources of a configuration: all of them, or none.

    Args:
        settings: What to open.
        state: The state that the process keeps.
        session: Fetches keys.
        replaced: The resources of the configuration before. Keys that both configurations use are
            copied: they are used until their source has answered again.

    Raises:
        SinkError: a sink cannot be opened.
        KeySourceError: a configured key cannot be used.
    """
    sinks = await _open_sinks(settings)
    try:
        context = SourceContext(
            settings.key_source_settings(),
            sinks.key_observer(state.metrics.keys),
            # All responses are dropped, because a response does not say on which key it depends.
            lambda _key_ids: state.clear_cache(),
        )
        locations = [each.key_locations() for each in (settings, *settings.hosts.values())]
        stores = open_key_stores(
            settings.key_cache, settings.revocation_store, settings.admin_token
        )
        resolvers = KeyResolvers(locations, session, context, stores)
        # Before `start`, which fetches the keys that are not in memory.
        if replaced is not None:
            resolvers.copy_from(replaced.resolvers)
        await resolvers.start()
    except BaseException:  # also a cancelled task: the thread of the audit log must end
        sinks.close()
        raise
    return ConfiguredResources(sinks, resolvers)


async def _open_sinks(settings: Settings) -> DecisionSinks:
    def open_sinks() -> DecisionSinks:
        return DecisionSinks(settings.audit_log, tracing=settings.tracing)

    # In a thread: the disk of an audit log can block for ever.
    opening = start_blocking(open_sinks, "opening sinks")
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_late)
        raise


def _close_late(opening: asyncio.Future[DecisionSinks]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        start_blocking(opening.result().close, "closing")
