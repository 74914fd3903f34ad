"""Whether XMPP's preparation of host names (RFC 3491) leaves a text as it is, in linear time.

``encodings.idna.nameprep`` prepares a text letter by letter and takes some microseconds for each
letter. Nearly all texts show as a whole that nothing would change:

- No letter is in the tables of RFC 3454 whose letters are mapped to nothing (B.1), folded in a
  special way (B.2), or prohibited (C.1.2 to C.9).
- All letters are in lower case, and the text is in NFKC of Unicode 3.2. Each letter for itself is
  in NFKC then too.
- Letters written from right to left stand alone, or begin and end the text (section 6).
"""

from __future__ import annotations

import re
from stringprep import b3_exceptions
from typing import Final
from unicodedata import ucd_3_2_0

_TABLES: Final = (
    "\u00ad\u034f\u1806\u180b-\u180d\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff"  # B.1
    "\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000"  # C.1.2
    "\x80-\x9f\u06dd\u070f\u180e\u200c\u200d\u2028\u2029\u2060-\u2063\u206a-\u206f\ufeff"  # C.2.2
    "\ufff9-\ufffc\U0001d173-\U0001d17a"
    "\ue000-\uf8ff\U000f0000-\U0010ffff"  # C.3
    "\ufdd0-\ufdef"  # C.4, and the last two code points of each plane
    + "".join(chr(plane * 0x1_0000 + last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "\ud800-\udfff\ufff9-\ufffd\u2ff0-\u2ffb"  # C.5, C.6, C.7
    "\u0340\u0341\u200e\u200f\u202a-\u202e\u206a-\u206f"  # C.8
    "\U000e0001\U000e0020-\U000e007f"  # C.9
)
# Some letters are folded into two, which NFKC makes the same letter again.
_FOLDED: Final = "".join(
    chr(letter)
    for letter, folded in b3_exceptions.items()
    if ucd_3_2_0.normalize("NFKC", folded) != chr(letter)
)
_NEVER_PREPARED: Final = re.compile(f"[{_TABLES}{_FOLDED}]")
_UNASSIGNED: Final = "Cn"
_RIGHT_TO_LEFT: Final = frozenset(("R", "AL"))
_FIRST_RIGHT_TO_LEFT: Final = "\u05be"
_WINDOW: Final = 64  # letters


def is_prepared(text: str, *, ignores_unassigned: bool = False) -> bool:
    """Return whether the preparation leaves a text as it is.

    Args:
        text: The text, not longer than a part of an XMPP address.
        ignores_unassigned: Whether letters that are not in Unicode 3.2 are left out, because
            Prosody's preparation leaves them as they are.
    """
    if text.isascii():
        return text == text.lower()
    if _NEVER_PREPARED.search(text):
        return False
    if ignores_unassigned:
        category = ucd_3_2_0.category
        text = "".join([letter for letter in text if category(letter) != _UNASSIGNED])
    return text == text.lower() and _is_normalised(text) and _keeps_direction(text)


def _is_normalised(text: str) -> bool:
    """Return whether a text is in NFKC.

    To normalise a text takes long if combining marks are not sorted, or if letters become many
    others. Each part of a normalised text is normalised (UAX #15), so that some letters at a time
    show both. Two windows share a letter, so that no two marks in a row are left out.
    """
    for start in range(0, len(text), _WINDOW - 1):
        window = text[start : start + _WINDOW]
        if ucd_3_2_0.normalize("NFKC", window) != window:
            return False
    return ucd_3_2_0.normalize("NFKC", text) == text


def _keeps_direction(text: str) -> bool:
    if max(text, default="") < _FIRST_RIGHT_TO_LEFT:
        return True
    directions = [ucd_3_2_0.bidirectional(letter) for letter in text]
    if _RIGHT_TO_LEFT.isdisjoint(directions):
        return True
    ends = directions[0], directions[-1]
    return "L" not in directions and _RIGHT_TO_LEFT.issuperset(ends)
