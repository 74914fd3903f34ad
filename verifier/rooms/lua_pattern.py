"""Lua 5.4's ``string.match(subject, pattern)`` over bytes, in a bounded number of steps.

Implements the pattern language of the Lua 5.4 reference manual (section 6.4.1, in the "C" locale)
and the interpreter's behaviour at its edges. Knows neither rooms nor tokens nor text encodings.

Why the steps are bounded
    A token's issuer writes the pattern, and Lua's own matcher backtracks: ``.-.-.-.-x`` tries each
    way to divide the subject among the quantifiers, which is exponential in their number. An issuer
    must not be able to keep the service busy, so that each unit of work costs a step, and a match
    that is out of steps ends with ``PatternTooComplex``.

Why few steps suffice
    A Lua pattern has neither alternation nor quantified groups: it is a straight line of items. The
    rest of the line can only depend on three things: the position in the subject, the depth to
    which Lua's own matcher would have recursed (Lua gives up at 200), and the borders, at which
    captures opened and closed. Depth matters only in very long patterns, and borders only to
    back-references. Therefore:

    - A position after a quantifier from which the rest of the line failed is never tried again. If
      the rest visited a back-reference, it is not tried again with the same borders.
    - Without back-references a match visits at most items x positions. With back-references the
      steps may run out, on patterns such as ``(.-).-%1x``.

How the search is organised
    - ``_Reader`` reads an item when the search first arrives at it. As in Lua, a malformed item
      raises nothing if no path reaches it. Which captures are open at an item is the same on every
      path, and is known once the item is read.
    - An item is a function that moves the search on, or returns False because this path failed.
    - A quantifier ends the walk and pushes a ``_Branch``: the positions at which the rest may
      start, as the bits of an integer. ``_backtrack`` resumes the newest branch first, which is the
      order in which Lua would have returned from its nested calls.
"""

import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

# A step takes about 0.1 microseconds; the worst patterns that a search found take 2 to 3
# milliseconds. `.-.-.-.-x` on 128 bytes takes 9,000 steps, common patterns a few hundred.
DEFAULT_STEPS = 15_000

_MAX_CAPTURES = 32  # LUA_MAXCAPTURES
_MAX_DEPTH = 200  # MAXCCALLS: nested calls of Lua's matcher
_OPEN, _POSITION = -1, -2  # in the place of a closing border: still open, or a position capture
_OUT = b"0"  # in a translated subject: a byte that is not in the class

# Possessive quantifiers keep this linear. `%` always takes the next byte along, and the first
# member of a set may be `]`.
_SET = rb"\[\^?+(?:%.|[^%])(?:%.|[^%\]])*+\]"
_ITEM = re.compile(
    rb"(?P<literal>[^()%.\[$*+?-]+(?![*+?-]))|(?P<position>\(\))|(?P<open>\()|(?P<close>\))"
    rb"|(?P<end>\$\Z)|%b(?P<balance>..)|%f(?P<frontier>" + _SET + rb")|%(?P<reference>[0-9])"
    rb"|(?P<single>%[^bf0-9]|" + _SET + rb"|[^%\[])(?P<sign>[*+?-])?",
    re.DOTALL,
)
# The price of a visit, in steps, by the item's group in the expression above; measured, so that a
# step takes about the same time everywhere.
_PRICES = {"end": 1, "literal": 2, "single": 2, "open": 3, "close": 3, "position": 3}
_PRICES |= {"frontier": 3, "reference": 3, "sign": 4, "balance": 5}


class PatternError(ValueError):
    """Lua would have raised this error; the message is Lua's."""


class PatternTooComplex(ValueError):  # noqa: N818 - Lua's own word, for a limit and not for a mistake
    """The steps ran out before the match was found or excluded."""


def match(
    subject: bytes, pattern: bytes, *, steps: int = DEFAULT_STEPS
) -> tuple[bytes | int, ...] | None:
    """Find the first match of a Lua pattern, as ``string.match`` does.

    Args:
        subject: The text to search.
        pattern: The Lua pattern.
        steps: The steps that may be taken. Each visit to an item, each item or member of a set
            that is read, each branch, and each byte that is compared or scanned has its price.

    Returns:
        The captures, position captures as integers that count from 1; the whole match if the
        pattern has no captures; None if nothing matches.

    Raises:
        PatternError: Lua would have raised this error.
        PatternTooComplex: The steps did not suffice.
    """
    return _Search(subject, pattern, _Budget(steps)).run()


class _Budget:
    """Counts the steps that are left."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise PatternTooComplex("the pattern takes too many steps to match")


# Positions, as bits, from which the rest of the pattern failed. The key is what the failure
# depended on: the depth (0 if it does not matter), and the borders if a back-reference was visited.
_Failed = dict[tuple[int, ...], int]


@dataclass(slots=True)
class _Branch:
    """Positions, as bits, at which the items from ``item`` on may start, and the way to them."""

    item: int
    positions: int
    lazy: bool
    depth: int
    borders: tuple[int, ...]
    failed: _Failed
    trying: int = 0  # the position that is being tried, as a bit; 0 for none
    references: int = 0  # the number of back-references visited before it was tried


class _Search:
    """The position of the search, and the branches that are not exhausted."""

    def __init__(self, subject: bytes, pattern: bytes, budget: _Budget) -> None:
        budget.spend((len(subject) + len(pattern)) // 8)
        self.subject, self.budget = subject, budget
        self.reader = _Reader(subject, pattern, budget)
        self.starts = range(1 if pattern.startswith(b"^") else len(subject) + 1)
        # Integers as long as the subject take longer to handle.
        self.branch_price = 4 + len(subject) // 512
        # A shorter pattern cannot reach Lua's limit, so that the depth of a path changes nothing.
        self.depth_matters = len(pattern) - len(pattern.translate(None, b"()*+?-")) >= _MAX_DEPTH
        self.item, self.at, self.depth = 0, 0, 1
        self.borders: tuple[int, ...] = ()
        self.branches: list[_Branch] = []
        self.references = 0

    def run(self) -> tuple[bytes | int, ...] | None:
        for start in self.starts:
            self.budget.spend(2)
            # The first border belongs to no capture: it is the start of the whole match.
            self.item, self.at, self.depth, self.borders = 0, start, 1, (start,)
            if self._walk() or self._backtrack():
                return self._captured()
        return None

    def deeper(self) -> int:
        """Return the depth of a nested call of Lua's matcher."""
        if self.depth == _MAX_DEPTH:
            raise PatternError("pattern too complex")
        return self.depth + 1

    def branch(self, positions: int, depth: int, failed: _Failed, *, lazy: bool) -> None:
        """Let the items after the current one start at any of these positions."""
        self.budget.spend(self.branch_price)
        self.branches.append(_Branch(self.item, positions, lazy, depth, self.borders, failed))

    def _backtrack(self) -> bool:
        """Walk on from the positions that are left, those of the newest branch first."""
        while self.branches:
            self.budget.spend(self.branch_price)
            if self._resume(self.branches[-1]) and self._walk():
                return True
        return False

    def _resume(self, branch: _Branch) -> bool:
        """Go to the next position of a branch, or remove the branch if it has none."""
        failed, without_borders = branch.failed, (branch.depth if self.depth_matters else 0,)
        with_borders = (
            without_borders + self._borders_that_matter(branch)
            if self.references
            else without_borders
        )
        # The position that was tried has failed: with any borders, if it visited no back-reference.
        key = without_borders if branch.references == self.references else with_borders
        failed[key] = failed.get(key, 0) | branch.trying
        positions = branch.positions & ~failed.get(without_borders, 0)
        if failed_with_borders := positions & failed.get(with_borders, 0):
            # These are skipped because of the borders: the branches before this one must therefore
            # not conclude that the rest fails with any borders.
            self.references += 1
            positions ^= failed_with_borders
        if not positions:
            self.branches.pop()
            return False
        branch.positions = positions
        # A lazy quantifier takes the lowest bit first, a greedy one the highest.
        branch.trying = positions & -positions if branch.lazy else 1 << (positions.bit_length() - 1)
        branch.references = self.references
        self.item, self.at = branch.item, branch.trying.bit_length() - 1
        self.depth, self.borders = branch.depth, branch.borders
        return True

    def _borders_that_matter(self, branch: _Branch) -> tuple[int, ...]:
        referenced = self.reader.referenced
        self.budget.spend(4 + len(referenced))
        return tuple([branch.borders[n] for n in referenced if n < len(branch.borders)])

    def _walk(self) -> bool:
        """Visit items until one fails or the pattern ends; a quantifier fails into its branches."""
        items = self.reader.items
        while self.item < len(items) or self.reader.read():
            price, visit = items[self.item]
            self.budget.spend(price)
            self.item += 1
            if not visit(self):
                return False
        return True

    def _captured(self) -> tuple[bytes | int, ...]:
        captures = self.reader.captures
        return tuple(map(self._capture, captures)) or (self.subject[self.borders[0] : self.at],)

    def _capture(self, capture: tuple[int, int]) -> bytes | int:
        opened, closed = capture
        if closed == _OPEN:
            raise PatternError("unfinished capture")
        if closed == _POSITION:
            return self.borders[opened] + 1
        return self.subject[self.borders[opened] : self.borders[closed]]


_Item = Callable[[_Search], bool]  # moves the search on; returns False if this path failed


def _literal(text: bytes, search: _Search) -> bool:
    search.budget.spend(len(text) // 256)
    found = search.subject.startswith(text, search.at)
    search.at += len(text)
    return found


def _single(members: int, search: _Search) -> bool:
    found = search.at < len(search.subject) and members >> search.subject[search.at] & 1
    search.at += 1
    return bool(found)


def _end(search: _Search) -> bool:
    return search.at == len(search.subject)


def _balance(opening: int, closing: int, search: _Search) -> bool:
    subject, start = search.subject, search.at
    if start == len(subject) or subject[start] != opening:
        return False
    at, nesting = start, 1
    # One scan, without a branch: %b has one possible end only.
    for at in range(start + 1, len(subject)):
        # The closing byte is compared first, so that `%bxx` ends at the next x, as in Lua.
        if subject[at] == closing:
            nesting -= 1
        elif subject[at] == opening:
            nesting += 1
        if nesting == 0:
            break
    search.budget.spend((at - start) // 2)
    search.at = at + 1
    return nesting == 0


def _frontier(members: int, search: _Search) -> bool:
    """Succeed between a byte outside and a byte inside of the set; NUL surrounds the subject."""
    subject, at = search.subject, search.at
    before = subject[at - 1] if at else 0
    after = subject[at] if at < len(subject) else 0
    return not members >> before & 1 and bool(members >> after & 1)


def _reference(capture: tuple[int, int], search: _Search) -> bool:
    opened, closed = capture
    if closed == _POSITION:
        return False  # a position has no length to compare, and Lua finds nothing
    search.references += 1
    return _literal(search.subject[search.borders[opened] : search.borders[closed]], search)


def _border(search: _Search) -> bool:
    search.borders += (search.at,)
    search.depth = search.deeper()
    return True


def _repeat(sign: bytes, inside: bytes, failed: _Failed, search: _Search) -> bool:
    """Push a branch with the positions after every possible number of repetitions."""
    # `inside` is the subject with b"1" for each byte of the class: the repetitions end at a b"0".
    at, end = search.at, inside.index(_OUT, search.at)
    if sign == b"?":  # in Lua, no repetition is not a nested call
        search.branch(1 << at, search.depth, failed, lazy=False)
        end = min(end, at + 1)
    first = at + 1 if sign in b"?+" else at
    if first <= end:
        depth = search.deeper() if end > at else search.depth
        search.branch(_span(first, end), depth, failed, lazy=sign == b"-")
    return False


class _Reader:
    """Reads the pattern into items, one at a time, when the search arrives at them."""

    def __init__(self, subject: bytes, pattern: bytes, budget: _Budget) -> None:
        self.subject, self.pattern, self.budget = subject, pattern, budget
        self.offset = int(pattern.startswith(b"^"))
        self.items: list[tuple[int, _Item]] = []  # each with the price of a visit
        self.captures: list[tuple[int, int]] = []  # the indices of their two borders
        self.referenced: list[int] = []  # the indices of borders that back-references read
        self.borders = 1

    def read(self) -> bool:
        """Add the next item; return False if the pattern ends here."""
        if self.offset == len(self.pattern):
            return False
        self.budget.spend(12)
        found = _ITEM.match(self.pattern, self.offset)
        if found is None:
            raise PatternError(_complaint(self.pattern, self.offset))
        self.offset = found.end()
        kind = found.lastgroup or ""  # never empty, because every alternative has a group
        self.items.append((_PRICES[kind], self._item(kind, found)))
        return True

    def _item(self, kind: str, found: re.Match[bytes]) -> _Item:
        if kind == "literal":
            return partial(_literal, found[kind])
        if kind == "single":
            return partial(_single, self._members(found[kind]))
        if kind == "sign":
            return self._repeat(found["single"], found[kind])
        if kind == "balance":
            return partial(_balance, *found[kind])
        if kind == "frontier":
            return partial(_frontier, self._members(found[kind]))
        if kind == "reference":
            return partial(_reference, self._referenced(int(found[kind])))
        return _end if kind == "end" else self._border(kind)

    def _members(self, single: bytes) -> int:
        self.budget.spend(len(single) * 2)
        return _members(single)

    def _repeat(self, single: bytes, sign: bytes) -> _Item:
        self.budget.spend(len(self.subject) // 256)
        # All repetitions are found at once, in C: translate the subject to ones and zeros.
        table = f"{self._members(single):0256b}"[::-1].encode()
        inside = self.subject.translate(table) + _OUT
        return partial(_repeat, sign, inside, {})

    def _referenced(self, number: int) -> tuple[int, int]:
        if not 0 < number <= len(self.captures) or self.captures[number - 1][1] == _OPEN:
            raise PatternError(f"invalid capture index %{number}")
        opened, closed = self.captures[number - 1]
        if closed != _POSITION and opened not in self.referenced:
            self.referenced += opened, closed
        return opened, closed

    def _border(self, kind: str) -> _Item:
        if kind == "close":
            self._close()
        elif len(self.captures) == _MAX_CAPTURES:
            raise PatternError("too many captures")
        else:
            self.captures.append((self.borders, _POSITION if kind == "position" else _OPEN))
        self.borders += 1
        return _border

    def _close(self) -> None:
        still_open = [n for n, (_, closed) in enumerate(self.captures) if closed == _OPEN]
        if not still_open:
            raise PatternError("invalid pattern capture")
        opened, _ = self.captures[still_open[-1]]
        self.captures[still_open[-1]] = (opened, self.borders)


def _complaint(pattern: bytes, offset: int) -> str:
    """Return Lua's words for the reason why there is no item at this offset."""
    if pattern.startswith(b"%b", offset):
        return "malformed pattern (missing arguments to '%b')"
    if pattern.startswith(b"%f", offset) and not pattern.startswith(b"[", offset + 2):
        return "missing '[' after '%f' in pattern"
    if offset == len(pattern) - 1 and pattern.endswith(b"%"):
        return "malformed pattern (ends with '%')"
    return "malformed pattern (missing ']')"


def _span(first: int, last: int) -> int:
    """Return the integers from first to last, as bits."""
    return (2 << last) - (1 << first) if first <= last else 0


def _bits(characters: str) -> int:
    return sum(1 << byte for byte in characters.encode())


_ALL = _span(0, 255)
_LOWER_CASE_CLASSES = {
    "a": _bits(string.ascii_letters),
    "c": _span(0, 31) | _span(127, 127),
    "d": _bits(string.digits),
    "g": _span(33, 126),
    "l": _bits(string.ascii_lowercase),
    "p": _bits(string.punctuation),
    "s": _bits(string.whitespace),
    "u": _bits(string.ascii_uppercase),
    "w": _bits(string.ascii_letters + string.digits),
    "x": _bits(string.hexdigits),
    "z": _span(0, 0),  # deprecated and not in the manual any more, but Lua 5.4 accepts it
}
_CLASSES = {ord(name): members for name, members in _LOWER_CASE_CLASSES.items()} | {
    ord(name.upper()): _ALL ^ members for name, members in _LOWER_CASE_CLASSES.items()
}


def _members(single: bytes) -> int:
    """Return the bytes that match a dot, a class, a set or a plain byte, as bits."""
    if single.startswith(b"["):
        return _set_members(single)
    if single.startswith(b"%"):
        return _class_members(single[1])
    return _ALL if single == b"." else 1 << single[0]


def _class_members(name: int) -> int:
    return _CLASSES.get(name, 1 << name)


def _set_members(text: bytes) -> int:
    """Return a set's members as Lua reads them; in ``[a-%%]``, ``%`` ends the range and escapes."""
    negated = text.startswith(b"[^")
    at, end, members = 1 + negated, len(text) - 1, 0
    while at < end:
        if text[at] == ord("%"):
            at += 1
            members |= _class_members(text[at])
        elif text[at + 1] == ord("-") and at + 2 < end:
            members |= _span(text[at], text[at + 2])
            at += 2
        else:
            members |= 1 << text[at]
        at += 1
    return _ALL ^ members if negated else members
