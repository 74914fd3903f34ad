"""Finds requests whose token, room or query the log hides, or cuts off.

Logs write many placeholders: ``?[params_redacted]`` (docker-jitsi-meet), ``jwt=***``,
``token=[FILTERED]``, ``jwt=REDACTED``, ``jwt=eyJhbGci...``. No token has a star, a bracket or three
dots in a row, and none is a word such as "redacted". Other malformed tokens stay as they are:
``jwt=undefined``, ``jwt={token}`` and ``jwt=[object Object]`` come from broken programs, and the
gate denies them.
"""

from __future__ import annotations

import re
from typing import Final

from verifier.rooms.percent import percent_decoded
from verifier.rooms.url import Target

_LONGEST: Final = 256  # characters of a placeholder, percent-encoding included
_WORDS: Final = (
    r"(?:[a-z]+[ _.-])*(?:redact|filter|mask|hidden|remov|strip|scrub|saniti[sz]|anonymi[sz]|censor"
    r"|obfuscat|omit|elided|suppress|delet|dropped|private|sensitive|secret|truncat|confidential"
    r"|pseudonym|xxx)[a-z]*(?:[ _.-][a-z]+)*"
)
_MARKS: Final = r"(?:[*\u2022\u25cf\u2026#~_-]+|\.{3,})"
_BRACKETED: Final = (
    rf"(?:\[(?:{_WORDS}|{_MARKS}|token|jwt|query|params)\]|[<({{]+(?:{_WORDS}|{_MARKS})[>)}}]+)"
)
_PLACEHOLDER: Final = re.compile(
    rf"{_MARKS}|[*_%$]*{_WORDS}[*_%$]*|{_BRACKETED}"
    # A digest in the place of a value: Caddy's filter "hash" writes eight digits.
    r"|[0-9a-f]{8}|(?:sha\d*|md5|hmac|hash)[-:].*",
    re.IGNORECASE,
)
_PARTS_HIDDEN: Final = re.compile(
    rf"\*{{2,}}|\u2022{{2,}}|\u2026|\.{{3,}}|{_BRACKETED}", re.IGNORECASE
)
_PATH_HIDDEN: Final = re.compile(rf"(?:\*{{2,}}|{_BRACKETED})\Z", re.IGNORECASE)
_TOKEN_AT_END: Final = re.compile(r"[?&](?:jwt|token)=(?P<token>[^&]*)\Z")
_ENDS: Final = ("*", "]", ">", ")", "}")
_TOKEN: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
# The shortest signature, HS256, has 43 characters.
_COMPLETE: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]{43,}", re.ASCII)


def is_placeholder(text: str) -> bool:
    """Return whether a whole text stands for one that the log hides."""
    return len(text) <= _LONGEST and _PLACEHOLDER.fullmatch(text) is not None


def is_redacted(target: Target) -> bool:
    """Return whether a log hides the query, a token or the room of a request."""
    for value in (*target.jwt, *target.token):
        # Nearly all values are tokens, and this is a quick look.
        if not _TOKEN.fullmatch(value) and _is_hidden_value(value):
            return True
    if _is_hidden_end(target.path):
        return True
    if target.signalling and any(map(_is_hidden_end, (*target.room, *target.prefix))):
        return True
    words = [word for word in target.query.split("&") if "=" not in word] if target.query else ()
    return any(is_placeholder(_decoded(word)) for word in words)


def ends_within_token(target: str) -> bool:
    """Return whether a target ends with a token that is not complete."""
    found = _TOKEN_AT_END.search(target)
    return found is not None and _COMPLETE.fullmatch(found["token"]) is None


def _is_hidden_value(value: str) -> bool:
    # Only the end of a long value is searched: programs that shorten a token mark its end.
    return is_placeholder(value) or _PARTS_HIDDEN.search(value[-_LONGEST:]) is not None


def _is_hidden_end(text: str) -> bool:
    if "%" not in text and not text.endswith(_ENDS):
        return False
    return _PATH_HIDDEN.search(_decoded(text[-_LONGEST:])) is not None


def _decoded(text: str) -> str:
    return percent_decoded(text[:_LONGEST], "replace") if "%" in text else text[:_LONGEST]
