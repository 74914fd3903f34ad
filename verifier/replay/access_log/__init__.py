"""The lines of a web server's access log, read as the requests that they stand for."""

from verifier.replay.access_log.line import LineReader
from verifier.replay.access_log.logged import LoggedRequest, Unasked, UnreadableLineError
from verifier.replay.access_log.public import is_public
from verifier.replay.access_log.records import FIELDS, ROLES, Role

__all__ = [
    "FIELDS",
    "ROLES",
    "LineReader",
    "LoggedRequest",
    "Role",
    "Unasked",
    "UnreadableLineError",
    "is_public",
]
