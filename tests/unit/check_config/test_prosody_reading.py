"""What cannot be known is said, with its file and line, and never guessed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.check_config.oracle import read
from verifier.check_config.lua_values import Unknown, as_strings
from verifier.check_config.prosody_config import ProsodyConfig

Write = Callable[..., ProsodyConfig]
HOST = 'VirtualHost "meet.test"\nauthentication = "token"\n'


@pytest.fixture
def config_of(tmp_path: Path) -> Write:
    """Give a function that writes prosody.cfg.lua and other files, and reads the first."""

    def write(source: str | bytes, **files: str) -> ProsodyConfig:
        (tmp_path / "conf.d").mkdir(exist_ok=True)
        for name, text in files.items():
            (tmp_path / "conf.d" / f"{name}.cfg.lua").write_text(text)
        main = tmp_path / "prosody.cfg.lua"
        main.write_bytes(source if isinstance(source, bytes) else source.encode())
        return read(main, {"APP_ID": "from the environment"})

    return write


def found(config: ProsodyConfig, *, problems: bool = False) -> list[str]:
    """Give what was said, with the names of files alone."""
    findings = config.problems if problems else config.unread
    return [f"{Path(each.place.file).name}:{each.place.line}: {each.text}" for each in findings]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("app_id = string.rep('x', 10)", "what a function gives"),
        ("app_id = require 'secrets'.id", "a part of what is not known"),
        ("app_id = ('x'):upper()", "an expression that is not evaluated"),
        ("app_id = tostring(5)", "what a function gives"),
        ("app_id = 7 // 2", "an expression that is not evaluated"),
        ("app_id = Credential 'jwt'", "a systemd credential, which only Prosody's own service"),
        ("app_id = FileLine 'missing'", "in a file that cannot be read here"),
        ("local function id() return 'x' end app_id = id()", "what a function gives"),
        ("for _, id in ipairs { 'a' } do app_id = id end", "in a loop"),
        ("for i = 1, 2 do app_id = 'x' .. i end", "in a loop"),
        ("if os.time() > 5 then app_id = 'x' end", "under a condition that is"),
        ("if os.time() then app_id = 'x' else app_id = 'y' end", "under a condition that is"),
        ("local big = ('x'):rep(9) app_id = 'a' .. big", "an expression that is not evaluated"),
    ],
)
def test_what_only_prosody_could_tell_is_unknown(
    config_of: Write, statement: str, reason: str
) -> None:
    value = config_of(f"{HOST}{statement}").value("meet.test", "app_id")
    assert isinstance(value, Unknown)
    assert value.reason.startswith(reason)


def test_a_text_that_doubles_itself_stays_small(config_of: Write) -> None:
    config = config_of("local a = 'xxxxxxxxxx'\n" + "a = a .. a\n" * 60 + f"{HOST}app_id = a")
    assert config.value("meet.test", "app_id") == Unknown("a text that is too long")


def test_the_environment_is_read(config_of: Write) -> None:
    config = config_of(f"{HOST}app_id = os.getenv('APP_ID')\nother = ENV_APP_ID")
    assert config.value("meet.test", "app_id") == "from the environment"
    assert config.value("meet.test", "other") == "from the environment"


def test_files_with_secrets_are_read(config_of: Write, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("first line\nsecond\n")
    config = config_of(
        f'{HOST}a = FileLine "secret" b = FileContents("./secret") c = FileLines("secret")[2]'
    )
    values = [config.value("meet.test", name) for name in "abc"]
    assert values == ["first line", "first line\nsecond\n", "second"]


def test_hosts_whose_name_is_not_known_mix_with_no_other(config_of: Write) -> None:
    config = config_of(f"{HOST}app_id = 'good'\nVirtualHost(os.tmpname())\napp_id = 'other'")
    assert config.value("meet.test", "app_id") == "good"
    assert found(config) == [
        "prosody.cfg.lua:4: a VirtualHost whose name is not known",
        "prosody.cfg.lua:4: a function that is not followed",
    ]


def test_statements_that_are_not_followed_are_named(config_of: Write) -> None:
    config = config_of(
        "print 'hello'\nlocal t = {}\nt:insert(1)\nRunScript 'x.lua'\n"
        "if os.time() then Include 'a.cfg.lua' end\nlocal u = require 'x'\nu.y = 1"
    )
    assert found(config) == [
        "prosody.cfg.lua:1: a function that is not followed",
        "prosody.cfg.lua:3: a statement that is not evaluated",
        "prosody.cfg.lua:4: a RunScript that is not run",
        "prosody.cfg.lua:5: an Include is under a condition that is what a function gives",
        "prosody.cfg.lua:5: an Include that is not followed",
        "prosody.cfg.lua:7: a part of a table that is set where it cannot be followed",
    ]


@pytest.mark.parametrize(
    "call",
    [
        "local function f() app_id = 'y' end local _ = f()",
        "local f = function() app_id = 'y' end local _ = f()",
        "local _ = pcall(function() app_id = 'y' end)",
        "if os.time() then return end",
    ],
)
def test_what_may_set_anything_is_named(config_of: Write, call: str) -> None:
    assert config_of(f"{HOST}app_id = 'x' {call}").unread


@pytest.mark.parametrize(
    "call", ["table.insert(ids, 'b')", "local f = function() end f(ids)", "local n = #ids + f(ids)"]
)
def test_a_table_that_a_function_has_seen_is_unknown(config_of: Write, call: str) -> None:
    config = config_of(f"local ids, f = {{ 'a' }}, print {call}\n{HOST}asap_accepted_issuers = ids")
    found = as_strings(config.value("meet.test", "asap_accepted_issuers"))
    assert found == Unknown("a table that a function may have changed")


def test_what_follows_a_return_is_not_read(config_of: Write) -> None:
    config = config_of(
        f"{HOST}Include 'conf.d/a.cfg.lua' app_id = 'x' do return end app_id = 'y'",
        a="x = 1 return 1",
    )
    assert (config.value("meet.test", "app_id"), config.problems) == ("x", [])


def test_includes_are_followed_in_order_of_name(config_of: Write) -> None:
    config = config_of(
        'Include "conf.d/*.cfg.lua"\nInclude "conf.d/0?.cfg.lua"',
        **{"02": "x = 'later'", "01": f"{HOST}y = 1", ".hidden": "x = = 1"},
    )
    assert config.problems == []
    assert (config.value("*", "x"), config.value("meet.test", "y")) == ("later", 1)


def test_a_problem_in_an_included_file_is_placed_there(config_of: Write) -> None:
    config = config_of('x = 1\nInclude "conf.d/*.cfg.lua"', one='y = 2\napp_secret = "s3cret" oops')
    said = found(config, problems=True)
    assert said[0] == "one.cfg.lua:2: a syntax error at column 27"
    assert said[1].startswith("prosody.cfg.lua:2: what is wrong in ")
    assert config.value("*", "x") == 1


def test_a_circle_of_includes_ends(config_of: Write) -> None:
    config = config_of(
        'Include "conf.d/a.cfg.lua"', a='Include "b.cfg.lua"', b='Include "a.cfg.lua"'
    )
    assert found(config, problems=True)[0] == "b.cfg.lua:1: a file includes itself"


def test_a_flood_of_includes_ends(config_of: Write) -> None:
    config = config_of('Include "conf.d/a.cfg.lua"\n' * 600, a="x = 1")
    assert found(config, problems=True) == ["prosody.cfg.lua:500: more than 500 files are included"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ('app_id = "{{ .Env.JWT_APP_ID }}"', "a template that has not been rendered"),
        ("{{ if $ENABLE_AUTH }}", "a template that has not been rendered"),
        ("x = " + "{" * 50 + "}" * 50, "brackets nested more than 40 deep"),
        ("x = " + "(" * 5000 + "1" + ")" * 5000, "brackets nested more than 40 deep"),
        ("x = a" + "()" * 5000, "more calls of calls than can be read"),
        ("x = " + "not " * 5000 + "1", "nested too deep to be read"),
        ("if 1 then " * 2000 + "end " * 2000, "nested too deep to be read"),
        ("x = _G" + ".a" * 2000, "nested too deep to be read"),
    ],
)
def test_what_cannot_be_read_is_refused_soon(config_of: Write, source: str, reason: str) -> None:
    (said,) = found(config_of(source), problems=True)
    assert said.startswith(f"prosody.cfg.lua:1: {reason}")


def test_files_that_are_no_configuration_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.lua")
    (tmp_path / "huge.lua").write_text("-- much\n" * 100_000)
    (tmp_path / "folder.lua").mkdir()
    reasons = {
        "pipe.lua": "not a regular file",
        "huge.lua": "larger than 500000 bytes, expected a configuration",
        "folder.lua": "Is a directory",
        "missing.lua": "No such file or directory",
        "/dev/zero": "not a regular file",
    }
    for name, reason in reasons.items():
        file = tmp_path / name
        config = read(file)
        assert [str(each) for each in config.problems] == [f"{file}: {reason}"]
