"""Unknown values are reported with their file and line, and never guessed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.prosody_oracle import read
from verifier.check_config.lua_values import Unknown, as_strings
from verifier.check_config.prosody_config import ProsodyConfig

Write = Callable[..., ProsodyConfig]
HOST = 'VirtualHost "meet.test"\nauthentication = "token"\n'


@pytest.fixture
def config_of(tmp_path: Path) -> Write:
    """Return a function that writes prosody.cfg.lua and other files, and reads the first."""

    def write(source: str | bytes, **files: str) -> ProsodyConfig:
        (tmp_path / "conf.d").mkdir(exist_ok=True)
        for name, text in files.items():
            (tmp_path / "conf.d" / f"{name}.cfg.lua").write_text(text)
        main = tmp_path / "prosody.cfg.lua"
        main.write_bytes(source if isinstance(source, bytes) else source.encode())
        return read(main, {"APP_ID": "from the environment"})

    return write


def found(config: ProsodyConfig, *, problems: bool = False) -> list[str]:
    """Return the findings, with file names instead of paths."""
    findings = config.problems if problems else config.not_evaluated
    return [
        f"{Path(finding.location.file).name}:{finding.location.line}: {finding.text}"
        for finding in findings
    ]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("app_id = string.rep('x', 10)", "the result of a function"),
        ("app_id = require 'secrets'.id", "a part of an unknown value"),
        ("app_id = ('x'):upper()", "an expression that is not evaluated"),
        ("app_id = tostring(5)", "the result of a function"),
        ("app_id = 7 // 2", "an expression that is not evaluated"),
        ("app_id = Lua.require 'secrets'.id", "a part of an unknown value"),
        ("id = 'x' app_id = id", "an option that is read again"),
        ("id = 'x' app_id = id .. 'y'", "an option that is read again"),
        ("app_id = Credential 'jwt'", "a systemd credential, which only Prosody's own service"),
        ("app_id = FileLine 'missing'", "in a file that cannot be read here"),
        ("local function id() return 'x' end app_id = id()", "the result of a function"),
        ("for _, id in ipairs { 'a' } do app_id = id end", "in a loop"),
        ("for i = 1, 2 do app_id = 'x' .. i end", "in a loop"),
        ("if os.time() > 5 then app_id = 'x' end", "under a condition that is"),
        ("if os.time() then app_id = 'x' else app_id = 'y' end", "under a condition that is"),
        ("local big = ('x'):rep(9) app_id = 'a' .. big", "an expression that is not evaluated"),
    ],
)
def test_value_that_only_prosody_knows_is_unknown(
    config_of: Write, statement: str, reason: str
) -> None:
    value = config_of(f"{HOST}{statement}").value("meet.test", "app_id")
    assert isinstance(value, Unknown)
    assert value.reason.startswith(reason)


def test_doubling_text_is_bounded(config_of: Write) -> None:
    config = config_of("local a = 'xxxxxxxxxx'\n" + "a = a .. a\n" * 60 + f"{HOST}app_id = a")
    assert config.value("meet.test", "app_id") == Unknown("a text that is too long")


def test_environment_is_read(config_of: Write) -> None:
    config = config_of(f"{HOST}app_id = os.getenv('APP_ID')\nother = ENV_APP_ID")
    assert config.value("meet.test", "app_id") == "from the environment"
    assert config.value("meet.test", "other") == "from the environment"


def test_secret_files_are_read(config_of: Write, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("first line\nsecond\n")
    config = config_of(
        f'{HOST}a = FileLine "secret" b = FileContents("./secret") c = FileLines("secret")[2]'
    )
    values = [config.value("meet.test", name) for name in "abc"]
    assert values == ["first line", "first line\nsecond\n", "second"]
    (note,) = map(str, config.notes)
    assert note.endswith(
        ":3: FileContents keeps the line break at the end of the file; FileLine does not"
    )


def test_variables_are_also_read_through_lua(config_of: Write) -> None:
    config = config_of("app_id = Lua.os.getenv 'APP_ID' or 'other'")
    assert config.value("*", "app_id") == "from the environment"
    assert found(config) == []


@pytest.mark.parametrize(
    ("statements", "items"),
    [
        ("m = { 'a' } m:append { 'b', 'c' } m:append { 'd' }", ("a", "b", "c", "d")),
        ("m = {} m:append({ 'a' }) m:append {}", ("a",)),
        ("m = { 'a' } local n = { 'b' } m:append(n)", ("a", "b")),
        ("m = { 'a' } if true then m:append { 'b' } end", ("a", "b")),
    ],
)
def test_lists_are_appended_to_options(
    config_of: Write, statements: str, items: tuple[str, ...]
) -> None:
    config = config_of(f"{HOST}{statements}")
    assert as_strings(config.value("meet.test", "m")) == items
    assert found(config) == []


@pytest.mark.parametrize(
    "part", ["m:append(os.tmpname())", "if os.time() > 5 then m:append {'b'} end"]
)
def test_list_with_an_unknown_part_is_unknown(config_of: Write, part: str) -> None:
    config = config_of(f"{HOST}m = {{ 'a' }} {part}")
    assert isinstance(as_strings(config.value("meet.test", "m")), Unknown)


@pytest.mark.parametrize(
    "call", ["m:append 'b'", "n:append { 'b' }", "m:remove { 'a' }", "m { 'b' }"]
)
def test_other_calls_on_options_are_not_agreed_to(config_of: Write, call: str) -> None:
    config = config_of(f"{HOST}m = {{ 'a' }} {call}")
    assert config.problems or config.not_evaluated


def test_hosts_with_unknown_names_stay_separate(config_of: Write) -> None:
    config = config_of(f"{HOST}app_id = 'good'\nVirtualHost(os.tmpname())\napp_id = 'other'")
    assert config.value("meet.test", "app_id") == "good"
    assert found(config) == [
        "prosody.cfg.lua:4: a VirtualHost with an unknown name",
        "prosody.cfg.lua:4: a function call that is not executed",
    ]


def test_statements_that_are_not_evaluated_are_listed(config_of: Write) -> None:
    config = config_of(
        "print 'hello'\nlocal t = {}\nt:insert(1)\nRunScript 'x.lua'\n"
        "if os.time() then Include 'a.cfg.lua' end\nlocal u = require 'x'\nu.y = 1"
    )
    assert found(config) == [
        "prosody.cfg.lua:1: a function call that is not executed",
        "prosody.cfg.lua:3: a statement that is not evaluated",
        "prosody.cfg.lua:4: a RunScript that is not run",
        "prosody.cfg.lua:5: an Include is under a condition that is the result of a function",
        "prosody.cfg.lua:5: an Include that is not read",
        "prosody.cfg.lua:7: an assignment to an unknown item of a table",
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
def test_code_that_may_set_options_is_listed(config_of: Write, call: str) -> None:
    assert config_of(f"{HOST}app_id = 'x' {call}").not_evaluated


@pytest.mark.parametrize(
    "call", ["table.insert(ids, 'b')", "local f = function() end f(ids)", "local n = #ids + f(ids)"]
)
def test_table_passed_to_a_function_is_unknown(config_of: Write, call: str) -> None:
    config = config_of(f"local ids, f = {{ 'a' }}, print {call}\n{HOST}asap_accepted_issuers = ids")
    found = as_strings(config.value("meet.test", "asap_accepted_issuers"))
    assert found == Unknown("a table that a function may have changed")


def test_code_after_return_is_not_read(config_of: Write) -> None:
    config = config_of(
        f"{HOST}Include 'conf.d/a.cfg.lua' app_id = 'x' do return end app_id = 'y'",
        a="x = 1 return 1",
    )
    assert (config.value("meet.test", "app_id"), config.problems) == ("x", [])


def test_includes_are_read_in_order_of_name(config_of: Write) -> None:
    config = config_of(
        'Include "conf.d/*.cfg.lua"\nInclude "conf.d/0?.cfg.lua"',
        **{"02": "x = 'later'", "01": f"{HOST}y = 1", ".hidden": "x = = 1"},
    )
    assert config.problems == []
    assert (config.value("*", "x"), config.value("meet.test", "y")) == ("later", 1)


def test_problem_in_an_included_file_is_located_there(config_of: Write) -> None:
    config = config_of('x = 1\nInclude "conf.d/*.cfg.lua"', one='y = 2\napp_secret = "s3cret" oops')
    problems = found(config, problems=True)
    assert problems[0] == "one.cfg.lua:2: a syntax error at column 27"
    assert problems[1].startswith("prosody.cfg.lua:2: an error in ")
    assert config.value("*", "x") == 1


def test_circular_include_ends(config_of: Write) -> None:
    config = config_of(
        'Include "conf.d/a.cfg.lua"', a='Include "b.cfg.lua"', b='Include "a.cfg.lua"'
    )
    assert found(config, problems=True)[0] == "b.cfg.lua:1: a file includes itself"


def test_number_of_includes_is_bounded(config_of: Write) -> None:
    config = config_of('Include "conf.d/a.cfg.lua"\n' * 600, a="x = 1")
    assert found(config, problems=True) == ["prosody.cfg.lua:500: more than 500 files are included"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ('app_id = "{{ .Env.JWT_APP_ID }}"', "a template that has not been rendered"),
        ("{{ if $ENABLE_AUTH }}", "a template that has not been rendered"),
        ("x = " + "{" * 300 + "}" * 300, "nested too deep to be read"),
        ("x = " + "(" * 5000 + "1" + ")" * 5000, "nested too deep to be read"),
        ("x = a" + "()" * 5000, "nested too deep to be read"),
        ("x = 1" + " + 1" * 5000, "nested too deep to be read"),
        ("x = " + "not " * 5000 + "1", "nested too deep to be read"),
        ("if 1 then " * 2000 + "end " * 2000, "nested too deep to be read"),
        ("x = _G" + ".a" * 2000, "nested too deep to be read"),
    ],
)
def test_costly_source_is_refused_soon(config_of: Write, source: str, reason: str) -> None:
    (problem,) = found(config_of(source), problems=True)
    assert problem.startswith(f"prosody.cfg.lua:1: {reason}")


def test_other_kinds_of_files_are_refused(tmp_path: Path) -> None:
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
        assert [str(problem) for problem in config.problems] == [f"{file}: {reason}"]
