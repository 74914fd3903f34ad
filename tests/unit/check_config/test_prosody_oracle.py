"""Files are read as the real Prosody reads them, and refused where it stops."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.prosody_oracle import (
    ask_prosody,
    in_prosodys_form,
    is_known,
    read,
)
from tests.support.random_prosody_config import Generator

DEPLOYMENTS = Path(__file__).parent / "deployments"
FILES = sorted(DEPLOYMENTS.rglob("*.lua"))

SAME = {
    "empty": b"",
    "only a comment": b"-- nothing",
    "comment at the end without newline": b"x = 1 -- y",
    "long comment": b"--[==[ x = 1\n]] ]==] y = 2",
    "semicolons": b";;; x = 1;",
    "windows line ends": b"x = [[\r\na\r\nb]]\r\ny = 'c'\r\n",
    "bytes that are no UTF-8": b'x = "\xff\xfe"; y = "\\xff\\0"',
    "a name in capitals": b'VirtualHost "MEET.Example.ORG" x = 1',
    "a name in another script": 'VirtualHost "bücher.Example" x = 1'.encode(),
    "a host entered twice": b'VirtualHost "a" x = 1 VirtualHost "c" x = 2 VirtualHost "a" y = 3',
    "a host with a table": b'VirtualHost "a" { x = 1, y = { "z" } } x = 2',
    "a host in brackets": b'VirtualHost("a")\nx = 1',
    "a component with a table": b'Component "c" "muc" { x = 1 } y = 2',
    "a component without a module": b'Component "c" x = 1',
    "a component with only a table": b'Component "c" { x = 1 } y = 2',
    "a component twice": b'Component "c" "muc" x = 1 Component "c" "other" y = 2',
    "old names": b'Host "a" x = 1 component "c" "m" y = 2 host "d" z = 3',
    "set twice": b"x = 1 x = 2",
    "set and unset": b"x = 1 x = nil",
    "a function as a host's name": b'local function f() end local v = VirtualHost v "a" x = 1',
    "a local of the same name": b"local x = 1 x = 2 y = x",
    "a shadow": b"local x = 1 do local x = 2 y = x end z = x",
    "logic": b"x = nil and 1 y = false or nil or 3 z = not nil == true",
    "text and numbers joined": b'x = 1 .. 2.0 .. "c" .. -3 .. 1e15 .. 1e100',
    "sums": b"x = 1 + 2 * 3 - 4 y = 1.5 * 2 z = -(-1)",
    "lengths": b'x = #"\xc3\xa9" y = #{ 1, 2, nil, 4 } == 0 z = #{ 1, 2 }',
    "parts of tables": b'local t = { a = { b = { "c" } } } x = t.a.b[1] y = t["a"].nothing',
    "a table changed later": b"local t = { 1 } t.x = 2 t[2] = 3 y = t",
    "a table shared": b"local t = { 1 } x = t t[2] = 5 y = t",
    "holes": b"x = { 1, nil, 3 }",
    "a float as a key": b'x = { [1.0] = "a", [2.5] = "b" }',
    "other numbers": b"a = 0xffffffffffffffff b = 9223372036854775808 c = 0x1p-2 d = 08 e = 1e400",
    "conditions": b"if nil then x = 1 elseif 0 then x = 2 else x = 3 end",
    "several at once": b"a, b, c = 1, 2 d, e = 3, 4, 5",
    "goto": b"goto a ::a:: x = 1",
    "a return at the end": b"x = 1 return 2",
    "an unset variable": b"x = ENV_NOT_SET_IN_TESTS y = os.getenv 'NOT_SET_IN_TESTS' or 'z'",
    "escapes": b'x = "\\z  \n  \\u{10FFFF}\\x41\\9\\09\\009\\\r\n"',
}

STOPS = {
    "syntax": b'app_id = "a"\napp_secret = "s3cret" "x"\nx = = 1',
    "an open string": b'app_secret = "s3cret\nx = 1',
    "an open long string": b"x = [[s3cret",
    "an open comment": b"x = 1\n--[[ s3cret",
    "an open table": b"x = { 1,\n",
    "a wrong escape": b'x = "s3cret\\q"',
    "a code beyond a byte": b'x = "\\256"',
    "a byte order mark": b"\xef\xbb\xbfx = 1",
    "a first line for the shell": b"#!/usr/bin/lua\nx = 1",
    "garbage": b"\x00\x01\x02\xff",
    "compiled": b"\x1bLua\x54\x00",
    "nothing called": b'x = 1\nnothing "here"',
    "a part of nothing": b"x = nothing.here",
    "a part of a number": b"local n = 1\nx = n.m",
    "a table joined": b'x = {} .. "a"',
    "a boolean joined": b'x = true .. "a"',
    "a host without a name": b"x = 1\nVirtualHost()",
    "a host with a module": b'VirtualHost "a" "muc"',
    "a component of a host's name": b'VirtualHost "a" x = 1 Component "a" "muc"',
    "a host of a component's name": b'Component "a" "muc" x = 1 VirtualHost "a"',
    "a file that is not there": b'x = 1\nInclude "nothing.cfg.lua"',
    "a folder that is not there": b'Include "nothing/*.cfg.lua"',
    "an include that is wrong": b'Include "wrong.inc"',
    "an include of a folder": b'Include "folder"',
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(DEPLOYMENTS)))
def test_deployments_are_read_as_by_prosody(file: Path, folder: Path) -> None:
    shutil.copytree(file.parent, folder / "d")
    copy = folder / "d" / file.name
    (answer,) = ask_prosody(copy)
    config = read(copy)
    assert answer.ok
    assert config.problems == []
    assert in_prosodys_form(config) == answer.config


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder with a short name: in a long one Prosody fails on options set twice."""
    with TemporaryDirectory(dir="/tmp") as name:  # TMPDIR's may be longer
        yield Path(name)


def written(folder: Path, cases: dict[str, bytes]) -> list[Path]:
    (folder / "wrong.inc").write_bytes(b"x = =")
    (folder / "folder").mkdir()
    files = [folder / f"{number}.cfg.lua" for number in range(len(cases))]
    for file, source in zip(files, cases.values(), strict=True):
        file.write_bytes(source)
    return files


def test_each_form_is_read_as_by_prosody(folder: Path) -> None:
    files = written(folder, SAME)
    for name, file, answer in zip(SAME, files, ask_prosody(*files), strict=True):
        config = read(file)
        assert answer.ok, name
        assert config.problems == [], name
        assert in_prosodys_form(config) == answer.config, name


def test_errors_are_those_of_prosody_without_quotations(folder: Path) -> None:
    files = written(folder, STOPS)
    for name, file, answer in zip(STOPS, files, ask_prosody(*files), strict=True):
        config = read(file)
        assert not answer.ok, name
        assert config.problems, name
        assert "s3cret" not in "".join(map(str, config.problems)), name


def test_component_has_global_options_only(tmp_path: Path) -> None:
    file = tmp_path / "prosody.cfg.lua"
    file.write_text(
        'app_id = "global"\nVirtualHost "a.b"\napp_id = "own"\nComponent "muc.a.b" "muc"\n'
    )
    config = read(file)
    assert config.value("a.b", "app_id") == "own"
    assert config.value("muc.a.b", "app_id") == "global"
    assert config.value("not.configured", "app_id") == "global"


@pytest.mark.slow
def test_random_configurations_are_read_as_by_prosody(folder: Path) -> None:
    files = [folder / f"{seed}.cfg.lua" for seed in range(200)]
    for seed, file in enumerate(files):
        file.write_text(Generator(seed).configuration())
    read_by_both = 0
    for file, answer in zip(files, ask_prosody(*files), strict=True):
        config, source = read(file), file.read_text()
        if not is_known(config):
            continue
        assert answer.ok == (config.problems == []), source
        if answer.ok:
            assert in_prosodys_form(config) == answer.config, source
            read_by_both += 1
    assert read_by_both > 50
