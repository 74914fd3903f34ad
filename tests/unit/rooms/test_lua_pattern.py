"""``string.match``, compared with a table written by hand and with the Lua 5.4 interpreter."""

import string
from collections import Counter
from random import Random
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lupa import lua54

from verifier.rooms.lua_pattern import PatternError, PatternTooComplex, match

# Captures, None if nothing matches, or the text of an error.
Outcome: TypeAlias = tuple[bytes | int, ...] | str | None

_PCALL: Any = lua54.LuaRuntime(encoding=None).eval(
    b"function(s, p) return pcall(s.match, s, p) end"
)

SEMANTICS: list[tuple[bytes, bytes, Outcome]] = [
    # Plain text, dots, anchors.
    (b"standup", b"standup", (b"standup",)),
    (b"the standup", b"stand", (b"stand",)),
    (b"standup", b"Standup", None),
    (b"", b"", (b"",)),
    (b"abc", b"", (b"",)),
    (b"abc", b"^", (b"",)),
    (b"abc", b"$", (b"",)),
    (b"abc", b"^$", None),
    (b"", b"^$", (b"",)),
    (b"xab", b"^ab", None),
    (b"^^a", b"^^^a", (b"^^a",)),
    (b"a^b", b"a^b", (b"a^b",)),
    (b"ab\n", b"ab$", None),
    (b"a$b", b"a$b", (b"a$b",)),
    (b"a$", b"a$$", (b"a$",)),
    (b"a\x00b", b"a\x00b", (b"a\x00b",)),
    (b"a\x00b", b"a%\x00b", (b"a\x00b",)),
    (b"a\nb", b"a.b", (b"a\nb",)),
    (b"\xff", b".", (b"\xff",)),
    # Quantifiers.
    (b"aaab", b"a*", (b"aaa",)),
    (b"aaab", b"a-b", (b"aaab",)),
    (b"aaab", b"a-", (b"",)),
    (b"baaa", b"a+", (b"aaa",)),
    (b"b", b"a+", None),
    (b"ab", b"a?b", (b"ab",)),
    (b"b", b"a?b", (b"b",)),
    (b"aa", b"a?a?a?aa", (b"aa",)),
    (b"aaa", b"^a*a$", (b"aaa",)),
    (b"a-b-c", b"(.-)%-(.*)", (b"a", b"b-c")),
    (b"a-b-c", b"(.*)%-(.*)", (b"a-b", b"c")),
    (b"**?", b"*+?-$", (b"**?",)),
    (b"a+b", b"a%+b", (b"a+b",)),
    (b"a**", b"a%**$", (b"a**",)),
    (b"a|b{1}", b"a|b{1}", (b"a|b{1}",)),
    (b"(a)*", b"%(a%)*", (b"(a)",)),
    (b"a*", b"(a)*", (b"a",)),
    (b"aa", b"(a)*", None),
    (b"*", b"()*", (1,)),
    # Classes and sets.
    (b"room 42", b"%a+%s%d+", (b"room 42",)),
    (b"room 42", b"%S+", (b"room",)),
    (b"\xd0\xba", b"%w", None),
    (b"\xd0\xba", b"%W+", (b"\xd0\xba",)),
    (b"a\x00", b"%z", (b"\x00",)),
    (b"z\x00", b"%Z", (b"z",)),
    (b"a]b", b"[]]", (b"]",)),
    (b"]a", b"[^]]", (b"a",)),
    (b"a-", b"[a-]+", (b"a-",)),
    (b"-a", b"[-a]+", (b"-a",)),
    (b"1-z", b"[%d-z]+", (b"1-z",)),
    (b"5b", b"[%a-z]", (b"b",)),
    (b"abc", b"[b-a]", None),
    (b"b^", b"[b^]+", (b"b^",)),
    (b"^", b"[^^]", None),
    (b"a%b", b"[%%]", (b"%",)),
    (b"x]", b"[a-%%]", (b"]",)),
    (b"a]", b"[%]]", (b"]",)),
    (b"[", b"[[]", (b"[",)),
    (b"a\x00", b"[\x00]", (b"\x00",)),
    (b"a\x00", b"[^\x00]*$", (b"",)),
    (b"\xd0\xb0", b"[\x80-\xff]+", (b"\xd0\xb0",)),
    (b"a.b*", b"[.*]+", (b".",)),
    # Captures and back-references.
    (b"standup", b"(stand)(up)", (b"stand", b"up")),
    (b"standup", b"((stand)up)", (b"standup", b"stand")),
    (b"ab", b"()a()b()", (1, 2, 3)),
    (b"ab", b"(())", (b"", 1)),
    (b"ab", b"()$", (3,)),
    (b"abab", b"(ab)%1", (b"ab",)),
    (b"team-team", b"^(%a+)%-%1$", (b"team",)),
    (b"team-teal", b"^(%a+)%-%1$", None),
    (b"aab", b"(.-)%1b", (b"a",)),
    (b"abba", b"(.)(.)%2%1", (b"a", b"b")),
    # The last two quantifiers fail together for one capture, and not for the next.
    (b"abb", b"(.).-.*%1$", (b"b",)),
    (b"a", b"()%1", None),
    (b"ab", b"(a)%1*", None),
    (b"aa*", b"(a)%1*", (b"a",)),
    # %b and %f.
    (b"f(a(b)c)d)", b"%b()", (b"(a(b)c)",)),
    (b"((a)", b"%b()", (b"(a)",)),
    (b"(a", b"%b()", None),
    (b"axbx", b"%bxx", (b"xbx",)),
    (b"x", b"%bxx", None),
    (b"[x]", b"^%b[]$", (b"[x]",)),
    (b"%%", b"%b%%", (b"%%",)),
    (b"THE (quick) fox", b"%f[%a]%a+%f[%A]", (b"THE",)),
    (b"  ab", b"%f[%a]()", (3,)),
    (b"ab", b"b%f[%z]", (b"b",)),
    (b"ab", b"b%f[\x00]", (b"b",)),
    (b"ab", b"%f[^\x00]()", (1,)),
    (b"ab", b"^%f[b]", None),
]

ERRORS: list[tuple[bytes, bytes, str]] = [
    (b"", b"[", "malformed pattern (missing ']')"),
    (b"a", b"[]", "malformed pattern (missing ']')"),
    (b"a", b"[^]", "malformed pattern (missing ']')"),
    (b"a", b"[%]", "malformed pattern (missing ']')"),
    (b"a", b"[a%", "malformed pattern (missing ']')"),
    (b"a", b"[a-%]", "malformed pattern (missing ']')"),
    (b"a", b"%f[a", "malformed pattern (missing ']')"),
    (b"", b"%", "malformed pattern (ends with '%')"),
    (b"a", b"a%", "malformed pattern (ends with '%')"),
    (b"", b"%f", "missing '[' after '%f' in pattern"),
    (b"a", b"%fa", "missing '[' after '%f' in pattern"),
    (b"", b"%b", "malformed pattern (missing arguments to '%b')"),
    (b"a", b"a%bx", "malformed pattern (missing arguments to '%b')"),
    (b"", b")", "invalid pattern capture"),
    (b"(x)", b")(", "invalid pattern capture"),
    (b"a", b"(a))", "invalid pattern capture"),
    (b"", b"(", "unfinished capture"),
    (b"a", b"()(a", "unfinished capture"),
    (b"", b"(()", "unfinished capture"),
    (b"", b"%0", "invalid capture index %0"),
    (b"a", b"%1", "invalid capture index %1"),
    (b"a", b"(a)%2", "invalid capture index %2"),
    (b"a", b"(a%1)", "invalid capture index %1"),
    (b"", b"()" * 33, "too many captures"),
    (b"a" * 200, b"a?" * 200, "pattern too complex"),
    (b"", b"()" * 32 + b")", "invalid pattern capture"),
]

# The same mistakes, at items that no path reaches.
UNREACHED: list[tuple[bytes, bytes, Outcome]] = [
    (b"b", b"a[", None),
    (b"b", b"a%", None),
    (b"b", b"a%f", None),
    (b"b", b"a%b", None),
    (b"b", b"a)", None),
    (b"b", b"a(", None),
    (b"b", b"a%1", None),
    (b"b", b"(a%1)", None),
    (b"b", b"a" + b"()" * 33, None),
    (b"", b"()" * 32, tuple([1] * 32)),
    (b"b" * 200, b"a?" * 300, (b"",)),
    (b"a" * 199, b"a?" * 199, (b"a" * 199,)),
    (b"", b"a*" * 500, (b"",)),
]

EXPENSIVE = {
    "unbalanced": (b"(" * 4096, b"%b()"),
    "balanced": (b"(" * 1024 + b")" * 1024, b".-%b().-%b()!"),
    "back-reference": (b"a" * 128, b"(.-).-%1!"),
    "back-reference to the second": (b"a" * 128, b"(.+)(.+)%2!"),
    "many back-references": (b"a" * 4096, b"(.*)" + b"%1" * 8_000),
    "long subject": (b"a" * 4096, b".-.-.-!"),
    "many quantifiers": (b"a" * 128, b".-" * 40 + b"!"),
    "near Lua's depth": (b"ab" * 64, b"a-b-" * 150 + b"!"),
    "long pattern": (b"a" * 4096, b"." * 16_000),
    "long set": (b"a", b"[" + b"b" * 16_000 + b"]"),
    "very long subject": (b"a" * 10_000_000, b"a"),
}

# Patterns that have to fit into the default number of steps.
AFFORDABLE = [
    b"^team%-(%a+)$",
    b"^[%w_-]+!",
    b".-.-.-x!",
    b".*.*.*x!",
    b"%a*%a*%a*1!",
    b"a?a?a?aaa!",
    b"(.-)%-(%d+)!",
    b"(.-)%-%1",
    b"%b()",
    b"%f[%w]%w+!",
    b"(a-)(b-)!",
]


# Errors that small generated patterns do not cause.
RARE = {"too many captures", "pattern too complex"}
SUBJECT_PIECES = [bytes([byte]) for byte in b"ab-_%[]0()"]
PATTERN_PIECES = [
    *(bytes([byte]) for byte in b"ab-_%[]0().*+?^$"),
    *(b"%" + bytes([byte]) for byte in b"aAdDwWsSpglucxzZ%-[].120"),
    *(b"()", b"(a)", b"(.-)", b".-", b".*", b"a-", b"b*", b"a?", b"\0", b"\xff"),
    *(b"%b()", b"%b[]", b"%bab", b"%baa", b"%b", b"%f", b"%f[%w]", b"%f[^a]", b"%f[%z]"),
    *(b"[ab]", b"[^ab]", b"[a-]", b"[]a]", b"[^]a]", b"[%a-z]", b"[a-%%]", b"[%]]", b"[0-_]"),
    *(b"[b-a]", b"[--0]", b"[\0]", b"[%w_-]+", b"[\x80-\xff]*"),
]


def random_pair(rng: Random) -> tuple[bytes, bytes]:
    """Return a subject, and a pattern that was made for it or is random."""
    alphabet = rng.choice([b"ab", b"ab-_%[]0()", b"ab-_%[]0()", b"aZ0 \n\0\x7f\xff"])
    subject = bytes(rng.choices(alphabet, k=rng.randint(0, 8)))
    if rng.random() < 0.5:
        pieces = [piece_for(byte, rng) for byte in subject[rng.randint(0, 3) :][:6]]
    else:
        pieces = rng.choices(PATTERN_PIECES, k=rng.randint(0, 8))
    start = rng.choice([b"", b"", b"^"])
    return subject, start + b"".join(pieces) + rng.choice([b"", b"", b"$"])


def piece_for(byte: int, rng: Random) -> bytes:
    """Return a piece of a pattern that often matches this byte."""
    plain = bytes([byte])
    literal = plain if plain.isalnum() else b"%" + plain
    single = rng.choice([literal, literal, b".", b"[%w" + literal + b"]", b"[^x]", b"%w", b"%W"])
    item = single + rng.choice([b"", b"", b"", b"*", b"+", b"-", b"?"])
    shape = rng.choice([b"%s"] * 7 + [b"(%s)", b"()%s", b"(%s", b"%s)", b"(%s)%%1", b"%%f[%%w]%s"])
    return shape % item


def ours(subject: bytes, pattern: bytes) -> Outcome:
    try:
        return match(subject, pattern)
    except PatternError as error:
        return str(error)


def lua(subject: bytes, pattern: bytes) -> Outcome:
    succeeded, first, *others = _PCALL(subject, pattern)
    if not succeeded:
        return str(first, "ascii")
    return None if first is None else (first, *others)


@pytest.mark.parametrize(("subject", "pattern", "expected"), SEMANTICS)
def test_pattern_matches_as_in_lua(subject: bytes, pattern: bytes, expected: Outcome) -> None:
    assert lua(subject, pattern) == expected
    assert match(subject, pattern) == expected


@pytest.mark.parametrize(("subject", "pattern", "message"), ERRORS)
def test_malformed_pattern_raises_luas_error(subject: bytes, pattern: bytes, message: str) -> None:
    assert lua(subject, pattern) == message
    with pytest.raises(PatternError) as caught:
        match(subject, pattern)
    assert str(caught.value) == message


@pytest.mark.parametrize(("subject", "pattern", "expected"), UNREACHED)
def test_unreached_mistake_raises_nothing(
    subject: bytes, pattern: bytes, expected: Outcome
) -> None:
    assert lua(subject, pattern) == expected
    assert match(subject, pattern) == expected


def test_classes_and_sets_equal_those_of_lua() -> None:
    names = [name.encode() for name in string.ascii_letters + string.punctuation]
    patterns = [b"^%" + name for name in names if name not in b"bf"]
    patterns += [b"^[%" + name + b"]" for name in names] + [
        b"^[^" + name + b"-m]" for name in names
    ]
    for pattern in patterns:
        for byte in range(256):
            subject = bytes([byte])
            assert ours(subject, pattern) == lua(subject, pattern), (subject, pattern)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", AFFORDABLE)
@pytest.mark.parametrize("unit", [b"a", b"ab", b"team-blue-42-%d0%b1", b"(", b"()"])
def test_common_patterns_fit_into_the_default_steps(unit: bytes, pattern: bytes) -> None:
    subject = (unit * 128)[:128]
    assert match(subject, pattern) == lua(subject, pattern)


@pytest.mark.parametrize("sign", [b"*", b"-", b"+"])
def test_cost_grows_linearly_with_quantifiers(sign: bytes) -> None:
    subject = b"a" * 128
    assert match(subject, (b"." + sign) * 6 + b"!") is None
    assert match(subject, b"^" + (b"(." + sign + b")") * 6 + b"a?$") is not None


@pytest.mark.parametrize(("subject", "pattern"), EXPENSIVE.values(), ids=EXPENSIVE)
def test_expensive_pattern_is_given_up(subject: bytes, pattern: bytes) -> None:
    with pytest.raises(PatternTooComplex):
        match(subject, pattern)


def test_caller_sets_the_number_of_steps() -> None:
    assert match(b"aaa", b"(.-)(.-)%1x", steps=1_000_000) is None
    with pytest.raises(PatternTooComplex):
        match(b"aaa", b"(.-)(.-)%1x", steps=50)


def test_error_does_not_quote_the_pattern() -> None:
    with pytest.raises(PatternTooComplex) as caught:
        match(b"secret", b"secret", steps=0)
    assert "secret" not in str(caught.value)


@given(st.randoms(use_true_random=True), st.integers(0, 400))
@settings(max_examples=500, deadline=None, database=None, derandomize=True)
def test_fewer_steps_never_change_the_answer(rng: Random, steps: int) -> None:
    subject, pattern = random_pair(rng)
    try:
        answer: Outcome = match(subject, pattern, steps=steps)
    except PatternTooComplex:
        return
    except PatternError as error:
        answer = str(error)
    assert answer == ours(subject, pattern)


@pytest.mark.slow
def test_generated_patterns_match_as_in_lua() -> None:
    outcomes: Counter[str] = Counter()

    @given(st.randoms(use_true_random=True))
    @settings(max_examples=500, deadline=None, database=None, derandomize=True)
    def compare_a_hundred(rng: Random) -> None:
        for _ in range(100):
            subject, pattern = random_pair(rng)
            outcome = lua(subject, pattern)
            assert ours(subject, pattern) == outcome, (subject, pattern)
            outcomes[outcome if isinstance(outcome, str) else type(outcome).__name__] += 1

    compare_a_hundred()
    assert outcomes.total() >= 20_000
    # The generator is useful only if it produces all outcomes, and many matches.
    assert outcomes["tuple"] >= 10_000
    assert set(outcomes) >= {message for _, _, message in ERRORS} - RARE


@pytest.mark.slow
def test_depth_limit_is_luas() -> None:
    outcomes: Counter[Outcome] = Counter()

    @given(st.randoms(use_true_random=True))
    @settings(max_examples=500, deadline=None, database=None, derandomize=True)
    def compare(rng: Random) -> None:
        # None of these items can fail, so that Lua does not try all combinations.
        items = rng.choices([b"a?", b"b*", b"b-"], [18, 1, 1], k=rng.randint(195, 240))
        pattern = b"".join(items) + rng.choice([b"", b"a*", b".-$", b"()", b"(.-)"])
        subject = b"a" * rng.randint(190, 210) + b"b"
        outcome = lua(subject, pattern)
        assert ours(subject, pattern) == outcome, (subject, pattern)
        outcomes[outcome if isinstance(outcome, str) else None] += 1

    compare()
    assert min(outcomes[None], outcomes["pattern too complex"]) >= 100


@pytest.mark.slow
@given(
    st.lists(st.sampled_from(SUBJECT_PIECES), max_size=12).map(b"".join),
    st.lists(st.sampled_from(PATTERN_PIECES), max_size=8).map(b"".join),
)
@settings(max_examples=2_000, deadline=None, database=None, derandomize=True)
def test_shrinkable_patterns_match_as_in_lua(subject: bytes, pattern: bytes) -> None:
    assert ours(subject, pattern) == lua(subject, pattern)
