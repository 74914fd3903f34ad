"""What is done to the service while people ask, each at its own beat, and told to the model."""

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
from tests.perf.soak.people import DOMAIN, KEPT, SIGNED, TTL, PublishedKey, Visit, World
from tests.support.key_server import KeyServer
from tests.support.processes import RunningVerifier
from tests.support.redis_server import RedisServer
from tests.support.supervised import workers
from tests.support.tokens import SECRET

GRACE: Final = 20.0
"""``key_grace``: how long a key works after its document was seen without it."""

_RELOAD_EVERY: Final = 20.0
_KILL_EVERY: Final = 30.0
_ROTATE_EVERY: Final = 25.0
_FAULT_EVERY: Final = 40.0
_REDIS_FAULT_EVERY: Final = 55.0
_REVOKE_EVERY: Final = 0.5
_FAULT_LASTS: Final = 8.0

_TOLD: Final = 1.0  # seconds until all workers know of a revocation
_RELOADED: Final = 5.0  # seconds until all workers have what they were told to read
_RECOVERY: Final = 10.0  # from a source's recovery to its keys, and from a new key to its use
_FRESH: Final = 60.0  # how long a document is not looked at again
_KEYS: Final = 3


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
    """The sidecar's configuration file, and what of it stays.

    Args:
        folder: Where it is.
        key_server: The key server's URL.
        store: Where revocations are kept.
        workers: How many workers there are.
    """

    folder: Path
    key_server: str
    store: str
    workers: int

    @property
    def file(self) -> Path:
        """Give its path."""
        return self.folder / "verifier.toml"

    def write(self, *, partner: bool) -> None:
        """Write it, with the second issuer or without."""
        (self.folder / "secret").write_text(SECRET)
        text = _OPTIONS.format(
            folder=self.folder,
            issuers='["app", "partner"]' if partner else '["app"]',
            ttl=TTL,
            grace=GRACE,
            workers=self.workers,
            store=self.store,
            host=SIGNED,
            key_server=self.key_server,
            domain=DOMAIN,
        )
        self.file.write_text(text)


def publish(server: KeyServer, keys: Iterable[PublishedKey]) -> None:
    """Put these keys, and no others, into the document."""
    server.publish_document(*(each.signer.jwk for each in keys))
    server.replies["/jwks"].headers["Cache-Control"] = f"max-age={_FRESH:.0f}"


@dataclass(slots=True)
class Disturbances:
    """Reloads, kills, rotations, revocations, and faults of the key server and of Redis.

    Args:
        verifier: The service.
        server: Its key server.
        redis: Where it keeps revocations.
        world: Is told what is done.
        guests: Whose tokens may be taken back.
        configuration: Of the service.
        published: The keys that the key server has now.
    """

    verifier: RunningVerifier
    server: KeyServer
    redis: RedisServer
    world: World
    guests: Sequence[Visit]
    configuration: Configuration
    done: Counter[str] = field(default_factory=Counter)
    published: list[PublishedKey] = field(init=False)
    _fault_ends: float = 0.0
    _redis_fault_ends: float = 0.0
    _killed: float = 0.0
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.published = list(self.world.keys)

    async def run(self) -> None:
        """Disturb until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for each in (
                self._reload,
                self._kill,
                self._rotate,
                self._fail,
                self._fail_redis,
                self._revoke,
            ):
                tasks.create_task(each())

    async def _reload(self) -> None:
        for partner in itertools.cycle((False, True)):
            await asyncio.sleep(_RELOAD_EVERY)
            self.configuration.write(partner=partner)
            now = time.time()
            settled = now + _RELOADED + (0 if partner else KEPT)
            self.world.partner.turn(partner, now, settled)
            self.verifier.process.send_signal(signal.SIGHUP)
            self.done["reloads"] += 1

    async def _kill(self) -> None:
        await asyncio.sleep(_KILL_EVERY / 2)
        while True:
            victims = workers(self.verifier)
            # In turns, so that each place is emptied; the elder has lived for two beats.
            os.kill(victims[0], signal.SIGKILL)
            self._killed = time.time()
            self.done["kills"] += 1
            if self._killed < self._fault_ends:
                self._doubt()
            if self._killed < self._redis_fault_ends:
                self.world.store.doubt(self._killed, self._redis_fault_ends + _RECOVERY)
            await asyncio.sleep(_KILL_EVERY)

    async def _rotate(self) -> None:
        """Publish a new key, use it at once, and withdraw an old one, as hasty issuers do."""
        for number in itertools.count():
            await asyncio.sleep(_ROTATE_EVERY)
            signer = await asyncio.to_thread(Signer, f"rotated-{number}", in_document=True)
            new, now = PublishedKey(signer), time.time()
            new.known.first = False
            new.known.turn(True, now, max(now, self._fault_ends) + _RECOVERY)
            self.published.append(new)
            self.world.keys.append(new)
            publish(self.server, self.published)
            self.done["rotations"] += 1
            if len(self.published) > _KEYS:
                self._withdraw(self.published.pop(0))

    def _withdraw(self, key: PublishedKey) -> None:
        now = time.time()
        gone = max(now + _FRESH, self._fault_ends + _RECOVERY) + GRACE + KEPT
        key.known.turn(False, now, gone)
        publish(self.server, self.published)
        # Others go on signing with the last one for a while, and at the end in vain.
        self.world.keys[:] = self.world.keys[-_KEYS - 1 :]

    async def _fail(self) -> None:
        for name, reply in itertools.cycle(FAULTS.items()):
            await asyncio.sleep(_FAULT_EVERY - _FAULT_LASTS)
            begin = time.time()
            self._announce(begin, begin + _FAULT_LASTS)
            self.server.reply_to_all = reply
            if name == "refused":
                await self.server.stop_listening()
            self.done["key server faults"] += 1
            await asyncio.sleep(_FAULT_LASTS)
            if name == "refused":
                await self.server.start_listening()
            self.server.release.set()
            self.server.release = asyncio.Event()
            self.server.reply_to_all = None

    async def _fail_redis(self) -> None:
        """Kill Redis, as a power failure would, and start it again."""
        while True:
            await asyncio.sleep(_REDIS_FAULT_EVERY - _FAULT_LASTS)
            now = time.time()
            self._redis_fault_ends = now + _FAULT_LASTS
            if now - self._killed < _RELOADED:
                self.world.store.doubt(now, self._redis_fault_ends + _RECOVERY)
            await asyncio.to_thread(self.redis.kill)
            self.done["Redis faults"] += 1
            await asyncio.sleep(_FAULT_LASTS)
            await asyncio.to_thread(self.redis.start)

    async def _revoke(self) -> None:
        """Take tokens back; what is not acknowledged may have been or not."""
        async with aiohttp.ClientSession() as session:
            while True:
                await asyncio.sleep(_REVOKE_EVERY)
                if self.guests:
                    await self._take_back(random.choice(self.guests), session)  # noqa: S311  # load

    async def _take_back(self, visit: Visit, session: aiohttp.ClientSession) -> None:
        url = f"http://127.0.0.1:{self.verifier.admin}/v1/revocations"
        begin = time.time()
        try:
            async with session.post(url, json={"jti": visit.token_id}) as answer:
                status = answer.status
        except aiohttp.ClientError as error:
            # The worker that was asked may have been killed; nothing is known then.
            status = 503 if begin - self._killed < _RELOADED else 599
            self.done[f"revocations cut off ({type(error).__name__})"] += 1
        now = time.time()
        if status == 201:
            visit.unrevoked.turn(False, begin, now + _TOLD + KEPT)
            self.done["revocations"] += 1
            return
        visit.unrevoked.turn(False, begin, FOREVER)
        announced = now < self._redis_fault_ends + _RECOVERY or now - self._killed < _RELOADED
        self.done["revocations refused"] += 1
        if status != 503 or not announced:
            self.failed.append(f"a revocation was answered with {status}")

    def _announce(self, begin: float, end: float) -> None:
        self._fault_ends = end
        self.world.trouble.turn(True, begin, begin)
        self.world.trouble.turn(False, end, end + _RECOVERY)
        until = {True: end + _RECOVERY, False: end + _RECOVERY + GRACE + KEPT}
        for key in self.world.keys:
            key.known.unsettle(begin, until)
        if begin - self._killed < _RELOADED:
            self._doubt()

    def _doubt(self) -> None:
        """A worker that starts while the key server fails knows no key until it is back."""
        for key in self.world.keys:
            key.known.doubt(self._killed, self._fault_ends + _RECOVERY)
