"""URLs and JIDs to room addresses, compared with a table, Prosody's Lua and the web client."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from lupa.lua54 import LuaRuntime

from verifier.rooms.address import (
    Jid,
    RoomAddress,
    parse_jid,
    room_jid,
    room_name,
    sent_room_name,
    split_tenant,
)
from verifier.rooms.url import fragment_token, parse_target, parse_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Client = Callable[..., dict[str, Any]]
    Parameters = Callable[[str], dict[str, str]]

TABLE = tomllib.loads(Path(__file__).with_name("room_urls.toml").read_text(encoding="utf-8"))
ROWS = [row for rows in TABLE.values() for row in rows]
PROSODY = Path("/usr/lib/prosody/util")

# The characters of names: those that some program treats specially, and any assigned character.
SPECIAL = [
    *":?#[]@!$&'()*+,;=></\"\\ %.~|`^{}\t\x00",
    *("%2F", "%5c", "%2e", "%20", "%21", "%25", "%41", "%C3%89", "%c3%a9", "%E2", "%FF", "%C0%AF"),
    *("%ED%A0%80", "%zz", "%4", "http-bind", "xmpp-websocket", "conference-request", "v1", "_api"),
    *"\u0130\u0131\u1e9e\xdf\u03a3\ufb01\uff21\uff0f\uff20\u212b\u212a\xbd\xb2\u2163\u01c5\ufdfa",
    *"\u0301\u0345\u200d\xad\ufeff\u3000\u1100\u1161\uac01\U0001f389",
    *("\u0391\u03a3", "\u03a3\u0301", "H\u0331"),
]
# Engines differ on U+0295 (and U+02E4, its raised form): Unicode 17 says that it has no case, which
# decides whether a sigma before it is a final one.
ASSIGNED = st.characters(exclude_categories=["Cn", "Cs"], exclude_characters="\u0295\u02e4")
PIECES = st.one_of(
    st.sampled_from(SPECIAL),
    st.text(ASSIGNED, max_size=4),
    st.text(ASSIGNED, max_size=3).map(quote),
)
NAMES = st.lists(PIECES, max_size=6).map("".join)
FULL_WIDTH_A = "\uff21"
LUA_TEXT = st.text(st.sampled_from("@/[].ab]\0\né"), max_size=12)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Return a function that asks one Node process how the web client reads a name or URL."""
    script = Path(__file__).with_name("room_form.js")
    pipe = subprocess.PIPE
    with subprocess.Popen(["node", script], stdin=pipe, stdout=pipe, encoding="utf-8") as node:

        def ask(**question: str) -> dict[str, Any]:
            assert node.stdin is not None
            assert node.stdout is not None
            node.stdin.write(json.dumps(question) + "\n")
            node.stdin.flush()
            answer: dict[str, Any] = json.loads(node.stdout.readline())
            return answer

        yield ask


@pytest.fixture(scope="module")
def lua() -> LuaRuntime:
    runtime = LuaRuntime(encoding=None)
    # util.jid requires the string preparation in C, which `split` does not use.
    runtime.execute(b'package.preload["util.encodings"] = function() return {stringprep = {}} end')
    return runtime


@pytest.fixture(scope="module")
def prosody_split(lua: LuaRuntime) -> Callable[[bytes], Any]:
    split: Callable[[bytes], Any] = lua.execute((PROSODY / "jid.lua").read_bytes())[b"split"]
    return split


@pytest.fixture(scope="module")
def prosody_parameters(lua: LuaRuntime) -> Parameters:
    """Return what upstream reads from a query: the last value of each name."""
    formdecode = lua.execute((PROSODY / "http.lua").read_bytes())[b"formdecode"]

    def decode(query: str) -> dict[str, str]:
        form = formdecode(query.encode())
        pairs = () if isinstance(form, bytes) else form.items()
        texts = ((k, v.decode(errors="surrogateescape")) for k, v in pairs if isinstance(k, bytes))
        return {k.decode(): v for k, v in texts if k.decode(errors="replace") in WATCHED}

    return decode


WATCHED = ("jwt", "token", "room", "prefix")


def address_of(target: str) -> RoomAddress | None:
    read = parse_target(target)
    return read.address if read else None


# --- the table


@pytest.mark.parametrize(("target", "tenant", "room", "why"), ROWS, ids=[row[0] for row in ROWS])
def test_target_means_the_room_that_the_table_says(
    target: str, tenant: str, room: str, why: str
) -> None:
    expected = RoomAddress(room, tenant or None) if room else None
    assert address_of(target) == expected, why


def test_table_names_every_target_once() -> None:
    assert len({row[0] for row in ROWS}) == len(ROWS) >= 60


@pytest.mark.parametrize("row", TABLE["pages"], ids=lambda row: row[0])
def test_web_client_reads_the_pages_of_the_table_alike(client: Client, row: list[str]) -> None:
    target, tenant, room, _ = row
    answer = client(url=f"https://meet.example.org{target}")
    assert (answer["target"], answer["tenant"], answer["room"]) == (target, tenant, room)


@pytest.mark.parametrize("row", TABLE["pages"], ids=lambda row: row[0])
def test_page_and_the_signalling_it_starts_have_one_address(client: Client, row: list[str]) -> None:
    target, tenant, _, _ = row
    query = client(url=f"https://meet.example.org{target}")["query"]
    path = f"/{tenant}/http-bind" if tenant else "/http-bind"
    assert address_of(f"{path}?{query}") == address_of(target)


@pytest.mark.parametrize("section", ["pages", "signalling"])
def test_signalling_is_recognised(section: str) -> None:
    read = [parse_target(row[0]) for row in TABLE[section]]
    assert {target.signalling for target in read if target} == {section == "signalling"}


# --- the form of a name, against the web client


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(name=NAMES)
@example(name="ΌΣΟΣ ΟΔΌΣ.Σ")
@example(name="%CE%A3%CC%81%CE%91%CE%A3\u00ad")
def test_room_name_has_the_web_clients_form(client: Client, name: str) -> None:
    answer = client(name=name)
    assume(bool(answer["assigned"]))
    form = room_name(name)
    assert (form or "") == answer["form"]


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(path=st.lists(NAMES, min_size=1, max_size=3).map("/".join))
def test_page_names_the_room_of_the_web_client(client: Client, path: str) -> None:
    answer = client(url=f"https://meet.example.org/{path}")
    page = parse_target(answer["target"])
    assert page is not None
    if page.address and not page.signalling:
        room, tenant = page.address.room, page.address.tenant
        assert (room, tenant or "") == (answer["room"], answer["tenant"])
        assert address_of(f"/http-bind?{answer['query']}") == RoomAddress(room)


@settings(deadline=None)
@given(name=st.text(ASSIGNED, min_size=1, max_size=60))
def test_every_percent_encoded_name_is_a_room(name: str) -> None:
    assume(not set(name) & set("/\\\0") and name not in {".", ".."})
    encoded = quote(name, safe="")
    assume(not encoded.lower().startswith(("http-bind", "xmpp-websocket")))
    assert address_of(f"/{encoded}") is not None
    assert address_of(f"/acme/{encoded}") == RoomAddress(room_name(encoded) or "", "acme")


@settings(deadline=None)
@given(NAMES)
def test_sent_name_is_idempotent_and_keeps_every_form(name: str) -> None:
    form, sent = room_name(name), sent_room_name(name)
    assert form is None or sent_room_name(form) == form
    assert sent is None or sent_room_name(sent) == sent


@settings(deadline=None)
@given(st.text(ASSIGNED, min_size=1, max_size=20))
def test_unescaped_name_of_older_client_means_same_room(name: str) -> None:
    form = room_name(quote(name, safe=""))
    if form and "%25" not in form and sent_room_name(unquote(form)) == form:
        assert address_of(f"/http-bind?room={form}") == RoomAddress(form)


@pytest.mark.parametrize(
    ("name", "once", "twice"),
    [("a%21b", "a!b", "ab"), ("H%CC%B1", "h%cc%b1", "%e1%ba%96")],
)
def test_form_of_a_name_is_not_idempotent(name: str, once: str, twice: str) -> None:
    assert (room_name(name), room_name(once)) == (once, twice)


@pytest.mark.parametrize("read", [room_name, sent_room_name])
def test_name_that_no_address_can_hold_is_none(read: Callable[[str], str | None]) -> None:
    assert read("a" * 1023) == "a" * 1023
    assert read(FULL_WIDTH_A * 1023) == "a" * 1023
    for name in (
        "",
        "a" * 1024,
        FULL_WIDTH_A * 1024,
        "é" * 171,
        "%C3%A9" * 171,
        "ﷺ" * 500,
        "\ud800",
    ):
        assert read(name) is None


# --- targets and their parameters


@pytest.mark.parametrize("target", ["", "*", "standup", "https://meet.example.org/standup", "?x=/"])
def test_target_that_is_not_in_origin_form_is_none(target: str) -> None:
    assert parse_target(target) is None


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES, max_size=9).map("".join)))
@example("/\udcff?room=\udcff&token=%FF")
def test_parse_target_never_raises(text: str) -> None:
    parse_target(text)
    target = parse_target(f"/{text}")
    assert target is not None
    assert isinstance(target.ambiguous, bool)
    parse_url(f"https://{text}")
    fragment_token(f"https://meet.example.org/#jwt={text}")


def test_all_values_of_a_parameter_are_returned() -> None:
    target = parse_target("/a?jwt=1&%6Awt=2&token=x+y&toke%6e=%7A&room&prefix=&x=jwt=3&jwt=a=b")
    assert target is not None
    assert (target.path, target.query[:9]) == ("/a", "jwt=1&%6A")
    assert (target.jwt, target.token) == (("1", "2", "a=b"), ("x y", "z"))
    assert (target.room, target.prefix) == (("",), ("",))


def test_token_is_not_in_the_repr() -> None:
    assert "s3cret" not in repr(parse_target("/a?jwt=s3cret&token=s3cret"))
    assert "s3cret" not in repr(parse_url("https://meet.example.org/a?jwt=s3cret"))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*WATCHED, "x", "%6Awt", "toke%6e", "ro%6Fm", "", "+"]),
            st.text(st.sampled_from("ab.=+%2é"), max_size=5),
        ),
        max_size=5,
    )
)
def test_parameters_are_decoded_as_by_prosody(
    prosody_parameters: Parameters, pairs: list[tuple[str, str]]
) -> None:
    query = "&".join(f"{name}={value}" for name, value in pairs)
    target = parse_target(f"/a?{query}")
    last = {name: values[-1] for name in WATCHED if (values := getattr(target, name))}
    assert last == prosody_parameters(query)


@pytest.mark.parametrize(
    ("target", "ambiguous"),
    [
        ("/standup?jwt=a&token=b", False),  # two sources, which original_request compares
        ("/standup?jwt=a&jwt=a", True),
        ("/standup?token=a&%74oken=b", True),
        ("/http-bind?room=a&room=a", True),
        ("/http-bind?room=a&prefix=", False),
        ("/http-bind?room=a&prefix=acme", True),
        ("/acme/http-bind?room=a&prefix=Acme", False),
        ("/acme/http-bind?room=a&prefix=", True),
        ("/acme/http-bind?room=a&prefix=other", True),
        ("/acme/http-bind?room=a&prefix=acme&prefix=acme", True),
        ("/%D0%9A/http-bind?room=a&prefix=%D0%BA", False),
        ("/standup?prefix=acme", False),  # has no meaning on a page
    ],
)
def test_doubled_parameters_and_contradicting_prefix_are_ambiguous(
    target: str, ambiguous: bool
) -> None:
    read = parse_target(target)
    assert read is not None
    assert read.ambiguous is ambiguous


# --- URLs


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "path"),
    [
        ("https://meet.example.org/a?b", "https", "meet.example.org", None, "/a"),
        ("HTTP://Meet.Example.Org:8443/a", "http", "meet.example.org", 8443, "/a"),
        ("https://meet.example.org", "https", "meet.example.org", None, "/"),
        ("https://meet.example.org?room=a", "https", "meet.example.org", None, "/"),
        ("https://meet.example.org./a#jwt=x?/", "https", "meet.example.org.", None, "/a"),
        ("http://[::1]:80/a", "http", "[::1]", 80, "/a"),
        ("http://127.0.0.1/a", "http", "127.0.0.1", None, "/a"),
        ("https://meet_1.internal//a", "https", "meet_1.internal", None, "//a"),
    ],
)
def test_absolute_url_is_split(
    url: str, scheme: str, host: str, port: int | None, path: str
) -> None:
    read = parse_url(url)
    assert read is not None
    assert (read.scheme, read.host, read.port, read.target.path) == (scheme, host, port, path)


@pytest.mark.parametrize(
    "url",
    [
        *("", "/standup", "standup", "//meet.example.org/a", "ftp://meet.example.org/a"),
        *("https:/meet.example.org/a", "https:///a", "https://?a", " https://meet.example.org/a"),
        *("https://me@meet.example.org/a", "https://meet.example.org@evil/a", "https://a:b@c/a"),
        *("https://meet.example.org:/a", "https://meet.example.org:0/a", "https://a:65536/a"),
        *("https://a:80:80/a", "https://a b/a", "https://a..b/a", "https://.a/a", "https://a,b/a"),
        *("https://[::1/a", "https://[::g]/a", "https://[1.2.3.4]/a", "https://a%2eb/a"),
        *("https://a\\b/c", "https://" + "a" * 254 + "/a", "https://é.example.org/a"),
        *("http\u017f://meet.example.org/a", "https://\u212aelvin.example.org/a"),
    ],
)
def test_url_without_a_plain_host_is_none(url: str) -> None:
    assert parse_url(url) is None


@pytest.mark.parametrize(
    ("fragment", "token"),
    [
        ("", None),
        ("#", None),
        ("#jwt=", None),
        ("#config.x=true", None),
        ("#/jwt=a.b.c", None),
        ("#jwt=a.b.c", "a.b.c"),
        ('#jwt="a.b.c"&config.x=true', "a.b.c"),
        ("#config.x=true&jwt=%22a.b.c%22", "a.b.c"),
        ("#jwt=a&jwt=b", "b"),
        ("#jwt=%22a", None),
    ],
)
def test_token_is_found_in_the_fragment(fragment: str, token: str | None) -> None:
    assert fragment_token(f"https://meet.example.org/standup?jwt=x{fragment}") == token


# --- XMPP addresses


@pytest.mark.parametrize(
    ("address", "jid"),
    [
        (RoomAddress("standup"), "standup@muc.example.org"),
        (RoomAddress("standup", "acme"), "[acme]standup@muc.example.org"),
        (RoomAddress("standup", "acme.corp"), "[acme_corp]standup@muc.example.org"),
        (RoomAddress("%d0%ba", "%d0%ba"), "[%d0%ba]%d0%ba@muc.example.org"),
    ],
)
def test_room_jid_is_as_prosody_sees_it(address: RoomAddress, jid: str) -> None:
    assert room_jid(address, "muc.example.org") == jid


@pytest.mark.parametrize("row", [row for row in ROWS if row[2]], ids=lambda row: row[0])
def test_every_address_makes_a_jid_with_its_parts(row: list[str]) -> None:
    address = address_of(row[0])
    assert address is not None
    jid = parse_jid(room_jid(address, "muc.example.org"))
    assert jid is not None
    assert (jid.host, jid.resource) == ("muc.example.org", None)
    tenant, room = split_tenant(jid.node or "")
    assert (tenant is None, room) == (address.tenant is None, address.room)


@settings(max_examples=1000, deadline=None)
@given(LUA_TEXT)
@example("standup@conference.example.com/a/b")
@example("a@b@conference.example.com")
@example("a/b@conference.example.com")
@example("standup@conference.example.com/")
def test_parse_jid_is_prosodys_split(prosody_split: Callable[[bytes], Any], text: str) -> None:
    answer = prosody_split(text.encode())
    parts = [part and part.decode() for part in answer] if isinstance(answer, tuple) else [None] * 3
    assert parse_jid(text) == (Jid(parts[0], parts[1], parts[2]) if parts[1] else None)


@pytest.mark.parametrize("letter", ["a", "é", "中"])
def test_each_part_of_an_address_has_at_most_1023_bytes(letter: str) -> None:
    longest = letter * (1_023 // len(letter.encode()))
    assert parse_jid(f"{longest}@{longest}/{longest}") == Jid(longest, longest, longest)
    longer = longest + "aa"
    for text in (f"{longer}@b", f"a@{longer}", f"a@b/{longer}", longer, longer * 60):
        assert parse_jid(text) is None


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(LUA_TEXT)
@example("[acme]]standup")
@example("[acme]")
@example("[]standup")
def test_split_tenant_is_upstreams_pattern(lua: LuaRuntime, node: str) -> None:
    found = lua.globals().string.match(node.encode(), rb"^%[([^%]]+)%](.+)$")
    assert split_tenant(node) == (tuple(map(bytes.decode, found)) if found else (None, node))
