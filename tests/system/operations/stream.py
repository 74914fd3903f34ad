"""A steady stream of requests with good and bad tokens, which counts the wrong answers."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from tests.support.processes import DEADLINE, get, wait_until
from tests.support.tokens import SECRET, present, sign

THREADS: Final = 3
_PAUSE: Final = 0.004  # seconds between two requests of a thread: leaves the processors to others
ALLOWED: Final = frozenset({True})
DENIED: Final = frozenset({False})
EITHER: Final = ALLOWED | DENIED

Mint = Callable[[], str]


def claims(**changed: object) -> dict[str, object]:
    """Return the claims of a good token for the room ``standup``."""
    usual = {"iss": "app", "aud": "jitsi", "sub": "*", "room": "standup"}
    # A new time each time: so each token is new, and no cache has an answer for it.
    return present(usual | {"exp": time.time() + 600} | changed)


def token(secret: str = SECRET, **changed: object) -> str:
    """Return a token for the room ``standup``; ``changed`` replaces claims."""
    return sign(claims(**changed), key=secret)


BAD: Final[Mapping[str, Mint]] = {
    "another secret": lambda: token("another-secret-of-more-than-thirty-two-bytes"),
    "expired": lambda: token(exp=time.time() - 5),
    "another room": lambda: token(room="retro"),
    "no signature": lambda: token().rpartition(".")[0] + ".AAAA",
}
"""Tokens that must never be accepted."""


@dataclass
class Kind:
    """Tokens of one kind.

    Attributes:
        mint: Returns a token.
        right: The right answers now: True is an allow.
        answers: The number of answers to requests of this kind.
    """

    mint: Mint
    right: frozenset[bool]
    answers: int = 0


@dataclass
class Stream:
    """Sends requests of all kinds, each on a connection of its own, until it is stopped.

    Attributes:
        port: The port of the service, or of the proxy in front of it.
        path: The path, in front of ``/standup``.
        refused: What became of good tokens that were not allowed.
        accepted: The kinds of the other tokens that were allowed.
        codes: All answers: status and denial code.
    """

    port: int
    path: str = "/ext-authz"
    kinds: dict[str, Kind] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    codes: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    _end: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def expect(self, kind: str, right: frozenset[bool], mint: Mint | None = None) -> None:
        """Say which answers are right from now on for a kind of token.

        A request that is under way may also get an answer that was right when it was sent.
        """
        known = self.kinds.get(kind)
        # The dictionary is replaced, because the threads iterate over it.
        new = Kind(mint or self.kinds[kind].mint, right, known.answers if known else 0)
        self.kinds = {**self.kinds, kind: new}

    def flow(self, count: int = 8) -> None:
        """Wait until so many further requests of each kind were sent and answered."""
        kinds = dict(self.kinds)
        # Requests that are under way were sent before.
        goals = {name: kind.answers + count + THREADS for name, kind in kinds.items()}
        wait_until(
            lambda: all(kinds[name].answers >= goal for name, goal in goals.items()), "the stream"
        )

    def check(self) -> None:
        """Fail if a good token was refused, or another one accepted."""
        self.flow()
        found = f"{self.codes}"
        assert (self.refused, self.accepted) == ([], []), found

    def run(self) -> None:
        """Send requests of each kind in turn."""
        while not self._end.is_set():
            for name, kind in self.kinds.items():
                self._send(name, kind)
                time.sleep(_PAUSE)

    def _send(self, name: str, kind: Kind) -> None:
        target = f"{self.path}/standup?jwt={kind.mint()}"
        try:
            # During a restart a request waits in systemd's socket until the service is ready.
            answer = get(self.port, target, {"Host": "meet.example.org"}, DEADLINE)
            status, code = answer.status, answer.code
        except (OSError, http.client.HTTPException) as error:
            status, code = 0, type(error).__name__
        with self._lock:
            kind.answers += 1
            self.codes[name, status, code] += 1
            right = kind.right | self.kinds[name].right
            if status == 200 and True not in right:
                self.accepted.append(name)
            if status != 200 and False not in right:
                self.refused.append(f"{name}: {status} {code}")

    def stop(self) -> None:
        """Let the threads end after their requests."""
        self._end.set()


@contextmanager
def running_stream(
    port: int, good: Mapping[str, Mint], path: str = "/ext-authz"
) -> Iterator[Stream]:
    """Send good and bad tokens inside this context, and check the answers at its end."""
    stream = Stream(port, path)
    for right, kinds in ((ALLOWED, good), (DENIED, BAD)):
        for name, mint in kinds.items():
            stream.expect(name, right, mint)
    threads = [threading.Thread(target=stream.run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        stream.flow()
        yield stream
        stream.check()
    finally:
        stream.stop()
        for thread in threads:
            thread.join()
