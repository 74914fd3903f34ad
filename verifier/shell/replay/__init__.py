"""What would happen if the gate were switched on: the requests of an access log, judged."""

from verifier.shell.replay.courts import Court, Courts
from verifier.shell.replay.keys import KeyDesk, KeyDesks, open_desks
from verifier.shell.replay.lines import Line, LogLines
from verifier.shell.replay.replay import Replay
from verifier.shell.replay.tally import Example, HostTally, Tally, Unreadable

__all__ = [
    "Court",
    "Courts",
    "Example",
    "HostTally",
    "KeyDesk",
    "KeyDesks",
    "Line",
    "LogLines",
    "Replay",
    "Tally",
    "Unreadable",
    "open_desks",
]
