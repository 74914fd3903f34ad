"""One pass over logs: each line read, judged at its own time, and counted."""

from __future__ import annotations

from collections.abc import Callable

from verifier.replay.access_log import LineReader, LoggedRequest, Unasked, UnreadableLineError
from verifier.replay.log_file import LONGEST_LINE, Line, LogLines
from verifier.replay.tally import HostTally, Tally
from verifier.replay.verdicts import Courts
from verifier.rules.model import DenialCode, Deny

_TOO_LONG = f"longer than {LONGEST_LINE} bytes"
_LINES_A_REPORT = 500


class Replay:
    """Counts what would be allowed and denied.

    Args:
        courts: Who judges.
        reader: Who reads lines.
    """

    def __init__(self, courts: Courts, reader: LineReader) -> None:
        self._courts = courts
        self._reader = reader
        self.tally = Tally()

    def run(self, name: str, lines: LogLines, report: Callable[[], None] = lambda: None) -> None:
        """Go through one log; what cannot be read is counted, and ends nothing.

        Args:
            name: The log's, for examples.
            lines: Its lines; afterwards they know of a problem.
            report: Called now and then.
        """
        tally = self.tally
        for line in lines:
            tally.lines += 1
            if tally.lines % _LINES_A_REPORT == 0:
                report()
            try:
                request = self._read(line)
            except UnreadableLineError as error:
                tally.could_not_read(name, line.number, str(error))
            else:
                self._judge(name, line.number, request)
        report()

    def _read(self, line: Line) -> LoggedRequest | Unasked | None:
        if line.text is None:
            raise UnreadableLineError(_TOO_LONG)
        return self._reader.read(line.text) if line.text.strip(b"\0 \t\r") else None

    def _judge(self, log: str, number: int, request: LoggedRequest | Unasked | None) -> None:
        ruling = self._courts.judge(request) if isinstance(request, LoggedRequest) else request
        if not isinstance(request, LoggedRequest) or isinstance(ruling, Unasked | None):
            if isinstance(ruling, Unasked):
                self.tally.unasked[ruling] += 1
            return
        tally, target = self.tally, ruling.target
        tally.saw(request.time)
        tally.without_host += request.host is None
        tally.with_token += target is not None and bool(target.jwt or target.token)
        host = tally.hosts.get(ruling.host)
        if host is None:
            host = tally.hosts[ruling.host] = HostTally()
        if not isinstance(ruling.decision, Deny):
            host.allowed += 1
            return
        code = ruling.decision.code
        host.codes[code.value] += 1
        tally.denied_by(ruling.decision, target, request, log, number)
        late = code is DenialCode.TOKEN_EXPIRED and request.upgraded and not request.time_is_start
        tally.late_websockets += late
