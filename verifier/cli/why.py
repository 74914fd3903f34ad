"""``why``: report from the audit log what was decided about a user or a room, and why."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from verifier.cli.arguments import (
    Parser,
    UsageError,
    add_command,
    add_config,
    settings_of,
    text,
)
from verifier.cli.log_arguments import STANDARD_INPUT, open_argument, size_of
from verifier.cli.manual import Manual
from verifier.cli.moments import EXPECTED, parse_moment
from verifier.cli.progress import Report, progress
from verifier.cli.why_report import Findings, as_json, as_text, shown_notes
from verifier.config.addresses import parse_ip_address
from verifier.explain import UnreadableError, parse_room
from verifier.observability.audit_lines import AuditLine, UnreadableLineError, parse_line
from verifier.rooms.address import room_jid

# Seconds before and after the time of --at.
_AROUND: Final = 300
_LIMIT: Final = 20
_LARGEST_LIMIT: Final = 10_000
# Texts that JSON never escapes, also not a second time.
_UNESCAPED: Final = re.compile(r"[A-Za-z0-9_.@:-]+")
# How logrotate names the older files, packed or not.
_ROTATED: Final = re.compile(r"[.-]\d[\d_T:-]*(\.(gz|bz2|xz|zst))?")

_SUMMARY: Final = "report why a user was refused, from the audit log"
_DESCRIPTION: Final = f"""\
Searches the audit log for decisions about a user, a room or a client, and
prints for each when it was made, why, and what to change. Without a filter it
prints every denial; with one, also what was allowed. Equal decisions that
follow each other are printed once, with their number.

The files that logrotate has moved aside (audit.log.1, audit.log.2.gz,
audit.log-20261129.gz) are searched too, from the oldest to the newest. The
audit log is that of the configuration, if none is given. The lines of the log,
of syslog and of journald are read as well, so the command also works without an
audit log: see the examples.

Times without a time zone are those of this machine. --at searches {_AROUND // 60} minutes
before and after the time. The log names users only if the token's signature was
good, so a search by user finds no forged token. Memory use does not grow with
the log."""
_MANUAL: Final = Manual(
    {
        0: "A decision was found.",
        1: "Nothing was found. Standard error has the number of lines that were searched.",
    },
    {},
    (
        ("jitsi-verifier why --user u-1 --at 09:00", "Why was this user refused at nine o'clock?"),
        (
            "jitsi-verifier why --room standup --since 2h /var/log/jitsi-verifier/audit.log",
            "Who was let into this room, and who was not, in the last two hours?",
        ),
        (
            "journalctl -u jitsi-verifier -o cat --since today | jitsi-verifier why --user Ada -",
            "Search the log in journald; it contains denials only.",
        ),
        (
            "jitsi-verifier why --request-id 4f1c --json audit.log",
            "Print JSON for the id that a denial page shows.",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class _Search:
    """What is searched for; None for anything."""

    user: str | None
    room: str | None
    client: str | None
    request_id: str | None
    since: float
    until: float

    @property
    def needles(self) -> tuple[bytes, ...]:
        """Texts of which a line must have each; to read every line would take minutes."""
        named = (self.user, self.room, self.client, self.request_id)
        return tuple(text.encode() for text in named if text and _UNESCAPED.fullmatch(text))

    @property
    def is_empty(self) -> bool:
        """Whether the search does not name what the decision was about."""
        return not (self.user or self.room or self.client or self.request_id)

    def matches(self, line: AuditLine) -> bool:
        """Return whether a decision is one of those that are searched for."""
        if not self.since <= line.time <= self.until:
            return False
        if self.is_empty:
            return line.outcome != "allowed"
        return (
            self.user in {None, line.text("user_id"), line.text("user_name")}
            and self.request_id in {None, line.text("request_id")}
            and self.client in {None, line.text("client")}
            and self.room in {None, *_names_of_room(line.text("room"))}
        )


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the sub-command."""
    parser = add_command(commands, "why", _SUMMARY, _DESCRIPTION, _MANUAL)
    parser.add_argument(
        "logs",
        nargs="*",
        metavar="AUDIT_LOG",
        help="the audit log, or another log of the service; - for standard input (default:"
        " audit_log of the configuration)",
    )
    parser.add_argument(
        "--user", metavar="USER", type=text, help="the user's id or name in the token"
    )
    parser.add_argument(
        "--room", metavar="ROOM", type=_room, help="the room's name, TENANT/NAME or XMPP address"
    )
    parser.add_argument("--client", metavar="ADDRESS", type=_client, help="the client's IP address")
    parser.add_argument(
        "--request-id", metavar="ID", type=text, help="the request's id (X-Request-Id)"
    )
    parser.add_argument(
        "--at", metavar="TIME", type=_moments, help=f"about when: {EXPECTED}".replace("%", "%%")
    )
    parser.add_argument("--since", metavar="TIME", type=_moment, help="not before this time")
    parser.add_argument("--until", metavar="TIME", type=_moment, help="not after this time")
    parser.add_argument(
        "--last",
        metavar="NUMBER",
        type=_number,
        default=_LIMIT,
        help=f"print so many decisions, the last ones (default: {_LIMIT})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    add_config(parser)
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Search the logs, and write the decisions that were found to standard output.

    Raises:
        UsageError: The arguments do not fit together, or a log cannot be read.
        ConfigError: The configuration cannot be used; it is read only if no log is given.
    """
    search = _search(options)
    names = _with_rotated(options.logs or [_configured(options)], search.since)
    sizes = [size_of(name) for name in names]
    findings = Findings(options.last)
    with progress(sizes) as report:
        for name in names:
            _read(name, search, findings, report)
    sys.stdout.write((as_json if options.json else as_text)(findings))
    sys.stderr.write("".join(f"jitsi-verifier: {note}\n" for note in shown_notes(findings)))
    return 0 if findings.matched else 1


def _search(options: argparse.Namespace) -> _Search:
    since, until = options.since, options.until
    if options.at is not None:
        if since is not None or until is not None:
            raise UsageError("--at: expected it without --since and --until")
        since, until = options.at[0] - _AROUND, options.at[1] + _AROUND
    since, until = since or float("-inf"), until or float("inf")
    if since > until:
        raise UsageError("--since: expected a time before that of --until")
    return _Search(options.user, options.room, options.client, options.request_id, since, until)


def _configured(options: argparse.Namespace) -> str:
    """Return the audit log of the configuration.

    Raises:
        UsageError: It is no file.
    """
    audit_log = settings_of(options).audit_log
    if audit_log in {None, "stdout", "syslog"}:
        found = audit_log or "off"
        raise UsageError(
            f"AUDIT_LOG: the configuration's audit_log is {found}; expected a file, or - and the"
            " log on standard input: journalctl -u jitsi-verifier -o cat | jitsi-verifier why -"
        )
    return str(audit_log)


def _with_rotated(names: Sequence[str], since: float) -> list[str]:
    """Return the logs and their older files, the oldest first.

    A file that was last written before ``since`` is left out.
    """
    written: dict[str, float] = {}
    for name in names:
        written[name] = float("inf")  # the file in use; where there is none, opening it says so
        if name != STANDARD_INPUT:
            written |= {str(path): path.stat().st_mtime for path in _older(Path(name))}
    # Files that were rotated in one second are told apart by their names: .1 is newer than .2.
    kept = sorted((name for name in written if written[name] >= since), reverse=True)
    return sorted(kept, key=lambda name: written[name])


def _older(path: Path) -> Iterator[Path]:
    try:
        siblings = list(path.parent.iterdir()) if path.name else []
    except (OSError, ValueError):
        return
    for sibling in siblings:
        rest = sibling.name.removeprefix(path.name)
        if rest != sibling.name and _ROTATED.fullmatch(rest):
            yield sibling


def _read(name: str, search: _Search, findings: Findings, report: Report) -> None:
    needles = search.needles
    with open_argument(name) as lines:
        for line in lines:
            findings.lines += 1
            report(name, lines.position, findings.lines)
            if line.text is not None and not all(needle in line.text for needle in needles):
                continue
            try:
                decision = None if line.text is None else parse_line(line.text)
            except UnreadableLineError:
                findings.unreadable += 1
                continue
            if line.text is None:
                findings.unreadable += 1
            elif decision is not None and search.matches(decision):
                findings.add(decision)
        if lines.problem:
            findings.problems[name] = lines.problem


def _names_of_room(address: str) -> tuple[str, str, str]:
    """Return an XMPP address, the tenant and name in it, and the name alone."""
    node = address.partition("@")[0]
    return address, node, node.rpartition("]")[2]


def _room(value: str) -> str:
    """Return a room as one of ``_names_of_room``: an address, ``tenant/name`` or a name."""
    if "@" in value:
        return value.lower()
    try:
        address = parse_room(value)
    except UnreadableError:
        raise argparse.ArgumentTypeError("expected a name that the web client could send") from None
    if address.tenant is None:
        return address.room
    return room_jid(address, "").removesuffix("@")


def _client(value: str) -> str:
    address = parse_ip_address(value)
    if address is None:
        raise argparse.ArgumentTypeError("expected an IP address")
    return str(address)


def _number(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 0 < int(value) <= _LARGEST_LIMIT:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {_LARGEST_LIMIT}")
    return int(value)


def _moment(value: str) -> float:
    return parse_moment(value, datetime.now(UTC)).timestamp()


def _moments(value: str) -> tuple[float, float]:
    """Return the first and the last moment that the text names: an hour comes twice in autumn."""
    now = datetime.now(UTC)
    first, last = parse_moment(value, now).timestamp(), parse_moment(value, now, 1).timestamp()
    return min(first, last), max(first, last)
