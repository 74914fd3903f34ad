"""What has been read of the configuration so far: values, problems and notices.

``toml_file`` and ``environment`` read the values, and check each by itself; ``validate`` checks
what options mean together. A bad value is recorded as a problem, and reading goes on, so that one
error names every problem.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from verifier.config.option import Option
from verifier.config.options import OPTIONS
from verifier.config.problems import Problem, shown, type_name
from verifier.config.secret_text import describe_secret
from verifier.config.value_types import KEY_TABLE

ReadFile = Callable[[Path], bytes]

BY_NAME: Final = {option.name: option for option in OPTIONS}
"""The options by the names that the file has for them."""

_TOML_HINTS: Final = {
    "Invalid value": "a text needs quotes, and true and false are lower case",
    "'=' after a key": "an option is written as NAME = VALUE",
    r"Unescaped '\\'": 'a backslash in "…" is written twice, or in single quotes once',
    "end of document after": "nothing may follow a value on its line",
    r"Unterminated string|Illegal character '\\n'": "the closing quote is missing",
}
"""What to do about an error of tomllib, by a part of its text, which may quote from the file."""
_ERROR_POSITION: Final = re.compile(r"\(at ([^()]*)\)$")


@dataclass(frozen=True, slots=True)
class GivenValue:
    """A good value and where it came from."""

    value: Any = field(repr=False)
    origin: str
    from_environment: bool


@dataclass(slots=True)
class ConfigInput:
    """What has been read so far.

    Attributes:
        read_file: Reads a secret's or key's file; raises OSError.
        given: Good values by option name; the environment's replace the file's.
        failed: Options with a bad value, which are not reported as missing, too.
        problems: Errors, each of which the operator must correct.
        notices: What an operator should know.
        unknown: Notices of names that are not known, which an error shows, too: a misspelt name
            can be its cause.
        files: Secret and key files that were named.
        path: The configuration file's path; empty without a file.
        hosts: The file's ``hosts``, not yet checked.
    """

    read_file: ReadFile
    given: dict[str, GivenValue] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    path: str = ""
    hosts: Any = field(default_factory=dict, repr=False)

    def has_bad_value(self, *names: str) -> bool:
        """Return whether any of these options has a bad value, and no good one that replaces it."""
        return any(name in self.failed and name not in self.given for name in names)

    def origin(self, name: str) -> str:
        """Return where an option's value came from, or could come from."""
        if name in self.given:
            return self.given[name].origin
        return BY_NAME[name].variable or "not set"

    def add_problem(self, name: str, found: str, expected: str) -> None:
        """Add a problem of an option."""
        self.problems.append(Problem(name, self.origin(name), found, expected))

    def add_notice(self, name: str, text: str) -> None:
        """Add a notice about an option."""
        self.notices.append(f"{name} ({self.origin(name)}): {text}")

    def fail(self, option: Option, origin: str, found: str, expected: str | None = None) -> None:
        """Record a bad value of an option."""
        self.failed.add(option.name)
        self.problems.append(Problem(option.name, origin, found, expected or option.type.expected))

    def fail_both(self, option: Option, first: str, second: str, origin: str) -> None:
        """Record that an option was given twice in one place."""
        self.fail(option, origin, f"both {first} and {second}", "only one of them")


def describe_value(option: Option, value: Any) -> str:
    """Return a bad value in words, without any part of a secret."""
    if option.type is KEY_TABLE:
        return type_name(value)  # a private key may stand there
    if not option.type.secret:
        return shown(value)
    return describe_secret(value) if isinstance(value, str) else f"{type_name(value)} (not shown)"


def describe_file_error(error: OSError | ValueError | RecursionError) -> str:
    """Return what is wrong with a file, without quoting from it."""
    if isinstance(error, RecursionError):
        return "tables or arrays nested too deep"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, tomllib.TOMLDecodeError):
        position = _ERROR_POSITION.search(str(error))
        is_double = re.search("overwrite|twice", str(error))
        what = "a name that is there twice" if is_double else "a syntax error"
        hints = (f" ({hint})" for text, hint in _TOML_HINTS.items() if re.search(text, str(error)))
        return (f"{what} at {position[1]}" if position else what) + next(hints, "")
    # The path itself may hold a NUL character, which open() refuses with a ValueError.
    return "bytes that are not UTF-8" if isinstance(error, UnicodeError) else "no file's name"
