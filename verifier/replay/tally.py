"""What a replay has counted. It contains no token and does not grow with the log."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from verifier.replay.logged_request import LoggedRequest, NotAsked
from verifier.rooms.url import Target
from verifier.rules.model import Deny
from verifier.tokens.redact import hide_tokens, may_reveal_token

EXAMPLES: Final = 3
"""How many examples are kept of each code, and of the lines that cannot be read."""

_MAX_SHOWN: Final = 120  # characters
# Characters of a path that are searched for tokens, so that a long line costs no more than others.
_MAX_SEARCHED: Final = 4096
# Lines without a query that a log with queries may have: Jitsi's pages load files with a query.
_MANY: Final = 20
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))
# The parameter and everything after it, encoded once or several times.
_TOKEN_PARAMETER: Final = re.compile(r"(?i)(?:(?<=jwt)|(?<=token))(?:=|%(?:25)*3d).*")


@dataclass(frozen=True, slots=True)
class Example:
    """One request that would be denied.

    Attributes:
        code: The denial code.
        detail: What was expected and found.
        log: The name of the log.
        line: The number of the line.
        time: The time of the request, Unix seconds.
        request: The path and the room, without the token.
    """

    code: str
    detail: str
    log: str
    line: int
    time: float
    request: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One line that could not be read, and why."""

    log: str
    line: int
    why: str


@dataclass(slots=True)
class HostTally:
    """What would have happened to the requests of one host."""

    allowed: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def denied(self) -> int:
        """The number of requests that would be denied."""
        return self.codes.total()


@dataclass(slots=True)
class Tally:
    """The numbers of all logs.

    Attributes:
        lines: How many lines there were.
        hosts: By configured host; None stands for every other host.
        not_asked: Lines about which the service would not be asked, or that do not show what it
            would be asked, by reason.
        unreadable: How many lines could not be read.
        first_unreadable: The first lines that could not be read.
        examples: The first denials of each code.
        without_host: How many of the decided requests have a line without their host.
        with_token: How many of the decided requests have a token.
        late_websockets: How many expired tokens are those of a websocket's line, which is written
            when the websocket closes.
        with_query: How many lines show that the log writes queries.
        bare_signalling: How many of the decided requests are signalling without a query. The web
            client always sends one.
        begin: The earliest time, Unix seconds.
        end: The latest time, Unix seconds.
    """

    lines: int = 0
    hosts: dict[str | None, HostTally] = field(default_factory=dict)
    not_asked: Counter[NotAsked] = field(default_factory=Counter)
    unreadable: int = 0
    first_unreadable: list[Unreadable] = field(default_factory=list)
    examples: dict[str, list[Example]] = field(default_factory=dict)
    without_host: int = 0
    with_token: int = 0
    late_websockets: int = 0
    with_query: int = 0
    bare_signalling: int = 0
    begin: float | None = None
    end: float | None = None

    @property
    def allowed(self) -> int:
        """The number of requests that would be allowed."""
        return sum(host.allowed for host in self.hosts.values())

    @property
    def codes(self) -> Counter[str]:
        """The number of denials by code."""
        return sum((host.codes for host in self.hosts.values()), Counter())

    @property
    def denied(self) -> int:
        """The number of requests that would be denied."""
        return sum(host.denied for host in self.hosts.values())

    @property
    def decided(self) -> int:
        """The number of requests that have a verdict."""
        return self.allowed + self.denied

    @property
    def leaves_out_queries(self) -> bool:
        """Whether the log seems to write no query, and so no token."""
        return not self.with_query and (self.bare_signalling > 0 or self.decided >= _MANY)

    def set_apart(self, reason: NotAsked) -> None:
        """Count every decided request as one that is not asked about."""
        if self.decided:
            self.not_asked[reason] += self.decided
        self.hosts.clear()
        self.examples.clear()
        self.without_host = self.with_token = self.late_websockets = self.bare_signalling = 0

    def add(self, other: Tally) -> None:
        """Add the numbers of another log."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for host, numbers in other.hosts.items():
            mine = self.hosts.setdefault(host, HostTally())
            mine.allowed += numbers.allowed
            mine.codes += numbers.codes
        self.not_asked += other.not_asked
        self.first_unreadable = [*self.first_unreadable, *other.first_unreadable][:EXAMPLES]
        for code, examples in other.examples.items():
            self.examples[code] = [*self.examples.get(code, ()), *examples][:EXAMPLES]
        for time in (other.begin, other.end):
            if time is not None:
                self.add_time(time)

    def add_time(self, time: float) -> None:
        """Count the time of a request, Unix seconds, in ``begin`` and ``end``."""
        self.begin = time if self.begin is None else min(self.begin, time)
        self.end = time if self.end is None else max(self.end, time)

    def add_unreadable(self, log: str, line: int, why: str) -> None:
        """Count a line that cannot be read."""
        self.unreadable += 1
        if len(self.first_unreadable) < EXAMPLES:
            self.first_unreadable.append(Unreadable(log, line, why))

    def add_example(
        self, deny: Deny, target: Target | None, request: LoggedRequest, log: str, line: int
    ) -> None:
        """Keep a denial as an example, unless there are enough examples of its code."""
        examples = self.examples.setdefault(deny.code.value, [])
        if len(examples) < EXAMPLES:
            shown = "(not a path)" if target is None else shown_target(target)
            code, detail = deny.code.value, deny.detail
            examples.append(Example(code, detail, log, line, request.time, shown))


_NUMBERS: Final = (
    *("lines", "unreadable", "without_host", "with_token"),
    *("late_websockets", "with_query", "bare_signalling"),
)


def shown_target(target: Target) -> str:
    """Return a target as the report shows it: its path, its room, and whether it has a token."""
    parts = [f"room={_without_token(room)}" for room in target.room[:EXAMPLES]]
    parts += ["jwt=…" for _ in target.jwt[:EXAMPLES]] + ["token=…" for _ in target.token[:EXAMPLES]]
    return _without_token(target.path) + ("?" + _cut("&".join(parts)) if parts else "")


def _without_token(text: str) -> str:
    shown = hide_tokens(_TOKEN_PARAMETER.sub("…", _quoted(text[:_MAX_SEARCHED])), "…")
    # A parameter with an encoded name passes the expression above: then nothing is shown.
    return "…" if may_reveal_token(shown) else _cut(shown)


def _quoted(text: str) -> str:
    return quote(text, safe=_PRINTABLE, errors="surrogateescape")


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
