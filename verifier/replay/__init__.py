"""What would happen if the gate were switched on: the requests of an access log, judged."""

from verifier.replay.keys import KeyDesk, KeyDesks, open_desks
from verifier.replay.log_file import Line, LogLines
from verifier.replay.replay import Replay
from verifier.replay.tally import Example, HostTally, Tally, Unreadable
from verifier.replay.verdicts import Court, Courts

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
