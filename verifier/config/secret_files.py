"""Files with a secret, which the configuration file or the environment names."""

from __future__ import annotations

from pathlib import Path

from verifier.config.input import ConfigInput, GivenValue, describe_file_error
from verifier.config.option import Option
from verifier.config.problems import shown_path
from verifier.keys.formats import split_secrets


def take_file(
    option: Option, path: Path, origin: str, config: ConfigInput, *, from_environment: bool = False
) -> None:
    """Take secrets from a file: one a line without the line's end, or a whole PEM block."""
    config.files.append(path)
    try:
        text = config.read_file(path).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        found = f"{shown_path(path)}: {describe_file_error(error)}"
        config.fail(option, origin, found, "a file of UTF-8 text that can be read")
        return
    lines = split_secrets(text)
    if any(line.startswith("#") for line in lines):
        expected = "secrets only, one a line: there are no comments"
        config.fail(option, origin, "a line that begins with # (not shown)", expected)
        return
    if any(line != unquoted(line) for line in lines):
        config.notices.append(f"{origin}: blanks and quotes around a secret are part of it")
    try:
        good = option.type.from_toml(lines[0] if len(lines) == 1 else lines)
    except ValueError:
        found = f"{len(lines)} lines (not shown)" if lines else "an empty file"
        config.fail(option, origin, found)
    else:
        config.given[option.name] = GivenValue(good, origin, from_environment)


def unquoted(text: str) -> str:
    """Strip blanks, and the quotes that ``docker run --env-file`` leaves around a value."""
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text
