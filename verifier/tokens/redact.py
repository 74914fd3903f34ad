r"""The only definition of what looks like a token, for all texts that people or other sites see.

A token's header and payload are JSON objects in base64url, so that text is a token if it decodes to
the beginning of a JSON object: blanks, ``{``, blanks, ``"``, a member's name, ``"``, blanks, ``:``.
This finds a whole token, a header alone, a token that was cut off, and JSON that was written with
blanks. Words such as ``eyewitness-news`` decode to no JSON and stay.

A room name is lower case, and so is a token in it. Each letter may then stand for two values, so
that a byte, which two letters make, may be one of four. The search takes each byte on its own, and
follows all that it may be at once, as a set of states. (So it finds a few words that are a token in
no spelling, because two bytes need different spellings of the letter that they share.)

=======  ==========================================  ==========================================
State    The decoded bytes so far                    Next
=======  ==========================================  ==========================================
start    none                                        ``{``: open
open     ``{`` and blanks                            blank: open; ``"``: name
name     and a part of a name, usual characters      usual: name; ``"``: end; other: rare
rare     and a part of a name, other characters too  ``"``: end; ``\``: escaped; other: rare
escaped  the same, and a backslash                   any: rare
end      and a whole name                            blank: end; ``:``: token
token    and ``:``                                   the word is a token
=======  ==========================================  ==========================================

A control character in a name, and any byte that is not in the table, ends a spelling. A word that
ends in ``name`` or ``end`` was cut off, and counts from a certain length on. ``rare`` does not
count: too many names of rooms and hosts, read in some spelling, end there. Three long segments with
dots between them are a signed token in any case, whatever its header decodes to.

Each place where a token may begin is looked at for a bounded length, which takes about 5 µs. In a
text with many such places that are no token, the later ones count as tokens without being looked
at. So a text costs little more than a copy of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Final, Literal

from verifier.rooms.percent import has_many_broken_escapes, percent_decoded

HIDDEN: Final = "[token]"

# A brace and a quote (eyI to eyL), a space (eyA) or another blank (ewo, ew0, ewk). This only says
# where to look; the states decide.
_START: Final = re.compile(r"[eE](?=[yY][AIJKLaijkl]|[wW][KOko0])")
_WORD: Final = re.compile(r"[\w-]{0,24}", re.ASCII)
# The shortest signature (HS256) has 43 characters. Looked for only where a word begins, or a long
# word would be read once for each place in it where a token may begin.
_SIGNED: Final = re.compile(r"(?<![\w-])[\w-]{12,}+\.[\w-]{10,}+\.[\w-]{40}", re.ASCII)
# Jitsi's decoder skips padding and splits at backslashes, too.
_REST: Final = re.compile(r"[\w.=\\-]*", re.ASCII)
_ENCODED: Final = re.compile(r"[\w.~=+%\\-]+", re.ASCII)
_PARAMETER: Final = re.compile(r"(?:jwt|token)=", re.IGNORECASE)
_MAX_ENCODINGS: Final = 5
# Places that are looked at in one text. A log line has several texts; a URL is looked at once.
_MAX_BEGINNINGS: Final = 16
_MAX_BEGINNINGS_IN_URL: Final = 32
# A word that was cut off counts from here on: in the case that it was written in, or else.
_MIN_LENGTH: Final = 8
_MIN_LENGTH_ANY_CASE: Final = 12

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_VALUES: Final = {letter: value for value, letter in enumerate(_ALPHABET)}
_BLANKS: Final = frozenset(b" \t\r\n")
_USUAL: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_#./:-")


_State = Literal["start", "open", "name", "rare", "escaped", "end", "token"]
_BEGINNING: Final = frozenset[_State](("start",))
_CUT_OFF: Final = frozenset[_State](("name", "end"))


def hide_tokens(text: str, instead: str = HIDDEN) -> str:
    """Return a text with ``instead`` in the place of whatever looks like a token.

    A word that holds a token in percent-encoding is replaced as a whole.
    """
    if "%" in text:
        text = _ENCODED.sub(
            lambda word: instead if "%" in word[0] and holds_token(word[0]) else word[0], text
        )
    shown: list[str] = []
    done = 0
    for begin, end in find_tokens(text):
        shown += (text[done:begin], instead)
        done = end
    return "".join((*shown, text[done:])) if shown else text


def holds_token(text: str) -> bool:
    """Return whether a text holds a token, however often it is percent-encoded."""
    return any(decoded is None or _has_token(decoded) for decoded in _decodings(text))


def may_reveal_token(url: str) -> bool:
    """Return whether a URL holds a token, or a parameter that is meant for one."""
    return any(
        decoded is None
        or _PARAMETER.search(decoded) is not None
        or _has_token(decoded, _MAX_BEGINNINGS_IN_URL)
        for decoded in _decodings(url)
    )


def _decodings(text: str) -> Iterator[str | None]:
    """Yield a text and what its percent-encoding means; None for one that does not end.

    Also None for one that is not decoded, because it has very many broken escapes.
    """
    yield text
    text = text.encode("utf-8", "replace").decode()
    for _ in range(_MAX_ENCODINGS):
        if has_many_broken_escapes(text):
            yield None
            return
        if (decoded := percent_decoded(text, "replace")) == text:
            return
        text = decoded
        yield text
    if percent_decoded(text, "replace") != text:
        yield None


def _has_token(text: str, max_beginnings: int = _MAX_BEGINNINGS) -> bool:
    return next(find_tokens(text, max_beginnings), None) is not None


def find_tokens(text: str, max_beginnings: int = _MAX_BEGINNINGS) -> Iterator[tuple[int, int]]:
    """Yield where tokens begin and end; a place beyond ``max_beginnings`` counts as a token."""
    done = looked_at = 0
    for match in _START.finditer(text):
        begin = match.start()
        if begin < done:
            continue
        looked_at += 1
        if (
            looked_at > max_beginnings
            or _begins_token(_matched(_WORD, text, begin))
            or _SIGNED.match(text, begin)
        ):
            done = begin + len(_matched(_REST, text, begin))
            yield _with_hyphens(text, begin), done


def _matched(pattern: re.Pattern[str], text: str, begin: int) -> str:
    match = pattern.match(text, begin)
    return match[0] if match else ""


def _with_hyphens(text: str, begin: int) -> int:
    """Return where the word of a token begins, if only hyphens stand before the token in it."""
    before = begin
    while before and text[before - 1] == "-":
        before -= 1
    return begin if before and _WORD.fullmatch(text[before - 1]) else before


def _begins_token(word: str) -> bool:
    if len(word) < _MIN_LENGTH or not _decodes_to_object(word.lower(), any_case=True):
        return False
    return len(word) >= _MIN_LENGTH_ANY_CASE or _decodes_to_object(word, any_case=False)


def _decodes_to_object(word: str, *, any_case: bool) -> bool:
    """Return whether a word may be the beginning of a JSON object in base64url."""
    states = _BEGINNING
    for at in range(len(word) - 1):
        # Four letters are three bytes: none begins in the last letter.
        if at % 4 < 3:
            states = _advance(states, _read_byte(word[at : at + 2], at % 4, any_case=any_case))
            if not states or "token" in states:
                return bool(states)
    return not states.isdisjoint(_CUT_OFF)


# The caches are bounded: there are 64 letters, nine kinds of byte, and few sets of states.
@cache
def _read_byte(letters: str, place: int, *, any_case: bool) -> frozenset[int]:
    """Return the kinds of the bytes that two letters may make, of which the first has a place."""
    first, second = ({each, each.upper()} if any_case else {each} for each in letters)
    bits = (_VALUES[one] << 6 | _VALUES[other] for one, other in product(first, second))
    return frozenset(_KINDS[value >> (4 - 2 * place) & 0xFF] for value in bits)


@cache
def _advance(states: frozenset[_State], kinds: frozenset[int]) -> frozenset[_State]:
    """Return the states after a byte that is of one of some kinds."""
    after = (_next(state, kind) for state, kind in product(states, kinds))
    return frozenset(state for state in after if state is not None)


def _next(state: _State, byte: int) -> _State | None:
    """Return the state after one byte; None if no JSON object begins like this."""
    if state == "start":
        return "open" if byte == ord("{") else None
    if state == "open":
        return "name" if byte == ord('"') else state if byte in _BLANKS else None
    if state == "end":
        return "token" if byte == ord(":") else state if byte in _BLANKS else None
    if byte < ord(" "):
        return None
    if state == "escaped":
        return "rare"
    if byte == ord('"'):
        return "end"
    if byte == ord("\\"):
        return "escaped"
    return "name" if state == "name" and byte in _USUAL else "rare"


def _kinds() -> dict[int, int]:
    """Return for each byte the first one that leads to the same states."""
    first = dict[tuple[_State | None, ...], int]()
    states: tuple[_State, ...] = ("start", "open", "name", "rare", "escaped", "end")
    return {
        byte: first.setdefault(tuple(_next(state, byte) for state in states), byte)
        for byte in range(256)
    }


_KINDS: Final = _kinds()
