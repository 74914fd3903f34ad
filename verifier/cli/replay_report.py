"""The report of a replay, as text for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from verifier.config import Settings
from verifier.explain.wording import escape_unprintable
from verifier.replay.logged_request import NotAsked
from verifier.replay.tally import HostTally, Tally

_NOT_ASKED: Final = {
    NotAsked.PUBLIC: "public files",
    NotAsked.NO_REQUEST: "no HTTP request",
    NotAsked.NO_QUERY: "the log leaves out the query, and with it the token",
    NotAsked.REDACTED: "query redacted",
    NotAsked.CUT_OFF: "request cut off",
    NotAsked.PREFLIGHT: "OPTIONS before a request",
    NotAsked.KEEP_ALIVE: "keep-alives",
    NotAsked.REDIRECT: "redirected by the web server",
    NotAsked.REFUSED: "refused by the web server",
}
# Where the log does not show the token: what to do instead.
_REMEDY: Final = (
    "Replay a log of whole requests (nginx: access_log FILE combined;), which contains tokens, or"
    ' run the gate with mode = "report-only", which needs no log.'
)
_OTHERS: Final = "(all other hosts)"


@dataclass(frozen=True, slots=True)
class Log:
    """One log that was read.

    Attributes:
        name: The name on the command line.
        lines: The number of its lines.
        problem: Why it could not be read to its end; empty if it could be read.
    """

    name: str
    lines: int
    problem: str


def notes_on(
    tally: Tally, settings: Settings, key_problems: Sequence[str], *, offline: bool
) -> tuple[str, ...]:
    """Return what a reader has to know to understand the numbers."""
    return tuple(_notes(tally, settings, key_problems, offline=offline))


def _notes(
    tally: Tally, settings: Settings, key_problems: Sequence[str], *, offline: bool
) -> Iterator[str]:
    decided = tally.decided
    yield from _notes_on_missing_tokens(tally)
    if decided and not tally.with_token:
        yield "No request has a token in its query: perhaps this log leaves the query out."
    if decided and (settings.token_cookie or settings.handoff):
        yield "Cookies are in no access log: a request with a token in a cookie has none here."
    if tally.late_websockets:
        yield (
            f"{tally.late_websockets:,} of the expired are websockets, whose lines are written"
            " when they close: their tokens may have been valid when they opened. JSON lines with"
            " $request_time show the start."
        )
    if tally.without_host and settings.hosts:
        yield (
            f"The lines of {tally.without_host:,} requests do not contain the host, and this"
            " configuration has several hosts: --host names one."
        )
    if "keys-unavailable" in tally.codes and offline:
        yield "Keys from URLs were not fetched (--offline)."
    yield from key_problems


def _notes_on_missing_tokens(tally: Tally) -> Iterator[str]:
    """Yield what the log does not show, and what to do."""
    without_query = tally.not_asked[NotAsked.NO_QUERY]
    redacted = tally.not_asked[NotAsked.REDACTED]
    cut_off = tally.not_asked[NotAsked.CUT_OFF]
    if without_query:
        yield (
            f"{without_query:,} lines are of a log that leaves out the query, as the formats of"
            " this program's files for proxies do: there is no token in it, and nothing can be"
            " replayed."
        )
    if redacted:
        yield (
            f"{redacted:,} requests are not asked about: the log hides their query or token"
            " (docker-jitsi-meet: ?[params_redacted])."
        )
    if cut_off:
        yield f"{cut_off:,} requests are not asked about: their lines are cut off."
    if without_query or redacted or cut_off:
        yield _REMEDY
    if redacted and tally.decided:
        yield (
            f"allowed and denied count only the other {tally.decided:,} requests;"
            f" {tally.with_token:,} of them have a token."
        )


def as_json(tally: Tally, logs: Sequence[Log], notes: Sequence[str], *, several: bool) -> str:
    """Return the report as one JSON object."""
    report: dict[str, Any] = {
        "lines": tally.lines,
        "from": tally.begin,
        "to": tally.end,
        # The names of these members are public and do not change.
        "judged": tally.decided,
        "allowed": tally.allowed,
        "denied": tally.denied,
        "codes": dict(tally.codes.most_common()),
        "not_asked": {reason.value: tally.not_asked[reason] for reason in NotAsked},
        "unreadable": {
            "count": tally.unreadable,
            "first": [asdict(unreadable) for unreadable in tally.first_unreadable],
        },
        "examples": [asdict(one) for code in tally.examples.values() for one in code],
        "logs": [asdict(log) for log in logs],
        "notes": list(notes),
    }
    if several:
        report["hosts"] = {
            host or "": {
                "allowed": numbers.allowed,
                "denied": numbers.denied,
                "codes": dict(numbers.codes.most_common()),
            }
            for host, numbers in tally.hosts.items()
        }
    return json.dumps(report, indent=2) + "\n"


def as_text(tally: Tally, logs: Sequence[Log], notes: Sequence[str], *, several: bool) -> str:
    """Return the report as text: the numbers, examples of each denial code, and the notes."""
    return "\n".join(
        [
            *_numbers(tally),
            *(_hosts(tally) if several else ()),
            *(f"{log.name}: not read to its end: {log.problem}" for log in logs if log.problem),
            *(f"Note: {note}" for note in notes),
            "",
        ]
    )


def _numbers(tally: Tally) -> Iterator[str]:
    decided = tally.decided
    span = "" if tally.begin is None else f", {_moment(tally.begin)} to {_moment(tally.end)} UTC"
    yield f"{tally.lines:,} lines{span}"
    yield ""
    yield _row("allowed", tally.allowed, decided)
    yield _row("denied", tally.denied, decided)
    for code, count in tally.codes.most_common():
        yield f"  {_row(code, count, decided)}"
        for example in tally.examples[code]:
            moment = _moment(example.time)
            detail = f"  ({escape_unprintable(example.detail)})" if example.detail else ""
            yield f"      {example.log}:{example.line}  {moment}  {example.request}{detail}"
    reasons = [f"{_NOT_ASKED[reason]} {count:,}" for reason, count in tally.not_asked.most_common()]
    yield _row("not asked about", tally.not_asked.total()) + _listed(reasons)
    yield _row("could not be read", tally.unreadable)
    for unreadable in tally.first_unreadable:
        yield f"      {unreadable.log}:{unreadable.line}  {unreadable.why}"


def _hosts(tally: Tally) -> Iterator[str]:
    yield ""
    for host, numbers in sorted(tally.hosts.items(), key=lambda item: item[0] or "~"):
        yield f"{host or _OTHERS}: {_host(numbers)}"


def _host(numbers: HostTally) -> str:
    codes = [f"{code} {count:,}" for code, count in numbers.codes.most_common()]
    return f"allowed {numbers.allowed:,}, denied {numbers.denied:,}{_listed(codes)}"


def _row(name: str, count: int, whole: int = 0) -> str:
    share = f"  {count / whole:6.1%}" if whole else ""
    return f"{name:24}{count:>12,}{share}"


def _listed(parts: Sequence[str]) -> str:
    return f"  ({', '.join(parts)})" if parts else ""


def _moment(time: float | None) -> str:
    try:
        return datetime.fromtimestamp(time or 0, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        # A log may contain a time beyond the years that datetime has.
        return f"{time:.0f}"
