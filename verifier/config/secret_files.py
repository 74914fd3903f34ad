"""Files with a secret, which the configuration file or the environment names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from verifier.config.input import ConfigInput, GivenValue, describe_file_error
from verifier.config.option import Option
from verifier.config.options import OPTIONS
from verifier.config.problems import shown_path
from verifier.config.secret_text import (
    describe_notation,
    describe_secret,
    find_oddities,
    unquoted,
)
from verifier.keys.formats import split_secrets

_OUR_NAMES: Final = {
    name: option
    for option in OPTIONS
    for name in (option.name, option.variable, option.file_variable)
    if name and option.type.secret
}
_ASSIGNMENT: Final = re.compile(r"(?:export[ \t]+)?(\w+)[ \t]*[=:]")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_HEXADECIMAL: Final = re.compile(r"[0-9a-fA-F]+")
_WIDTHS: Final = (64, 76)
"""The widths at which openssl and base64 break a long text into lines."""


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
    if wrong := _wrong_form(text, lines):
        config.fail(option, origin, *wrong)
        return
    if any(line != unquoted(line) for line in lines):
        config.notices.append(f"{origin}: blanks and quotes around a secret are part of it")
    config.notices += [f"{origin}: {odd}" for line in lines for odd in find_oddities(line)]
    if _is_broken_base64(lines):
        text = "each line is a secret of its own: join lines that a base64 program has broken"
        config.notices.append(f"{origin}: {text}")
    try:
        good = option.type.from_toml(lines[0] if len(lines) == 1 else lines)
    except ValueError:
        config.fail(option, origin, _describe(lines))
    else:
        config.given[option.name] = GivenValue(good, origin, from_environment)


def _wrong_form(text: str, lines: list[str]) -> tuple[str, str] | None:
    """Return what was found instead of secrets, and what was expected."""
    if any(line.startswith("#") for line in lines):
        return (
            "a line that begins with # (not shown)",
            "secrets only, one a line: there are no comments",
        )
    if any((found := _ASSIGNMENT.match(line)) and found[1] in _OUR_NAMES for line in lines):
        return "a line that begins with the name of an option (not shown)", "the secret alone"
    notations = filter(None, map(describe_notation, (text, *lines)))
    if notation := next(notations, ""):
        return notation, "one secret a line, without brackets and quotes"
    return None


def _is_broken_base64(lines: list[str]) -> bool:
    """Return whether lines look like one text in base64 that a program has broken into lines."""
    *full, last = lines or [""]
    if not full or {len(line) for line in full} - {len(full[0])} or len(full[0]) not in _WIDTHS:
        return False
    return len(last) <= len(full[0]) and all(
        _BASE64.fullmatch(line) and not _HEXADECIMAL.fullmatch(line) for line in full
    )


def _describe(lines: list[str]) -> str:
    if len(lines) == 1:
        return describe_secret(lines[0])
    return f"{len(lines)} lines (not shown)" if lines else "an empty file"
