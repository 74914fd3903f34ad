"""Events that disturb the service under load; each is reported to the model."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from tests.perf.soak.keys import FAULTS, Signer
from tests.perf.soak.model import FOREVER
from tests.perf.soak.users import (
    CACHED_SECONDS,
    DOMAIN,
    KEY_HOST,
    TTL,
    PublishedKey,
    SharedState,
    UserSession,
)
from tests.support.key_server import KeyServer
from tests.support.processes import RunningVerifier
from tests.support.redis_server import RedisServer
from tests.support.supervised import workers
from tests.support.tokens import SECRET

GRACE: Final = 20.0
"""``key_grace``: how long, in seconds, a key is accepted after the document no longer has it."""

_RELOAD_EVERY: Final = 20.0
_KILL_EVERY: Final = 30.0
_ROTATE_EVERY: Final = 25.0
_FAULT_EVERY: Final = 40.0
_REDIS_FAULT_EVERY: Final = 55.0
_REVOKE_EVERY: Final = 0.5
_FAULT_LASTS: Final = 8.0

_REVOCATION_SECONDS: Final = 1.0  # until all workers know a revocation
_RELOAD_SECONDS: Final = 5.0  # until all workers use a new configuration
_RECOVERY_SECONDS: Final = 10.0  # until a recovered source or a new key is used
_DOCUMENT_SECONDS: Final = 60.0  # how long a key document is cached
_PUBLISHED_KEYS: Final = 3


_OPTIONS: Final = """
app_id = "app"
app_secret_file = "{folder}/secret"
asap_accepted_issuers = {issuers}
asap_accepted_audiences = ["jitsi"]
decision_ttl = {ttl:.0f}
key_grace = {grace:.0f}
log_format = "json"
workers = {workers}
revocation_store = "{store}"
[hosts."{host}"]
cache_keys_url = "{key_server}/jwks"
muc_mapper_domain_base = "{domain}"
"""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration file of the service.

    Args:
        folder: The folder of the file.
        key_server: The URL of the key server.
        store: The URL of the revocation store.
        workers: The number of workers.
    """

    folder: Path
    key_server: str
    store: str
    workers: int

    @property
    def file(self) -> Path:
        """The path of the file."""
        return self.folder / "verifier.toml"

    def write(self, *, partner: bool) -> None:
        """Write the file; ``partner`` says whether the second issuer is accepted."""
        (self.folder / "secret").write_text(SECRET)
        text = _OPTIONS.format(
            folder=self.folder,
            issuers='["app", "partner"]' if partner else '["app"]',
            ttl=TTL,
            grace=GRACE,
            workers=self.workers,
            store=self.store,
            host=KEY_HOST,
            key_server=self.key_server,
            domain=DOMAIN,
        )
        self.file.write_text(text)


def publish(server: KeyServer, keys: Iterable[PublishedKey]) -> None:
    """Publish a document with exactly these keys."""
    server.publish_document(*(key.signer.jwk for key in keys))
    server.replies["/jwks"].headers["Cache-Control"] = f"max-age={_DOCUMENT_SECONDS:.0f}"


@dataclass(slots=True)
class Disturbances:
    """Reloads, kills, key rotations, revocations, and faults of the key server and of Redis.

    Attributes:
        verifier: The service.
        server: Its key server.
        redis: Its revocation store.
        state: The state of the model, which every event changes.
        revocable: Sessions whose tokens may be revoked.
        configuration: The configuration of the service.
        events: Number of events by name.
        published: The keys that the key server publishes now.
        errors: Unexpected answers to revocations.
    """

    verifier: RunningVerifier
    server: KeyServer
    redis: RedisServer
    state: SharedState
    revocable: Sequence[UserSession]
    configuration: Configuration
    events: Counter[str] = field(default_factory=Counter)
    published: list[PublishedKey] = field(init=False)
    _fault_ends: float = 0.0
    _redis_fault_ends: float = 0.0
    _killed: float = 0.0
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.published = list(self.state.keys)

    async def run(self) -> None:
        """Cause events until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for disturb in (
                self._reload,
                self._kill,
                self._rotate,
                self._fail,
                self._fail_redis,
                self._revoke,
            ):
                tasks.create_task(disturb())

    async def _reload(self) -> None:
        for partner in itertools.cycle((False, True)):
            await asyncio.sleep(_RELOAD_EVERY)
            self.configuration.write(partner=partner)
            now = time.time()
            complete = now + _RELOAD_SECONDS + (0 if partner else CACHED_SECONDS)
            self.state.partner.change(partner, now, complete)
            self.verifier.process.send_signal(signal.SIGHUP)
            self.events["reloads"] += 1

    async def _kill(self) -> None:
        await asyncio.sleep(_KILL_EVERY / 2)
        while True:
            victims = workers(self.verifier)
            # The oldest worker: the workers are killed in turn, and each lives for two intervals.
            os.kill(victims[0], signal.SIGKILL)
            self._killed = time.time()
            self.events["kills"] += 1
            if self._killed < self._fault_ends:
                self._make_keys_uncertain()
            if self._killed < self._redis_fault_ends:
                self.state.store.make_uncertain(
                    self._killed, self._redis_fault_ends + _RECOVERY_SECONDS
                )
            await asyncio.sleep(_KILL_EVERY)

    async def _rotate(self) -> None:
        """Publish a new key, sign with it at once, and withdraw an old key, as some issuers do."""
        for number in itertools.count():
            await asyncio.sleep(_ROTATE_EVERY)
            signer = await asyncio.to_thread(Signer, f"rotated-{number}", in_document=True)
            new, now = PublishedKey(signer), time.time()
            new.known.initial = False
            new.known.change(True, now, max(now, self._fault_ends) + _RECOVERY_SECONDS)
            self.published.append(new)
            self.state.keys.append(new)
            publish(self.server, self.published)
            self.events["rotations"] += 1
            if len(self.published) > _PUBLISHED_KEYS:
                self._withdraw(self.published.pop(0))

    def _withdraw(self, key: PublishedKey) -> None:
        now = time.time()
        complete = (
            max(now + _DOCUMENT_SECONDS, self._fault_ends + _RECOVERY_SECONDS)
            + GRACE
            + CACHED_SECONDS
        )
        key.known.change(False, now, complete)
        publish(self.server, self.published)
        # Tokens are signed with the withdrawn key for a while, until it is denied.
        self.state.keys[:] = self.state.keys[-_PUBLISHED_KEYS - 1 :]

    async def _fail(self) -> None:
        for name, reply in itertools.cycle(FAULTS.items()):
            await asyncio.sleep(_FAULT_EVERY - _FAULT_LASTS)
            begin = time.time()
            self._announce(begin, begin + _FAULT_LASTS)
            self.server.reply_to_all = reply
            if name == "refused":
                await self.server.stop_listening()
            self.events["key server faults"] += 1
            await asyncio.sleep(_FAULT_LASTS)
            if name == "refused":
                await self.server.start_listening()
            self.server.release.set()
            self.server.release = asyncio.Event()
            self.server.reply_to_all = None

    async def _fail_redis(self) -> None:
        """Kill Redis, as a power failure does, and start it again."""
        while True:
            await asyncio.sleep(_REDIS_FAULT_EVERY - _FAULT_LASTS)
            now = time.time()
            self._redis_fault_ends = now + _FAULT_LASTS
            if now - self._killed < _RELOAD_SECONDS:
                self.state.store.make_uncertain(now, self._redis_fault_ends + _RECOVERY_SECONDS)
            await asyncio.to_thread(self.redis.kill)
            self.events["Redis faults"] += 1
            await asyncio.sleep(_FAULT_LASTS)
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
        try:
            async with client.post(url, json={"jti": session.token_id}) as answer:
                status = answer.status
        except aiohttp.ClientError as error:
            # The worker that got the request may have been killed.
            status = 503 if begin - self._killed < _RELOAD_SECONDS else 599
            self.events[f"revocations cut off ({type(error).__name__})"] += 1
        now = time.time()
        if status == 201:
            session.not_revoked.change(False, begin, now + _REVOCATION_SECONDS + CACHED_SECONDS)
            self.events["revocations"] += 1
            return
        session.not_revoked.change(False, begin, FOREVER)
        announced = (
            now < self._redis_fault_ends + _RECOVERY_SECONDS or now - self._killed < _RELOAD_SECONDS
        )
        self.events["revocations refused"] += 1
        if status != 503 or not announced:
            self.errors.append(f"a revocation was answered with {status}")

    def _announce(self, begin: float, end: float) -> None:
        self._fault_ends = end
        self.state.outage.change(True, begin, begin)
        self.state.outage.change(False, end, end + _RECOVERY_SECONDS)
        until = {
            True: end + _RECOVERY_SECONDS,
            False: end + _RECOVERY_SECONDS + GRACE + CACHED_SECONDS,
        }
        for key in self.state.keys:
            key.known.delay(begin, until)
        if begin - self._killed < _RELOAD_SECONDS:
            self._make_keys_uncertain()

    def _make_keys_uncertain(self) -> None:
        """Permit unknown keys: a worker that starts while the key server fails knows no key."""
        for key in self.state.keys:
            key.known.make_uncertain(self._killed, self._fault_ends + _RECOVERY_SECONDS)
