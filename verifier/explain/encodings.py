"""Undoes what a program did to a whole text when it wrote a link or a token into it.

The source of a mail is quoted-printable, a calendar file folds its lines, JSON and HTML escape
characters, and a shell of Windows puts carets before them. None of this is a mistake in the link:
a program that reads such a text undoes it, too. A link that stands alone is left as it is, because
nothing would undo it there.
"""

from __future__ import annotations

import binascii
import html
import re
from typing import Final

from verifier.rooms.percent import has_many_broken_escapes, percent_decoded

_LONGEST_LINE: Final = 76  # characters of a quoted-printable line (RFC 2045, section 6.7)
_SOFT_BREAK: Final = re.compile(r"^(?P<line>[^\r\n]*)=\r?\n", re.MULTILINE)
_CALENDAR: Final = re.compile(
    r"^(?:BEGIN:V|(?:LOCATION|DESCRIPTION|URL|CONFERENCE|COMMENT|X-ALT-DESC)[;:])", re.MULTILINE
)
_FOLD: Final = re.compile(r"\r?\n[ \t](?=\S)")
_MAIL_QUOTE: Final = re.compile(r"^(?:> ?)+", re.MULTILINE)
_TAG: Final = re.compile(r"<[A-Za-z][A-Za-z0-9]*(?:[\s/]|>)")
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});")
_JSON_ESCAPE: Final = re.compile(r"\\(?:/|u00(?P<code>[2-7][0-9A-Fa-f]))")
_CARET: Final = re.compile(r"\^(.)", re.DOTALL)
_ENCODED_LINK: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]{0,63}%(?:25){0,4}3[Aa](?:%(?:25){0,4}2[Ff]){2}"
)
_MAX_ENCODINGS: Final = 5


def undo_encodings(text: str) -> tuple[str, list[str]]:
    """Return a text as the program that reads it would, and a note on each unusual change.

    Args:
        text: Any text. A link or token that stands alone in it stays as it is.
    """
    notes = []
    if _ENCODED_LINK.match(text):
        text, note = _decode_link(text)
        notes.append(note)
    if _is_quoted_printable(text):
        # In C, and it leaves alone what is no escape.
        text = binascii.a2b_qp(text.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")
        notes.append("The text is quoted-printable, as the source of a mail is. It was decoded.")
    if all(line.startswith(">") for line in text.splitlines() if line.strip()):
        text = _MAIL_QUOTE.sub("", text)
    if _CALENDAR.search(text):
        text = _FOLD.sub("", text)
    if text.startswith("curl ") and '^"' in text:
        text = _CARET.sub(r"\1", text)
    if _TAG.search(text):
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    if text[:1] in '{["' or ('"' in text and "\\/" in text):
        text = _JSON_ESCAPE.sub(_unescape, text)
    return text, notes


def _unescape(found: re.Match[str]) -> str:
    return chr(int(found["code"], 16)) if found["code"] else "/"


def _is_quoted_printable(text: str) -> bool:
    """Return whether lines end with ``=`` where a token or a word goes on."""
    breaks = [found["line"] for found in _SOFT_BREAK.finditer(text)]
    return bool(breaks) and max(map(len, breaks)) < _LONGEST_LINE


def _decode_link(text: str) -> tuple[str, str]:
    times = 0
    while "://" not in text and times < _MAX_ENCODINGS and not has_many_broken_escapes(text):
        text, times = percent_decoded(text, "replace"), times + 1
    more = "" if times == 1 else f" {times} times"
    return text, (
        f"The whole link is percent-encoded{more}. It was decoded for this explanation; as it"
        " stands, no program can open it."
    )
