"""Revocations in a Redis or Valkey, which several replicas share.

Every replica holds a copy of all revocations and decides by this copy only, also while Redis is
unavailable. The store keeps the copy up to date. It remembers the position of the copy: the epoch
and the version of the data in Redis that the copy is equal to (``redis_data`` explains both).

States of the task that keeps the copy up to date (``_run``):

==========  =======================================  ==============================================
State       What the store does                      Next state
==========  =======================================  ==============================================
connecting  Subscribes to the channel, then reads    reading, if the copy is behind that position;
            the position in Redis.                   following, if it is not
reading     If Redis has lost data, writes back      following
            what is missing there. Then reads all
            revocations.
following   Applies messages to the copy. Once a     connecting, if the copy is behind that
            second, reads the position in Redis.     position, because a message was lost
lost        Waits 0.1 s; after each further failure  connecting
            twice as long, up to 2 s.
==========  =======================================  ==============================================

Any failure in the first three states leads to "lost". ``problem`` then says what failed, until
"following" is reached again. ``loaded`` is true from the end of the first "reading" on. While Redis
can be read and would store nothing, the state is "following", and ``problem`` says why.

The store subscribes before it reads, so that it misses no change: a change during the reading is
also announced by a message, which is applied after the reading. Messages are numbered by version. A
message with the next version is applied. A message with a later version shows that one was lost. If
the last message was lost, only the position in Redis shows that.

Changes (``put``, ``remove``) run in the tasks of their callers, at the same time as this task. A
caller does not apply its change: the reply may be late, and another replica may have changed the
same revocation meanwhile. Each change reaches the copy once, in the order of versions, as a message
or by a reading, and the caller waits for that. If the message does not come, the caller reads.

Redis refuses a change if it has lost data since the copy was read. The caller then brings the copy
up to date itself, and tries once more.

If Redis has lost data, the copy has revocations that Redis has not. The store writes them back
before it reads or changes anything. This may bring back a revocation that another replica has
removed meanwhile. That is the safer mistake: it denies a token for too long, where the opposite one
accepts a revoked token. For the same reason the copy holds revocations that have ended, until their
end is certain (``ConfirmedClock``): a clock that is wrong for a while must not lose them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from redis.asyncio.client import PubSub

from verifier.background import start_task
from verifier.log import log, log_internal_error, traceback_summary
from verifier.revocation.model import Revocation
from verifier.revocation.stores.base import RevocationSink
from verifier.revocation.stores.redis_data import (
    Message,
    Position,
    RedisData,
    State,
    read_message,
    read_value,
)
from verifier.revocation.stores.worker_positions import WorkerPositions
from verifier.storage.confirmed_clock import ConfirmedClock
from verifier.storage.errors import StoreUnavailableError
from verifier.storage.redis import FAILURES, RedisLink
from verifier.storage.redis_url import RedisUrl
from verifier.storage.worker_counters import WorkerIdentity

_POSITION_INTERVAL: Final = 1.0  # seconds between looks at the position in Redis
_MAX_MESSAGE_DELAY: Final = 0.25  # seconds that a message may arrive after its position was read
_CHANGE_TIMEOUT: Final = 1.5  # seconds until Redis has confirmed a change
_APPLY_TIMEOUT: Final = 1.5  # seconds until a confirmed change has been read, if no message came
_PURGE_INTERVAL: Final = 60.0  # seconds
_MAX_CLOCK_DIFFERENCE: Final = 300.0  # seconds between the clocks of two replicas
_FIRST_WAIT: Final = 0.1  # seconds in the state "lost"
_LONGEST_WAIT: Final = 2.0
_CANCEL_INTERVAL: Final = 0.25  # seconds


class RedisStore:
    """A ``RevocationStore`` in a Redis.

    Args:
        url: The address of the Redis.
        clock: Unix time, seconds.
        identity: The worker that uses the store.
    """

    def __init__(self, url: RedisUrl, clock: Callable[[], float], identity: WorkerIdentity) -> None:
        self._url = url
        self._positions = WorkerPositions(identity)
        self._link = RedisLink(url)
        self._data = RedisData(self._link, url.database)
        self._confirmed_time = ConfirmedClock(clock)
        self._copy: dict[str, Revocation] = {}
        self._position: Position | None = None
        self._problem: str | None = None
        self._tried = asyncio.Event()
        # Held while the copy is brought to a position: by the task, or by the caller of a change.
        self._catching_up = asyncio.Lock()
        self._moved = asyncio.Event()  # set, and replaced, when the position changes
        self._task: asyncio.Task[None] | None = None

    @property
    def loaded(self) -> bool:
        """Whether all revocations were read once; until then every request must be denied."""
        return self._position is not None

    @property
    def problem(self) -> str | None:
        """Why the copy may not be up to date, for people; None while it is."""
        return self._problem

    async def start(self, sink: RevocationSink) -> None:
        """Read all revocations, if Redis can be reached, and update the sink from then on."""
        self._sink = sink
        self._positions.open()
        self._task = start_task(self._run(), "revocation store")
        await self._tried.wait()

    def refresh(self) -> None:
        """Do nothing: changes arrive as messages."""

    async def put(self, revocation: Revocation) -> None:
        """Store a revocation; all workers of this service know it when this returns.

        Raises:
            StoreUnavailableError: Redis did not confirm the change, or it could not be read back.
                Redis may have stored the revocation.
        """
        position, _ = await self._change(revocation.id, revocation.to_json())
        await self._wait_until_applied(position)
        await self._positions.wait_for(position)

    async def remove(self, revocation_id: str) -> bool:
        """Remove a revocation; returns False where no revocation has this ID.

        Raises:
            StoreUnavailableError: the revocation may still be stored.
        """
        was_known = revocation_id in self._copy
        position, removed = await self._change(revocation_id, "")
        await self._wait_until_applied(position)
        return removed or was_known

    async def close(self) -> None:
        """Close all connections."""
        self._positions.close()
        # The client library may swallow a cancellation while a connection fails: cancel again.
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=_CANCEL_INTERVAL)
        await self._link.close()

    async def _run(self) -> None:
        """Go through the states, until the task is cancelled."""
        wait = _FIRST_WAIT
        while True:
            try:
                async with self._link.open_pubsub() as messages:
                    await messages.subscribe(self._data.channel)
                    # Redis may refuse the subscription, which only reading its answer shows.
                    await messages.get_message(timeout=_POSITION_INTERVAL)
                    state = await self._read_state()
                    await self._catch_up(state)
                    self._set_problem(state.refusal)
                    self._tried.set()
                    wait = _FIRST_WAIT
                    await self._follow(messages)
                continue
            except StoreUnavailableError as error:
                self._set_problem(str(error))
            except FAILURES as error:
                self._set_problem(str(self._link.unavailable_error(error)))
            except Exception as error:  # noqa: BLE001  # a bug must not end the attempts
                log_internal_error(traceback_summary(error), work="revocation store")
                self._set_problem(f"{self._url}: internal error ({type(error).__name__})")
            self._tried.set()
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    def _set_problem(self, problem: str | None) -> None:
        if problem is not None and self._problem is None:
            log("revocation store unavailable", logging.ERROR, error=problem)
        if problem is None and self._problem is not None:
            log("revocation store available again", store=str(self._url))
        self._problem = problem

    async def _read_state(self) -> State:
        return await self._data.read_state(self._position)

    # Following: messages.

    async def _follow(self, messages: PubSub) -> None:
        """Apply messages until one is missing."""
        loop = asyncio.get_running_loop()
        purge_at = loop.time() + _PURGE_INTERVAL
        while True:
            await self._receive(messages, _POSITION_INTERVAL)
            state = await self._read_state()
            await self._receive(messages, _MAX_MESSAGE_DELAY, until=state.position)
            if not self._includes(state.position):
                return
            self._set_problem(state.refusal)
            if loop.time() >= purge_at:
                purge_at = loop.time() + _PURGE_INTERVAL
                await self._purge_ended()

    async def _receive(
        self, messages: PubSub, seconds: float, *, until: Position | None = None
    ) -> None:
        """Apply messages for some time, until a position is reached, or until one is missing."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while (left := deadline - loop.time()) > 0:
            if until is not None and self._includes(until):
                return
            received = await messages.get_message(timeout=left)
            if received is None or received["type"] != "message":
                continue
            message = read_message(received["data"])
            async with self._catching_up:
                if message is not None and not self._apply_message(message):
                    return

    def _apply_message(self, message: Message) -> bool:
        """Apply a message to the copy; returns False where it does not follow the copy."""
        last, position = self._position, message.position
        if last is None or position.epoch != last.epoch or position.version > last.version + 1:
            return False
        # An earlier version is one that the copy includes, because everything was read since.
        if position.version == last.version + 1:
            if message.previous_tag != last.tag:
                return False  # the data went back, and have grown again
            self._apply_value(message.revocation_id, message.value)
            self._set_position(position)
        return True

    def _apply_value(self, revocation_id: str, value: str) -> None:
        if not value:
            self._forget([revocation_id])
        elif (revocation := read_value(revocation_id, value)) is not None:
            self._add_to_copy([revocation])
        else:
            self._log_unreadable(1)

    def _set_position(self, position: Position) -> None:
        self._position = position
        self._positions.publish(position)
        self._moved.set()
        self._moved = asyncio.Event()

    def _includes(self, position: Position) -> bool:
        return self._position is not None and self._position.includes(position)

    # Reading: everything, after what was lost has been written back.

    async def _catch_up(self, state: State) -> None:
        """Bring the copy to a position in Redis, unless it is there already."""
        async with self._catching_up:
            position = state.position
            if self._includes(position):
                return
            if self._position is not None and self._position.epoch != position.epoch:
                await self._write_back()
                position = (await self._data.read_state(None)).position
            # The reading may find later changes than ``position``. Their messages are then applied
            # once more, and the last message about a revocation gives the value that was read.
            await self._read_all()
            self._set_position(position)

    async def _write_back(self) -> None:
        count = await self._data.write_back(tuple(self._copy.values()))
        log("revocations written back", logging.WARNING, count=count, store=str(self._url))

    async def _read_all(self) -> None:
        """Make the copy equal to what is stored, in chunks, between which requests are decided."""
        stored: set[str] = set()
        unreadable = 0
        async for chunk in self._data.chunks():
            values = [read_value(revocation_id, value) for revocation_id, value in chunk.items()]
            revocations = [revocation for revocation in values if revocation is not None]
            unreadable += len(values) - len(revocations)
            stored.update(revocation.id for revocation in revocations)
            self._add_to_copy(revocations)
        if unreadable:
            self._log_unreadable(unreadable)
        self._forget([revocation_id for revocation_id in self._copy if revocation_id not in stored])

    def _add_to_copy(self, revocations: list[Revocation]) -> None:
        # The sink empties the cache of decisions with each change, so it gets only what is new.
        new = [
            revocation for revocation in revocations if self._copy.get(revocation.id) != revocation
        ]
        if new:
            self._copy.update((revocation.id, revocation) for revocation in new)
            self._sink.put(new)

    def _forget(self, ids: list[str]) -> None:
        known = [revocation_id for revocation_id in ids if self._copy.pop(revocation_id, None)]
        if known:
            self._sink.remove(known)

    async def _purge_ended(self) -> None:
        """Delete revocations that have ended, in Redis and in the copy."""
        ended_before = self._confirmed_time() - _MAX_CLOCK_DIFFERENCE
        async with self._catching_up:
            ended = [each for each in self._copy.values() if not each.is_active(ended_before)]
            await self._data.purge(ended, _MAX_CLOCK_DIFFERENCE)
            self._forget([revocation.id for revocation in ended])

    # Changes.

    async def _change(self, revocation_id: str, value: str) -> tuple[Position, bool]:
        """Change a revocation in Redis.

        Returns:
            The position of the change, and whether a revocation was removed.

        Raises:
            StoreUnavailableError: Redis did not confirm the change.
        """
        try:
            async with asyncio.timeout(_CHANGE_TIMEOUT):
                # The first attempt fails after a loss of data. Then ``_catch_up`` writes back.
                for _ in range(2):
                    if (last := self._position) is not None:
                        changed = await self._data.change(last, revocation_id, value)
                        if changed is not None:
                            return changed
                    await self._catch_up(await self._read_state())
        except TimeoutError as error:
            raise self._link.unavailable_error(error) from None
        raise self._lost_data_error()

    async def _wait_until_applied(self, position: Position) -> None:
        """Wait until the copy includes a change that Redis has confirmed.

        Raises:
            StoreUnavailableError: Redis has lost the change, or it could not be read.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_MAX_MESSAGE_DELAY):
                while not self._includes(position):
                    await self._moved.wait()
        if self._includes(position):
            return
        # The message was lost, or this process is reading, or has no connection for messages.
        try:
            async with asyncio.timeout(_APPLY_TIMEOUT):
                await self._catch_up(await self._read_state())
        except TimeoutError as error:
            raise self._link.unavailable_error(error) from None
        if not self._includes(position):
            raise self._lost_data_error()

    def _lost_data_error(self) -> StoreUnavailableError:
        text = "Redis has lost data, which are being written back; try again"
        return StoreUnavailableError(f"{self._url}: {text}")

    def _log_unreadable(self, count: int) -> None:
        log("unreadable revocations ignored", logging.WARNING, count=count, store=str(self._url))
