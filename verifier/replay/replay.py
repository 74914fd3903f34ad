"""Reads access logs line by line, and counts what would have been allowed and denied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from verifier.config import Settings
from verifier.decisions.bypass import Bypass
from verifier.replay.access_log import LineReader
from verifier.replay.keys import ReplayKeys
from verifier.replay.log_file import LONGEST_LINE, Line, LogLines
from verifier.replay.logged_request import LoggedRequest, NotAsked, UnreadableLineError
from verifier.replay.tally import HostTally, Tally
from verifier.replay.verdicts import ReplayVerifier, TimedVerifier
from verifier.rules.model import DenialCode, Deny

_TOO_LONG: Final = f"longer than {LONGEST_LINE} bytes"
_LINES_PER_REPORT: Final = 500


class Replay:
    """Reads logs and counts what would have been allowed and denied.

    Args:
        verifier: Decides the requests.
        reader: Reads the lines.
    """

    def __init__(self, verifier: ReplayVerifier, reader: LineReader) -> None:
        self._verifier = verifier
        self._reader = reader
        self.tally = Tally()

    def run(self, name: str, lines: LogLines, report: Callable[[], None] = lambda: None) -> None:
        """Count the requests of one log; lines that cannot be read are counted, too.

        Args:
            name: The name of the log, for examples.
            lines: Its lines; ``lines.problem`` afterwards says if they are incomplete.
            report: Called again and again, for a progress bar.
        """
        # Only a whole log shows whether it leaves out queries. Its lines are counted at once.
        tally = Tally()
        for line in lines:
            self.tally.lines += 1
            if self.tally.lines % _LINES_PER_REPORT == 0:
                report()
            try:
                request = self._read(line)
            except UnreadableLineError as error:
                tally.add_unreadable(name, line.number, str(error))
            else:
                self._count(tally, name, line.number, request)
        if tally.leaves_out_queries:
            tally.set_apart(NotAsked.NO_QUERY)
        self.tally.add(tally)
        report()

    def _read(self, line: Line) -> LoggedRequest | NotAsked | None:
        """Return what a line says; None if it is empty."""
        if line.text is None:
            raise UnreadableLineError(_TOO_LONG)
        return self._reader.read(line.text) if line.text.strip(b"\0 \t\r") else None

    def _count(
        self, tally: Tally, log: str, number: int, request: LoggedRequest | NotAsked | None
    ) -> None:
        if not isinstance(request, LoggedRequest):
            if request is not None:
                tally.not_asked[request] += 1
            return
        tally.with_query += request.shows_query
        verdict = self._verifier.verify(request)
        if isinstance(verdict, NotAsked):
            tally.not_asked[verdict] += 1
            return
        name, target, decision = verdict
        tally.add_time(request.time)
        tally.without_host += request.host is None
        tally.bare_signalling += target is not None and target.signalling and not target.query
        tally.with_token += target is not None and bool(target.jwt or target.token)
        host = tally.hosts.get(name)
        if host is None:
            host = tally.hosts[name] = HostTally()
        if not isinstance(decision, Deny):
            host.allowed += 1
            return
        host.codes[decision.code.value] += 1
        tally.add_example(decision, target, request, log, number)
        if decision.code is DenialCode.TOKEN_EXPIRED:
            # The line of a websocket is written at its end, which is no time to compare exp with.
            tally.late_websockets += request.upgraded and not request.time_is_start


def replay_verifier(
    settings: Settings, keys: ReplayKeys, assumed_host: str | None = None
) -> ReplayVerifier:
    """Return the verifier of all hosts of a configuration.

    Args:
        settings: The configuration.
        keys: The keys of all its hosts.
        assumed_host: The host of requests whose line does not contain it.
    """

    def timed(host: Settings) -> TimedVerifier:
        return TimedVerifier(host.policy(), keys.resolver_for(host.key_locations()), keys.run)

    return ReplayVerifier(
        timed(settings),
        {name: timed(host) for name, host in settings.hosts.items()},
        strict=settings.strict_hosts,
        bypass=Bypass(settings.bypass),
        assumed_host=assumed_host,
        gate_redirects=any(
            host.handoff or host.denied_redirect_url
            for host in (settings, *settings.hosts.values())
        ),
    )
