"""Options that are arguments of ``serve``."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.cli.main import main
from verifier.config import ARGUMENTS, ConfigError, Settings, load
from verifier.config.addresses import TcpAddress, UnixAddress

ENVIRON = {
    "JWT_APP_ID": "app",
    "JWT_APP_SECRET": "0123456789abcdef0123456789abcdef",
    "VERIFIER_LISTEN": "127.0.0.1:1",
    "VERIFIER_LOG_LEVEL": "error",
}


def read(arguments: dict[str, str]) -> Settings:
    return load(ENVIRON, arguments=arguments)


def test_arguments_override_the_environment() -> None:
    settings = read({"listen": "127.0.0.1:2,unix:/run/a", "log_level": "debug"})
    assert settings.listen == (TcpAddress("127.0.0.1", 2), UnixAddress("/run/a"))
    assert settings.log_level == "debug"
    assert settings.origins["listen"] == "--listen"
    assert settings.source.endswith("; command line: --listen, --log-level")


def test_no_argument_leaves_the_environment_in_force() -> None:
    settings = read({})
    assert settings.listen == (TcpAddress("127.0.0.1", 1),)
    assert "command line" not in settings.source


def test_wrong_arguments_are_named_all_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        read({"listen": "nowhere", "workers": "0", "log_level": "loud"})
    text = str(error.value)
    for part in ('listen (--listen): found "nowhere"', "workers (--workers)", "--log-level"):
        assert part in text


def test_no_secret_is_an_argument() -> None:
    assert not [name for name, option in ARGUMENTS.items() if option.type.secret]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--workers", "2", "--workers", "3"], "argument --workers: expected one, found 2"),
        (["--listen", ""], "argument --listen: expected text, found none"),
        (["--decision-ttl", "5"], "unrecognized arguments: --decision-ttl 5"),
    ],
)
def test_wrong_usage_is_refused(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["serve", *arguments])
    assert end.value.code == 2
    assert expected in capsys.readouterr().err


def test_serve_reads_its_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "verifier.toml"
    config.write_text('app_id = "app"\n')
    monkeypatch.setattr("signal.signal", lambda *_: None)  # of the process that runs the tests
    monkeypatch.setattr("signal.pthread_sigmask", lambda *_: None)
    assert main(["serve", "--config", str(config), "--listen", "a:1:2", "--mode", "off"]) == 78
    err = capsys.readouterr().err
    assert 'listen (--listen): found "a:1:2"' in err
    assert 'mode (--mode): found "off"' in err
