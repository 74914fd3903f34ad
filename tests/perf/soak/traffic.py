"""Sends the requests of many users, compares each answer with the model, and counts."""

from __future__ import annotations

import asyncio
import random
import time
from array import array
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

from tests.perf.soak.connection import Answer, Connection
from tests.perf.soak.model import ALLOWED, Outcome, possible_outcomes
from tests.perf.soak.users import CACHED_SECONDS, SharedState, UserSession, new_session

GOOD_REFUSED: Final = "good tokens refused"
BAD_LET_IN: Final = "bad tokens let in"
REVOKED_LET_IN: Final = "revoked tokens let in"
OTHERS: Final = "other wrong answers"
MISTAKES: Final = (GOOD_REFUSED, BAD_LET_IN, REVOKED_LET_IN, OTHERS)
CONNECTIONS: Final = 64
_NEW_SESSIONS: Final = 0.1  # share of requests that begin a new session
_LATEST_SESSIONS: Final = 0.5  # share of the others that belong to one of the latest sessions
_MAX_EXAMPLES: Final = 20


@dataclass(slots=True)
class Results:
    """The results so far.

    Attributes:
        codes: Number of answers by status and denial code.
        wrong: Number of answers that the model does not permit, by kind.
        failed: Number of wrong answers that were 5xx, or no answer at all.
        down: Number of failures while the service did not run.
        lost: Number of failures at the moment at which a worker was killed.
        users: Number of sessions.
        examples: The first wrong answers, without tokens.
        seconds: Duration of each request.
    """

    codes: Counter[Outcome] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    down: int = 0
    lost: int = 0
    users: int = 0
    examples: list[str] = field(default_factory=list)
    seconds: array[float] = field(default_factory=lambda: array("d"))


class Traffic:
    """Many users, who share ``CONNECTIONS`` connections with one client address each.

    Args:
        port: The port of nginx.
        state: The state that answers depend on.
        users: Number of users.
        rate: Requests a second.
    """

    def __init__(self, port: int, state: SharedState, users: int, rate: float) -> None:
        self.results = Results()
        self._port, self._state, self._users = port, state, users
        self._pause = CONNECTIONS / rate
        self._began = time.time()
        self.revocable: deque[UserSession] = deque(maxlen=1000)
        """The latest sessions with a good token, whose tokens may be revoked."""

    async def run(self, seconds: float) -> None:
        """Send requests for so many seconds."""
        end = time.time() + seconds
        await asyncio.gather(*(self._run_connection(number, end) for number in range(CONNECTIONS)))

    async def _run_connection(self, number: int, end: float) -> None:
        connection = Connection(self._port, f"127.0.1.{number + 1}")
        users = cycle(range(number, self._users, CONNECTIONS))
        open_sessions: list[UserSession] = []
        latest: deque[UserSession] = deque(maxlen=4)
        due = time.time() + self._pause * number / CONNECTIONS
        while due < end:
            await asyncio.sleep(due - time.time())
            due = max(due + self._pause, time.time() - 1)
            if not open_sessions or random.random() < _NEW_SESSIONS:  # noqa: S311  # load
                open_sessions.append(new_session(next(users), self._state))
                latest.append(open_sessions[-1])
                if open_sessions[-1].final_outcome == ALLOWED:
                    self.revocable.append(open_sessions[-1])
                self.results.users += 1
            recent = random.random() < _LATEST_SESSIONS  # noqa: S311  # load
            session = _random_session(latest if recent and latest else open_sessions)
            await self._send(connection, session)
            if session.ends < time.time():
                open_sessions = [other for other in open_sessions if other is not session]
                if session in latest:
                    latest.remove(session)
        connection.close()

    async def _send(self, connection: Connection, session: UserSession) -> None:
        signalling = random.random() < 0.5 and session.path == f"/{session.room}"  # noqa: S311  # load
        head = _signalling(session) if signalling else _page(session)
        start = time.time()
        answer = await connection.send(head)
        end = time.time()
        self.results.seconds.append(end - start)
        self._compare(session, answer, signalling, start, end)

    def _compare(
        self, session: UserSession, answer: Answer, signalling: bool, start: float, end: float
    ) -> None:
        outcome = (answer.status, answer.code)
        self.results.codes[outcome] += 1
        right = possible_outcomes(
            session.conditions, session.final_outcome, start, end, CACHED_SECONDS
        )
        if outcome in right and (outcome != ALLOWED or _is_for(session, answer, signalling)):
            return
        if answer.status >= 500 and False in self._state.up.possible_values(start, end):
            self.results.down += 1
            return
        if answer.status >= 500 and False in self._state.workers.possible_values(start, end):
            self.results.lost += 1
            return
        self.results.wrong[_mistake(session, outcome, right, start, end)] += 1
        self.results.failed += answer.status >= 500
        if len(self.results.examples) < _MAX_EXAMPLES:
            self.results.examples.append(
                f"{start - self._began:.1f} s, {(end - start) * 1000:.0f} ms: {session.user} at"
                f" {session.host}{' (signalling)' if signalling else ''}:"
                f" expected {sorted(right)}, found {outcome}"
            )


def _random_session(sessions: list[UserSession] | deque[UserSession]) -> UserSession:
    return sessions[random.randrange(len(sessions))]  # noqa: S311  # load


def _mistake(
    session: UserSession, outcome: Outcome, right: set[Outcome], start: float, end: float
) -> str:
    if outcome == ALLOWED:
        revoked = session.not_revoked.possible_values(start, end) == {False}
        return REVOKED_LET_IN if revoked else BAD_LET_IN
    return GOOD_REFUSED if right == {ALLOWED} else OTHERS


def _page(session: UserSession) -> bytes:
    return f"GET {session.path}?{session.query} HTTP/1.1\r\nHost: {session.host}\r\n\r\n".encode()


def _signalling(session: UserSession) -> bytes:
    query = session.query.replace("jwt=", "token=")
    target = f"/http-bind?room={session.room}&{query}"
    head = f"POST {target} HTTP/1.1\r\nHost: {session.host}\r\nContent-Length: 0\r\n\r\n"
    return head.encode()


def _is_for(session: UserSession, answer: Answer, signalling: bool) -> bool:
    """Return whether the upstream was told this user (signalling) or this room (page)."""
    expected = session.user if signalling else f'"room": "{session.room}"'
    return expected.encode() in answer.body
