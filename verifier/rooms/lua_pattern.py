"""Lua 5.4's `string.match(subject, pattern)` over bytes, at a bounded cost.

Knows the pattern language of the Lua 5.4 reference manual (section 6.4.1, in the "C" locale) and
what the interpreter makes of its edges. Refuses to know rooms, tokens, text encodings, and who
writes the patterns: whoever does must not be able to keep the caller busy.

A Lua pattern has neither alternation nor quantified groups, so it is a straight line of items. At
any item, all that the past can tell the future is the place in the subject, the depth to which
Lua's own matcher would have recursed, and the marks: where captures opened and closed. Hence

- items are read when the search first arrives at them: like Lua, a malformed one that no path
  reaches raises nothing;
- which captures are open at an item is the same on every path, and known once it is read;
- a quantifier leaves a branch on an explicit stack: the places at which the rest may start;
- only back-references look at the marks: a place behind a quantifier from which the rest failed
  without visiting one is never tried again, any other not with the same marks.

So without back-references there are at most items x places visits, where Lua's own cost is
exponential; with them the steps may run out on patterns such as `(.-).-%1x`.
"""

import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

# A step takes about 0.1 microseconds, and the worst patterns found by search 2 to 3 milliseconds.
# `.-.-.-.-x` on 128 bytes takes 9,000 steps; patterns that people write mostly a few hundred.
DEFAULT_STEPS = 15_000

_MAX_CAPTURES = 32  # LUA_MAXCAPTURES
_MAX_DEPTH = 200  # MAXCCALLS: nested calls of Lua's matcher
_OPEN, _POSITION = -1, -2  # what such captures have for a closing mark
_OUT = b"0"  # stands for a byte that a class does not hold

# Possessive throughout: `%` takes the next byte along, and the first member of a set may be `]`.
_SET = rb"\[\^?+(?:%.|[^%])(?:%.|[^%\]])*+\]"
_ITEM = re.compile(
    rb"(?P<literal>[^()%.\[$*+?-]+(?![*+?-]))|(?P<position>\(\))|(?P<open>\()|(?P<close>\))"
    rb"|(?P<end>\$\Z)|%b(?P<balance>..)|%f(?P<frontier>" + _SET + rb")|%(?P<reference>[0-9])"
    rb"|(?P<single>%[^bf0-9]|" + _SET + rb"|[^%\[])(?P<sign>[*+?-])?",
    re.DOTALL,
)
# What a visit costs, in steps, by the item's group in the expression above.
_PRICES = {"end": 1, "literal": 2, "single": 2, "open": 3, "close": 3, "position": 3}
_PRICES |= {"frontier": 3, "reference": 3, "sign": 4, "balance": 5}


class PatternError(ValueError):
    """The pattern is malformed where Lua would notice; the message is Lua's."""


class PatternTooComplex(ValueError):  # noqa: N818 - a verdict on cost, in the word Lua uses
    """The steps ran out before the match was decided."""


def match(
    subject: bytes, pattern: bytes, *, steps: int = DEFAULT_STEPS
) -> tuple[bytes | int, ...] | None:
    """Finds the first match of a Lua pattern, as `string.match` does.

    Args:
        subject: The text to search.
        pattern: The Lua pattern.
        steps: How much work may be done. Visits to items, items and members of sets read,
            branches, and bytes compared or scanned are all paid for in proportion to their cost.

    Returns:
        The captures, position captures as integers that count from 1; the whole match if the
        pattern has no captures; None if nothing matches.

    Raises:
        PatternError: Lua would have raised this error.
        PatternTooComplex: The steps did not suffice.
    """
    return _Search(subject, pattern, _Budget(steps)).run()


class _Budget:
    """The steps that are left."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise PatternTooComplex("the pattern takes too many steps to match")


# Places that led to no match, by the depth, where it matters, and the marks, where they matter.
_Failed = dict[tuple[int, ...], int]


@dataclass(slots=True)
class _Branch:
    """Places, as bits, at which the items from `item` on may start, and what led there."""

    item: int
    places: int
    lazy: bool
    depth: int
    marks: tuple[int, ...]
    failed: _Failed
    trying: int = 0  # the place that is being tried, if any
    references: int = 0  # how many back-references had been visited when it was chosen


class _Search:
    """Where the search stands, and the branches that it has not exhausted."""

    def __init__(self, subject: bytes, pattern: bytes, budget: _Budget) -> None:
        budget.spend((len(subject) + len(pattern)) // 8)
        self.subject, self.budget = subject, budget
        self.reader = _Reader(subject, pattern, budget)
        self.starts = range(1 if pattern.startswith(b"^") else len(subject) + 1)
        self.turn = 4 + len(subject) // 512  # the price of handling a set of places
        # Elsewhere Lua's limit is out of reach, and the depth of a path makes no difference.
        self.deep = len(pattern) - len(pattern.translate(None, b"()*+?-")) >= _MAX_DEPTH
        self.item, self.at, self.depth = 0, 0, 1
        self.marks: tuple[int, ...] = ()
        self.branches: list[_Branch] = []
        self.references = 0

    def run(self) -> tuple[bytes | int, ...] | None:
        for start in self.starts:
            self.budget.spend(2)
            # The first mark is not a capture's: it is where the whole match starts.
            self.item, self.at, self.depth, self.marks = 0, start, 1, (start,)
            if self._walk() or self._backtrack():
                return self._captured()
        return None

    def deeper(self) -> int:
        """Returns the depth of a nested call of Lua's matcher."""
        if self.depth == _MAX_DEPTH:
            raise PatternError("pattern too complex")
        return self.depth + 1

    def branch(self, places: int, depth: int, failed: _Failed, *, lazy: bool) -> None:
        """Lets the items after the current one start at any of these places."""
        self.budget.spend(self.turn)
        self.branches.append(_Branch(self.item, places, lazy, depth, self.marks, failed))

    def _backtrack(self) -> bool:
        """Walks on from the places that are left, those of the newest branch first."""
        while self.branches:
            self.budget.spend(self.turn)
            if self._resume(self.branches[-1]) and self._walk():
                return True
        return False

    def _resume(self, branch: _Branch) -> bool:
        """Goes to the next place of a branch, or gives the branch up."""
        failed, anyhow = branch.failed, (branch.depth if self.deep else 0,)
        marked = anyhow + self._marks_that_matter(branch) if self.references else anyhow
        cause = anyhow if branch.references == self.references else marked
        failed[cause] = failed.get(cause, 0) | branch.trying
        places = branch.places & ~failed.get(anyhow, 0)
        if doubtful := places & failed.get(marked, 0):
            self.references += 1  # what is passed over here may do well with other marks
            places ^= doubtful
        if not places:
            self.branches.pop()
            return False
        branch.places = places
        branch.trying = places & -places if branch.lazy else 1 << (places.bit_length() - 1)
        branch.references = self.references
        self.item, self.at = branch.item, branch.trying.bit_length() - 1
        self.depth, self.marks = branch.depth, branch.marks
        return True

    def _marks_that_matter(self, branch: _Branch) -> tuple[int, ...]:
        referenced = self.reader.referenced
        self.budget.spend(4 + len(referenced))
        return tuple([branch.marks[n] for n in referenced if n < len(branch.marks)])

    def _walk(self) -> bool:
        """Visits items until one fails or the pattern ends; a quantifier fails to its branches."""
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
        return tuple(map(self._capture, captures)) or (self.subject[self.marks[0] : self.at],)

    def _capture(self, capture: tuple[int, int]) -> bytes | int:
        opened, closed = capture
        if closed == _OPEN:
            raise PatternError("unfinished capture")
        if closed == _POSITION:
            return self.marks[opened] + 1
        return self.subject[self.marks[opened] : self.marks[closed]]


_Item = Callable[[_Search], bool]  # moves the search on, or tells that this path failed


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
    for at in range(start + 1, len(subject)):
        # Closing comes first: `%bxx` ends at the next x.
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
    """Succeeds between a byte outside and a byte inside the set; NUL surrounds the subject."""
    subject, at = search.subject, search.at
    before = subject[at - 1] if at else 0
    after = subject[at] if at < len(subject) else 0
    return not members >> before & 1 and bool(members >> after & 1)


def _reference(capture: tuple[int, int], search: _Search) -> bool:
    opened, closed = capture
    if closed == _POSITION:
        return False  # it has no length, and Lua finds nothing that long
    search.references += 1
    return _literal(search.subject[search.marks[opened] : search.marks[closed]], search)


def _mark(search: _Search) -> bool:
    search.marks += (search.at,)
    search.depth = search.deeper()
    return True


def _repeat(sign: bytes, inside: bytes, failed: _Failed, search: _Search) -> bool:
    """Leaves a branch with the places behind every possible number of repetitions."""
    at, end = search.at, inside.index(_OUT, search.at)
    if sign == b"?":  # in Lua, doing without is not a nested call
        search.branch(1 << at, search.depth, failed, lazy=False)
        end = min(end, at + 1)
    first = at + 1 if sign in b"?+" else at
    if first <= end:
        depth = search.deeper() if end > at else search.depth
        search.branch(_span(first, end), depth, failed, lazy=sign == b"-")
    return False


class _Reader:
    """Reads the pattern into items, one at a time."""

    def __init__(self, subject: bytes, pattern: bytes, budget: _Budget) -> None:
        self.subject, self.pattern, self.budget = subject, pattern, budget
        self.offset = int(pattern.startswith(b"^"))
        self.items: list[tuple[int, _Item]] = []  # each with the price of a visit
        self.captures: list[tuple[int, int]] = []  # the numbers of their marks
        self.referenced: list[int] = []  # the marks that back-references look at
        self.marks = 1

    def read(self) -> bool:
        """Adds the next item, unless the pattern ends here."""
        if self.offset == len(self.pattern):
            return False
        self.budget.spend(12)
        found = _ITEM.match(self.pattern, self.offset)
        if found is None:
            raise PatternError(_complaint(self.pattern, self.offset))
        self.offset = found.end()
        kind = found.lastgroup or ""  # never empty: every alternative has a group
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
        return _end if kind == "end" else self._mark(kind)

    def _members(self, single: bytes) -> int:
        self.budget.spend(len(single) * 2)
        return _members(single)

    def _repeat(self, single: bytes, sign: bytes) -> _Item:
        self.budget.spend(len(self.subject) // 256)
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

    def _mark(self, kind: str) -> _Item:
        if kind == "close":
            self._close()
        elif len(self.captures) == _MAX_CAPTURES:
            raise PatternError("too many captures")
        else:
            self.captures.append((self.marks, _POSITION if kind == "position" else _OPEN))
        self.marks += 1
        return _mark

    def _close(self) -> None:
        still_open = [n for n, (_, closed) in enumerate(self.captures) if closed == _OPEN]
        if not still_open:
            raise PatternError("invalid pattern capture")
        opened, _ = self.captures[still_open[-1]]
        self.captures[still_open[-1]] = (opened, self.marks)


def _complaint(pattern: bytes, offset: int) -> str:
    """Says in Lua's words why there is no item at this offset."""
    if pattern.startswith(b"%b", offset):
        return "malformed pattern (missing arguments to '%b')"
    if pattern.startswith(b"%f", offset) and not pattern.startswith(b"[", offset + 2):
        return "missing '[' after '%f' in pattern"
    if offset == len(pattern) - 1 and pattern.endswith(b"%"):
        return "malformed pattern (ends with '%')"
    return "malformed pattern (missing ']')"


def _span(first: int, last: int) -> int:
    """Returns the integers from first to last, as bits."""
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
    "z": _span(0, 0),  # deprecated and gone from the manual, yet Lua 5.4 knows it
}
_CLASSES = {ord(name): members for name, members in _LOWER_CASE_CLASSES.items()} | {
    ord(name.upper()): _ALL ^ members for name, members in _LOWER_CASE_CLASSES.items()
}


def _members(single: bytes) -> int:
    """Returns the bytes that match a dot, a class, a set or a plain byte, as bits."""
    if single.startswith(b"["):
        return _set_members(single)
    if single.startswith(b"%"):
        return _class_members(single[1])
    return _ALL if single == b"." else 1 << single[0]


def _class_members(name: int) -> int:
    return _CLASSES.get(name, 1 << name)


def _set_members(text: bytes) -> int:
    """Reads a set as Lua does; in `[a-%%]`, `%` ends the range and then escapes the `]`."""
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
