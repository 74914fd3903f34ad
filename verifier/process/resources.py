"""What one configuration opens: sinks and key sources.

A reload opens new ones, and closes the old ones when no request can use them any more.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.config import Settings
from verifier.keys.resolver import KeyResolvers
from verifier.keys.sources.base import SourceContext
from verifier.keys.sources.key_keeper import open_key_stores
from verifier.log import log_internal_error, traceback_summary
from verifier.observability.decision_log import DecisionSinks
from verifier.process.blocking import start_blocking
from verifier.process.state import ProcessState

if TYPE_CHECKING:
    import aiohttp


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
