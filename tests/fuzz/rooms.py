"""URLs and rooms, rooms and patterns."""

from __future__ import annotations

import re
from typing import Any, Final

from lupa import lua54

from tests.fuzz.harness import Harness
from verifier.rooms.address import (
    RoomAddress,
    parse_jid,
    room_jid,
    room_name,
    sent_room_name,
    split_tenant,
)
from verifier.rooms.lua_pattern import PatternError, PatternTooComplex, match
from verifier.rooms.patterns import PatternRefusal, count_quantifiers
from verifier.rooms.url import fragment_token, parse_target, parse_url
from verifier.rules.policy import Policy
from verifier.rules.room import match_room_claim

_MUC: Final = "conference.meet.example.org"
_PRINTED: Final = re.compile(r"[a-z0-9_.!~*'()%-]+")
_POLICY: Final = Policy(asap_accepted_issuers=("app",))
_PCALL: Final[Any] = lua54.LuaRuntime(encoding=None).eval(
    b"function(s, p) return pcall(s.match, s, p) end"
)
_AFFORDABLE: Final = 3  # quantifiers with which Lua itself still ends in time
_LONGEST_SUBJECT: Final = 48
_LONGEST_NODE: Final = 1_023  # bytes (RFC 7622, section 3.3)


def read_url(data: bytes) -> list[RoomAddress]:
    """Read a text in every way in which the product reads an address; return the rooms."""
    text = data.decode("utf-8", "surrogateescape")
    url, target = parse_url(text), parse_target(text)
    fragment_token(text)
    parse_jid(text)
    names = [room_name(text), sent_room_name(text)]
    found = [each.address for each in (url and url.target, target) if each]
    return [RoomAddress(name) for name in names if name] + [each for each in found if each]


def check_url(_data: bytes, found: list[RoomAddress]) -> None:
    """Assert that an XMPP address gives each room back, unless it is too long for one."""
    for address in found:
        assert _PRINTED.fullmatch(address.room), address
        text = room_jid(address, _MUC)
        jid = parse_jid(text)
        if len(text.partition("@")[0].encode()) > _LONGEST_NODE:
            assert jid is None
            continue
        assert jid is not None
        assert jid.node is not None
        tenant = address.tenant.replace(".", "_") if address.tenant else None
        assert split_tenant(jid.node) == (tenant, address.room)


def match_pattern(data: bytes) -> object:
    """Match a room name against a room claim."""
    subject, _, pattern = data.partition(b"\n")
    room, claim = (part.decode("utf-8", "surrogateescape") for part in (subject, pattern))
    if any("\ud800" <= character <= "\udfff" for character in claim):
        claim = pattern.decode("latin-1")  # claims hold no lone surrogates
    if any("\ud800" <= character <= "\udfff" for character in room):
        room = subject.decode("latin-1")
    return match_room_claim(room, claim, _POLICY)


def check_pattern(data: bytes, found: object) -> None:
    """Assert that Lua gives the same result, if Lua can end in time."""
    assert found is None or isinstance(found, str | PatternRefusal)
    subject, _, pattern = data.partition(b"\n")
    if len(subject) > _LONGEST_SUBJECT or count_quantifiers(pattern) > _AFFORDABLE:
        return
    try:
        ours: object = match(subject, pattern)
    except PatternTooComplex:
        return
    except PatternError as error:
        ours = str(error)
    fine, *captures = _PCALL(subject, pattern)
    if not fine:
        theirs: object = captures[0].decode("utf-8", "replace").partition(": ")[2] or captures[0]
        assert isinstance(ours, str)
        assert ours in captures[0].decode("utf-8", "replace"), (ours, theirs)
    else:
        assert ours == (None if captures == [None] else tuple(captures)), (ours, captures)


URLS: Final = Harness(
    read_url,
    check_url,
    [
        b"https://meet.example.org/standup?jwt=a.b.c",
        b"/acme/http-bind?room=standup&token=a.b.c&prefix=acme",
        b"/xmpp-websocket?room=%D0%9A%D0%BE%D0%BC%D0%BD%D0%B0%D1%82%D0%B0",
        "/Über Raum!/ﬁ".encode(),
        b"https://[::1]:8443/a/b/../%2e%2e/c%2fd#jwt=x",
        b"/conference-request/v1?room=a&room=b",
        b"//a//b\\c?prefix=a",
        b"/a%zz%E2%84%AA%00",
    ],
    longest=17_000,
)
PATTERNS: Final = Harness(
    match_pattern,
    check_pattern,
    [
        b"standup\n^stand.*$",
        b"team-blue-42\n(%a+)%-(%a+)%-(%d+)",
        b"a(b(c)d)e\n%b()%f[%w]",
        b"abab\n(ab)%1",
        b"aaaaaaaaaaaaaaaaaaaaaaa\n.-.-.-x",
        b"a]b\n[]]",
        b"ab\n()a()b()",
        b"x\n[^%a-z%",
        b"%bxx\n%",
    ],
    longest=2_048,
)
