"""Problems of a configuration, in words that are safe to print.

This module knows no option by name. ``shown`` removes from a value everything that could be a
credential.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_LONGEST_SHOWN: Final = 80
_LONGEST_PATH: Final = 255  # a shortened path would name another file
_LONGEST_WORD_OF_NAME: Final = 20
_MOST_DIGITS_OF_NAME: Final = 4
_USER_INFO: Final = re.compile(r".*@", re.DOTALL)
_QUERY: Final = re.compile(r"\?.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Problem:
    """One error, which the operator must correct.

    Attributes:
        option: The option's name in the file; empty where the file itself is wrong.
        origin: Where the value came from: an environment variable, or a key and its file.
        found: What was found there, never a credential.
        expected: What would have been right.
    """

    option: str
    origin: str
    found: str
    expected: str

    def __str__(self) -> str:
        name = f"{self.option} ({self.origin})" if self.option else self.origin
        return f"{name}: found {self.found}; expected {self.expected}"


class ConfigError(Exception):
    """The configuration cannot be used.

    Attributes:
        problems: All of them, in the order in which they were found.
        notices: Names that are not known: a misspelt one can be the cause.
        source: What was read, in words; empty if that is not known.
    """

    def __init__(
        self, problems: Iterable[Problem], notices: Iterable[str] = (), source: str = ""
    ) -> None:
        self.problems = tuple(problems)
        self.notices = tuple(notices)
        self.source = source
        lines = [f"  {problem}" for problem in self.problems]
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        if self.notices:
            lines += ["A misspelt name may be the cause:", *(f"  {each}" for each in self.notices)]
        super().__init__("\n".join([f"{count} in the configuration:", *lines]))


def how_to_install(extra: str) -> str:
    """Return how to install an extra of this program.

    The text never has the program's bare name: in a package index, the name may belong to others.
    """
    return (
        f"the extra {extra}: the image has it; in the source tree, pip install '.[{extra}]'; with a"
        f" wheel, pip install './FILE.whl[{extra}]'"
    )


def shown(value: Any, longest: int = _LONGEST_SHOWN) -> str:
    """Return a value in words on one line, without user-info, query string or excess length."""
    if isinstance(value, str):
        value = _QUERY.sub("?***", _USER_INFO.sub("***@", value))
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        return f"[{', '.join(shown(item) for item in value)}]"
    elif not isinstance(value, bool | int | float):
        return type_name(value)
    text = json.dumps(value)
    return text if len(text) <= longest else text[:longest] + "…"


def shown_name(name: str) -> str:
    """Return a name that may be misspelt, quoted if it is not a plain word.

    A name that looks random is hidden, because a secret may stand in the place of a name.
    """
    words = re.split(r"[\s_.-]+", name)
    digits = sum(character.isdigit() for character in name)
    if digits > _MOST_DIGITS_OF_NAME or max(map(len, words)) > _LONGEST_WORD_OF_NAME:
        return f"a name of {len(name)} characters (not shown)"
    return name if name.replace("-", "_").isidentifier() else shown(name)


def type_name(value: Any) -> str:
    """Return the type of a TOML value in words."""
    names = {str: "a string", bool: "a boolean", int: "an integer", float: "a float"}
    names |= {dict: "a table", list: "an array"}
    return names.get(type(value), "a date or time")


def shown_path(path: Path) -> str:
    """Return a path in words, but hide a relative one: it may be a secret in the wrong place."""
    text = str(path)
    return shown(text, _LONGEST_PATH) if path.is_absolute() else "a relative path (not shown)"
