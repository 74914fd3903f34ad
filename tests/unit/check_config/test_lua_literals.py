"""Literals compared with a real Lua, and arbitrary bytes."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from lupa.lua54 import LuaError, LuaRuntime

from verifier.check_config.lua_expressions import ExpressionEvaluator
from verifier.check_config.lua_lexer import LuaSyntaxError
from verifier.check_config.lua_nodes import Assign
from verifier.check_config.lua_parser import parse
from verifier.check_config.lua_values import Value

LUA = LuaRuntime(encoding=None)
ESCAPES = (
    *(b"\\a", b"\\n", b"\\\\", b"\\'", b'\\"', b"\\z \n ", b"\\x7f", b"\\xff", b"\\xg", b"\\0"),
    *(b"\\010", b"\\2551", b"\\256", b"\\u{41}", b"\\u{7FFFFFFF}", b"\\u{110000}", b"\\q", b"\\\n"),
    *(b"'", b'"', b"\n", b"\r\n", b"]]", b"[[", b"--", b"\xff", b"a", "€".encode(), b"$", b"\\"),
)
NUMBERS = st.text("0123456789abcdefxpABCDEFXPe.+-_", min_size=1, max_size=8)


def real(source: bytes) -> Value:
    """Return the value of ``x`` in a real Lua; each character of a text is one byte."""
    sandbox = LUA.eval(b"{}")
    LUA.globals()[b"load"](source, b"=test", b"t", sandbox)
    chunk = LUA.eval(b"function(s, e) local f, m = load(s, '=t', 't', e); return f or error(m) end")
    chunk(source, sandbox)()
    found: Value = sandbox[b"x"]
    return found.decode("latin-1") if isinstance(found, bytes) else found


def ours(source: bytes) -> Value:
    (statement,) = parse(source)
    assert isinstance(statement, Assign)
    found = ExpressionEvaluator(lambda _name: None, lambda: None).evaluate(statement.values[0])
    if isinstance(found, str):
        return found.encode("utf-8", "surrogateescape").decode("latin-1")
    return found


def agree(source: bytes) -> None:
    try:
        expected = real(source)
    except LuaError:
        try:
            parse(source)
            ours(source)
        except LuaSyntaxError:
            return
        raise AssertionError(f"Lua refuses {source!r}") from None
    assert repr(ours(source)) == repr(expected)


@settings(deadline=None)
@given(st.lists(st.sampled_from(ESCAPES), max_size=5), st.sampled_from((b"'", b'"')))
def test_quoted_strings_equal_luas(parts: list[bytes], quote: bytes) -> None:
    body = b"".join(parts)
    if quote not in body:
        agree(b"x=" + quote + body + quote)


@settings(deadline=None)
@given(st.lists(st.sampled_from(ESCAPES), max_size=5), st.integers(0, 2))
def test_long_strings_equal_luas(parts: list[bytes], level: int) -> None:
    body, marks = b"".join(parts), b"=" * level
    if b"]" not in body:
        agree(b"x=[" + marks + b"[" + body + b"]" + marks + b"]")


@settings(deadline=None)
@given(NUMBERS.filter(lambda text: text[0].isdigit()))
def test_numbers_equal_luas(text: str) -> None:
    if "+" not in text and "-" not in text:
        agree(b"x=" + text.encode())


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(source: bytes) -> None:
    with suppress(LuaSyntaxError):
        parse(source)


WORDS = (
    *("x", "=", "{", "}", "(", ")", "[", "]", "if", "then", "else", "end", "local", "function"),
    *("for", "in", "do", "while", "return", ",", ";", "..", "...", "not", "-", "#", "==", "'a'"),
    *("1", "nil", "true", ".", ":", "goto", "::", "<const>", "\n", "VirtualHost", "--[[", "]]"),
)


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=14))
def test_source_that_lua_refuses_is_refused(words: list[str]) -> None:
    source = " ".join(words).encode()
    compiled = LUA.eval(b"function(s) return load(s, '=t', 't') ~= nil end")(source)
    try:
        parse(source)
    except LuaSyntaxError:
        assert not compiled, source
    else:
        # Lua checks jumps, attributes and varargs after the grammar.
        late = ("goto", "::", "<const>", "return", "...", "for")
        assert compiled or any(word in words for word in late), source
