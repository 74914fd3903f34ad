"""One default path, which every command reads, and every document names."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import CONTRIB, DOCS, ROOT
from verifier.cli.main import main, program
from verifier.config import DEFAULT_CONFIG, ConfigError, load

SECRET = "0123456789abcdef0123456789abcdef"
TEXT = f'app_id = "default"\napp_secret = "{SECRET}"\nmuc_mapper_domain_base = "meet.jitsi"\n'
OTHER = TEXT.replace('"default"', '"other"')


@pytest.fixture
def default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the default path, moved to a place where the tests may write."""
    path = tmp_path / "etc" / "verifier.toml"
    monkeypatch.setattr(sys.modules["verifier.config.load"], "DEFAULT_CONFIG", path)
    for name in list(os.environ):
        if name.startswith(("JWT_", "XMPP_", "VERIFIER_")):
            monkeypatch.delenv(name)
    # ``serve`` changes what these signals do.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    yield path
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def run(name: str) -> None:
    """Run a command; whether it succeeds does not matter."""
    with contextlib.suppress(SystemExit):
        main(COMMANDS[name])


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_default_link_to_a_missing_file_is_an_error(default: Path) -> None:
    default.parent.mkdir()
    default.symlink_to("missing.toml")
    with pytest.raises(ConfigError, match="No such file or directory"):
        load({"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET})


def test_default_file_is_read_where_nothing_names_another(default: Path, tmp_path: Path) -> None:
    write(default, TEXT)
    other = write(tmp_path / "other.toml", OTHER)
    assert load({}).app_id == "default"
    assert load({"JWT_APP_ID": "env"}).app_id == "env"
    assert load({"VERIFIER_CONFIG": str(other)}).app_id == "other"
    assert load({}, other).app_id == "other"
    assert load({}).file == default


def test_default_file_need_not_exist(default: Path) -> None:
    settings = load({"JWT_APP_ID": "env", "JWT_APP_SECRET": SECRET})
    assert settings.file is None
    assert settings.source == (
        f"no file, since {default} does not exist; environment: JWT_APP_ID, JWT_APP_SECRET"
    )


def test_named_file_must_exist(default: Path) -> None:
    write(default, TEXT)
    with pytest.raises(ConfigError, match="No such file"):
        load({"VERIFIER_CONFIG": "/not/there"})


def test_default_file_that_cannot_be_read_is_a_problem(default: Path) -> None:
    default.mkdir(parents=True)  # a directory in the place of the file; root may read any file
    with pytest.raises(ConfigError, match="Is a directory"):
        load({"JWT_APP_ID": "env", "JWT_APP_SECRET": SECRET})


def test_default_file_appears_and_goes_at_a_reload(default: Path) -> None:
    environ = {"JWT_APP_ID": "env", "JWT_APP_SECRET": SECRET}
    before = load(environ)
    write(default, TEXT + "decision_ttl = 7\n")
    assert load(environ).decision_ttl == 7
    default.unlink()
    assert load(environ) == before


COMMANDS = {
    "explain": ["explain", "--room", "standup"],
    "mint": ["mint", "--room", "standup"],
    "check-config": ["check-config"],
    "replay": ["replay", os.devnull],
    "revoke": ["revoke", "--jti", "j"],
    "revocations": ["revocations"],
    "why": ["why"],
    "serve": ["serve"],
}


def test_every_command_with_a_configuration_is_tried() -> None:
    reading = {
        name
        for name, parser in program().commands.items()
        if any("--config" in action.option_strings for action in parser.arguments)
    }
    assert reading - {"check-gate"} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_read(
    name: str, default: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(default, "app_id = 5\n" if name == "serve" else TEXT)
    run(name)
    output = capsys.readouterr()
    assert f"configuration: {default}; environment: nothing\n" in output.err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_read_beside_problems(
    name: str, default: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(name)
    output = capsys.readouterr()
    assert f"no file, since {default} does not exist; environment: nothing" in output.err


def test_json_on_standard_output_stays_json(
    default: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(default, TEXT)
    assert main(["check-config", "--json"]) == 0
    assert capsys.readouterr().out.startswith("{")


def test_every_document_names_the_one_default_path() -> None:
    pattern = re.compile(r"/[\w./-]*verifier\.toml\b")
    paths = [ROOT / "README.md", *DOCS.glob("*.md"), *CONTRIB.rglob("*")]
    texts = {
        path: path.read_text("utf-8", errors="replace")
        for path in paths
        if path.is_file() and path.suffix != ".pyc"
    }
    found = {name for text in texts.values() for name in pattern.findall(text)}
    assert {name for name in found if name.startswith("/etc")} == {str(DEFAULT_CONFIG)}
    assert sys.modules["verifier.config.options"].DEFAULT_CONFIG == DEFAULT_CONFIG
