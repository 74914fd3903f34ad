"""A configuration file without ``--config`` is a usage error that says what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.cli.main import main, program

COMMANDS = sorted(
    name
    for name, parser in program().commands.items()
    if any("--config" in action.option_strings for action in parser.arguments)
)


def usage_error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("file", ["good.toml", "/etc/jitsi-verifier/verifier.toml"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_was_meant(
    command: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert usage_error(capsys, command, file).count(f"did you mean --config {file}?") == 1


def test_file_behind_the_required_options_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    error = usage_error(capsys, "mint", "--room", "standup", "good.toml")
    assert "unrecognized arguments: good.toml; did you mean --config good.toml?" in error


@pytest.mark.parametrize("option", ["-c", "--conf", "--configuration", "-f"])
def test_option_that_is_not_known_is_taken_for_config(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = usage_error(capsys, "serve", option, "good.toml")
    assert error.count("did you mean --config good.toml?") == 1


def test_config_before_the_command_belongs_behind_it(capsys: pytest.CaptureFixture[str]) -> None:
    error = usage_error(capsys, "--config", "good.toml", "serve")
    assert "did you mean --config good.toml behind the command?" in error


def test_existing_file_of_any_name_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "verifier.conf"
    file.touch()
    assert f"did you mean --config {file}?" in usage_error(capsys, "serve", str(file))


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "extra"),
        ("serve", "x" * 5000),
        ("serve", "\0"),
        ("serve", "https://meet.example.org/room.toml"),
        ("serve", "--config", "good.toml", "extra"),
        ("check-config", "--write", "good.toml", "extra"),
    ],
)
def test_other_arguments_give_no_such_hint(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "did you mean" not in usage_error(capsys, *arguments)
