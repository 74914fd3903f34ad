"""What a replay has counted; everything in it is fit to be shown, and bounded."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from verifier.replay.access_log import LoggedRequest, Unasked
from verifier.rooms.url import Target
from verifier.rules.model import Deny
from verifier.tokens.redact import hide_tokens, may_reveal_token

EXAMPLES: Final = 3
"""How many of each code, and of the lines that cannot be read, are shown."""

_LONGEST: Final = 120
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))
_FROM_A_PARAMETER_ON: Final = re.compile(r"(?i)(?:(?<=jwt)|(?<=token))(?:=|%(?:25)*3d).*")


@dataclass(frozen=True, slots=True)
class Example:
    """One request that would be denied.

    Attributes:
        code: Why.
        detail: In words.
        log: Where it stands.
        line: Its line there.
        time: Unix seconds.
        request: What was asked for, without its token.
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
    """How one host's requests would fare."""

    allowed: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def denied(self) -> int:
        """Count those that would be refused."""
        return self.codes.total()


@dataclass(slots=True)
class Tally:
    """Everything that was found.

    Attributes:
        lines: How many there were.
        hosts: By configured host; None stands for all others.
        unasked: Lines about which the gate would not be asked, by reason.
        unreadable: How many lines could not be read.
        first_unreadable: The first of them.
        examples: The first denials of each code.
        without_host: How many of the judged requests came without the name of their host.
        with_token: How many of the judged requests carried a token.
        late_websockets: How many were denied as expired by a line written at a websocket's end.
        begin: The earliest time, Unix seconds.
        end: The latest.
    """

    lines: int = 0
    hosts: dict[str | None, HostTally] = field(default_factory=dict)
    unasked: Counter[Unasked] = field(default_factory=Counter)
    unreadable: int = 0
    first_unreadable: list[Unreadable] = field(default_factory=list)
    examples: dict[str, list[Example]] = field(default_factory=dict)
    without_host: int = 0
    with_token: int = 0
    late_websockets: int = 0
    begin: float | None = None
    end: float | None = None

    @property
    def allowed(self) -> int:
        """Count the requests that would be let in."""
        return sum(host.allowed for host in self.hosts.values())

    @property
    def codes(self) -> Counter[str]:
        """Count the denials by code."""
        return sum((host.codes for host in self.hosts.values()), Counter())

    @property
    def denied(self) -> int:
        """Count the requests that would be refused."""
        return sum(host.denied for host in self.hosts.values())

    def saw(self, time: float) -> None:
        """Take note of a time, Unix seconds."""
        self.begin = time if self.begin is None else min(self.begin, time)
        self.end = time if self.end is None else max(self.end, time)

    def could_not_read(self, log: str, line: int, why: str) -> None:
        """Take note of a line that says nothing."""
        self.unreadable += 1
        if len(self.first_unreadable) < EXAMPLES:
            self.first_unreadable.append(Unreadable(log, line, why))

    def denied_by(
        self, deny: Deny, target: Target | None, request: LoggedRequest, log: str, line: int
    ) -> None:
        """Keep a denial as an example, if there are not enough of its code."""
        examples = self.examples.setdefault(deny.code.value, [])
        if len(examples) < EXAMPLES:
            shown = "(not a path)" if target is None else shown_target(target)
            code, detail = deny.code.value, deny.detail
            examples.append(Example(code, detail, log, line, request.time, shown))


def shown_target(target: Target) -> str:
    """Write a target for people: its path, its room and that there was a token."""
    parts = [f"room={_without_token(room)}" for room in target.room]
    parts += ["jwt=…" for _ in target.jwt] + ["token=…" for _ in target.token]
    return _without_token(target.path) + ("?" + _cut("&".join(parts)) if parts else "")


def _without_token(text: str) -> str:
    shown = hide_tokens(_FROM_A_PARAMETER_ON.sub("…", _quoted(text)), "…")
    # A parameter whose name is percent-encoded.
    return "…" if may_reveal_token(shown) else _cut(shown)


def _quoted(text: str) -> str:
    return quote(text, safe=_PRINTABLE, errors="surrogateescape")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
