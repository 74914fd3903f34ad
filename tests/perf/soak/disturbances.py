"""Events that disturb the service under load; each is reported to the model."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from tests.perf.soak.configuration import GRACE, Configuration
from tests.perf.soak.keys import Signer
from tests.perf.soak.model import FOREVER
from tests.perf.soak.provider import OUTAGES, RESTART_SECONDS, Outage, Provider
from tests.perf.soak.users import (
    CACHED_SECONDS,
    PublishedKey,
    SharedState,
    UserSession,
)
from tests.support.processes import DEADLINE, RunningVerifier, wait_until
from tests.support.redis_server import RedisServer
from tests.support.supervised import ALL_LISTEN, workers

_RELOAD_EVERY: Final = 20.0
_KILL_EVERY: Final = 30.0
_ROTATE_EVERY: Final = 25.0
_OUTAGE_PAUSE: Final = 15.0
_OUTAGE_SECONDS: Final = 12.0
_RESTART_OUTAGE_SECONDS: Final = 25.0  # with a restart of the service, which takes seconds
_SIGNAL_AFTER: Final = 3.0  # seconds; what a worker has fetched is in the key cache by then
_REDIS_FAULT_EVERY: Final = 55.0
_REVOKE_EVERY: Final = 0.5
_REDIS_FAULT_LASTS: Final = 8.0

_REVOCATION_SECONDS: Final = 1.0  # until all workers know a revocation
_LOST_SECONDS: Final = 1.0  # until nginx has noticed the death of a worker on all connections
_RELOAD_SECONDS: Final = 5.0  # until all workers use a new configuration
# Until a recovered source or a new key is used: key_recheck (10 s), and the fetch.
_RECOVERY_SECONDS: Final = 12.0
# Until the service knows a withdrawal: tokens name invented keys, so it asks every key_recheck.
_DOCUMENT_SECONDS: Final = 60.0
_MAX_AGE: Final = 60
_RESTARTED_MAX_AGE: Final = 3600
_PUBLISHED_KEYS: Final = 3
_UPSTREAM_SECONDS: Final = 1.0  # until nginx and the clients have noticed that the service listens


@dataclass(slots=True)
class Disturbances:
    """Reloads, kills, restarts, key rotations, outages, revocations, and faults of Redis.

    Attributes:
        verifier: The service.
        provider: Its identity provider.
        redis: Its revocation store.
        state: The state of the model, which every event changes.
        revocable: Sessions whose tokens may be revoked.
        configuration: The configuration of the service.
        restart_until: When the service is started again for the last time (Unix time). Growth is
            measured afterwards.
        events: Number of events by name.
        published: The keys that the provider publishes now.
        errors: What must not happen, besides wrong answers.
        killed: When a part of the service was killed last; infinite while the service is down.
    """

    verifier: RunningVerifier
    provider: Provider
    redis: RedisServer
    state: SharedState
    revocable: Sequence[UserSession]
    configuration: Configuration
    restart_until: float
    events: Counter[str] = field(default_factory=Counter)
    published: list[PublishedKey] = field(init=False)
    errors: list[str] = field(default_factory=list)
    killed: float = 0.0
    _outage_ends: float = 0.0
    redis_fault_ends: float = 0.0
    _partner: bool = True
    # The service is not signalled while it is down, and the provider has one fault at a time.
    _service: asyncio.Lock = field(default_factory=asyncio.Lock)
    _provider: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.published = list(self.state.keys)
        self._publish(_MAX_AGE)

    async def run(self) -> None:
        """Cause events until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for disturb in (
                self._reload,
                self._kill,
                self._change_keys,
                self._cause_outages,
                self._fail_redis,
                self._revoke,
            ):
                tasks.create_task(disturb())

    async def _reload(self) -> None:
        while True:
            await asyncio.sleep(_RELOAD_EVERY)
            await self._reload_now()

    async def _reload_now(self) -> None:
        async with self._service:
            self._partner = not self._partner
            self.configuration.write(partner=self._partner)
            now = time.time()
            complete = now + _RELOAD_SECONDS + (0 if self._partner else CACHED_SECONDS)
            self.state.partner.change(self._partner, now, complete)
            self.verifier.process.send_signal(signal.SIGHUP)
            self.events["reloads"] += 1

    async def _kill(self) -> None:
        await asyncio.sleep(_KILL_EVERY / 2)
        while True:
            async with self._service:
                # The newest worker: the other one lives on, and its growth can be measured.
                now = time.time()
                os.kill(workers(self.verifier)[-1], signal.SIGKILL)
                self.state.workers.change(False, now, now)
                self.state.workers.change(True, now, now + _LOST_SECONDS)
                self._has_been_killed()
                self.events["kills"] += 1
            await asyncio.sleep(_KILL_EVERY)

    def _has_been_killed(self) -> None:
        self.killed = time.time()
        if self.killed < self.redis_fault_ends:
            self.state.store.make_uncertain(self.killed, self.redis_fault_ends + _RECOVERY_SECONDS)

    async def _change_keys(self) -> None:
        """Restart the provider and rotate its keys in turn."""
        await asyncio.sleep(_ROTATE_EVERY / 5)
        for number in itertools.count():
            await self._restart_provider()
            await asyncio.sleep(_ROTATE_EVERY)
            await self._rotate(f"rotated-{number}")
            await asyncio.sleep(_ROTATE_EVERY)

    async def _rotate(self, key_id: str) -> None:
        """Publish a new key, sign with it at once, and withdraw an old key, as some issuers do."""
        new = PublishedKey(await asyncio.to_thread(Signer, key_id, in_document=True))
        now = time.time()
        new.known.initial = False
        new.known.change(True, now, max(now, self._outage_ends) + _RECOVERY_SECONDS)
        self._sign_with(new)
        if len(self.published) > _PUBLISHED_KEYS:
            self._withdraw(self.published.pop(0))
        self._publish(_MAX_AGE)
        self.events["rotations"] += 1

    def _withdraw(self, key: PublishedKey) -> None:
        now = time.time()
        complete = (
            max(now + _DOCUMENT_SECONDS, self._outage_ends + _RECOVERY_SECONDS)
            + GRACE
            + CACHED_SECONDS
        )
        key.known.change(False, now, complete)

    async def _restart_provider(self) -> None:
        """Restart the provider, which then signs with a new key under the same key id."""
        old = self.published[-1]
        signer = await asyncio.to_thread(Signer, old.signer.key_id, in_document=True)
        async with self._provider:
            begin = time.time()
            self._announce(begin, begin + RESTART_SECONDS)
            await self.provider.fail("refused")
            await asyncio.sleep(RESTART_SECONDS)
            self.published.remove(old)
            new, now = PublishedKey(signer, old.known), time.time()
            complete = now + _RECOVERY_SECONDS
            new.is_current.initial = False
            new.is_current.change(True, now, complete)
            old.is_current.change(False, now, complete + CACHED_SECONDS)
            self._sign_with(new)
            self._publish(_RESTARTED_MAX_AGE)
            await self.provider.recover("refused")
            self.events["provider restarts"] += 1

    def _sign_with(self, new: PublishedKey) -> None:
        self.published.append(new)
        # Tokens are signed with withdrawn and replaced keys for a while, until they are denied.
        self.state.keys[:] = [*self.state.keys[-_PUBLISHED_KEYS - 2 :], new]

    def _publish(self, max_age: int) -> None:
        self.provider.publish([key.signer.jwk for key in self.published], max_age)

    async def _cause_outages(self) -> None:
        for outage in itertools.cycle(OUTAGES):
            await asyncio.sleep(_OUTAGE_PAUSE)
            restarts = outage.signal in (signal.SIGKILL, signal.SIGTERM)
            if not restarts or time.time() < self.restart_until:
                async with self._provider:
                    await self._cause(outage, restarts=restarts)

    async def _cause(self, outage: Outage, *, restarts: bool) -> None:
        begin = time.time()
        end = begin + (_RESTART_OUTAGE_SECONDS if restarts else _OUTAGE_SECONDS)
        self._announce(begin, end)
        await self.provider.fail(outage.fault)
        await asyncio.sleep(_SIGNAL_AFTER)
        if outage.signal is not None and restarts:
            await self._restart_service(outage.signal)
        elif outage.signal is not None:
            await self._reload_now()
        await asyncio.sleep(max(0.0, end - time.time()))
        await self.provider.recover(outage.fault)
        self.events["outages"] += 1

    async def _restart_service(self, how: signal.Signals) -> None:
        """End the service and start it again."""
        async with self._service:
            self.killed = FOREVER
            self.state.up.change(False, time.time(), time.time())
            started = self.verifier.log.count(ALL_LISTEN)
            self.verifier.process.send_signal(how)
            await asyncio.to_thread(self.verifier.process.wait, DEADLINE)
            self.verifier.start_again()
            await asyncio.to_thread(
                wait_until, lambda: self.verifier.log.count(ALL_LISTEN) > started, ALL_LISTEN
            )
            self.state.up.change(True, time.time(), time.time() + _UPSTREAM_SECONDS)
            self._has_been_killed()
            self.events[f"restarts after {how.name}"] += 1

    async def _fail_redis(self) -> None:
        """Kill Redis, as a power failure does, and start it again."""
        while True:
            await asyncio.sleep(_REDIS_FAULT_EVERY - _REDIS_FAULT_LASTS)
            now = time.time()
            self.redis_fault_ends = now + _REDIS_FAULT_LASTS
            if now - self.killed < _RELOAD_SECONDS:
                self.state.store.make_uncertain(now, self.redis_fault_ends + _RECOVERY_SECONDS)
            await asyncio.to_thread(self.redis.kill)
            self.events["Redis faults"] += 1
            await asyncio.sleep(_REDIS_FAULT_LASTS)
            await asyncio.to_thread(self.redis.start)

    async def _revoke(self) -> None:
        """Revoke tokens."""
        async with aiohttp.ClientSession() as client:
            while True:
                await asyncio.sleep(_REVOKE_EVERY)
                if self.revocable:
                    await self._revoke_token(random.choice(self.revocable), client)  # noqa: S311  # load

    async def _revoke_token(self, session: UserSession, client: aiohttp.ClientSession) -> None:
        """Revoke one token; one that is not acknowledged may be revoked or not."""
        url = f"http://127.0.0.1:{self.verifier.admin}/v1/revocations"
        begin = time.time()
        # The revocation may be in force before its answer is here.
        session.not_revoked.change(False, begin, FOREVER)
        try:
            async with client.post(url, json={"jti": session.token_id}) as answer:
                status = answer.status
        except aiohttp.ClientError as error:
            # The worker that got the request may have been killed.
            status = 503 if begin - self.killed < _RELOAD_SECONDS else 599
            self.events[f"revocations cut off ({type(error).__name__})"] += 1
        now = time.time()
        if status == 201:
            session.not_revoked.change(False, begin, now + _REVOCATION_SECONDS + CACHED_SECONDS)
            self.events["revocations"] += 1
            return
        announced = (
            now < self.redis_fault_ends + _RECOVERY_SECONDS or now - self.killed < _RELOAD_SECONDS
        )
        self.events["revocations refused"] += 1
        if status != 503 or not announced:
            self.errors.append(f"a revocation was answered with {status}")

    def _announce(self, begin: float, end: float) -> None:
        self._outage_ends = end
        self.state.outage.change(True, begin, begin)
        self.state.outage.change(False, end, end + _RECOVERY_SECONDS)
        recovered = end + _RECOVERY_SECONDS
        for key in {*self.state.keys, *self.published}:
            key.known.delay(begin, {True: recovered, False: recovered + GRACE + CACHED_SECONDS})
            key.is_current.delay(begin, {True: recovered, False: recovered + CACHED_SECONDS})
