"""Values that break the Lua of docker-jitsi-meet's templates.

The templates put a value between quotation marks as it is, or take it as lines of Lua. A quotation
mark, a backslash or a line break in the first case, and a comma in the second, make another text
of it. Each finding names the variable, the character and the way out, and never the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from verifier.check_config.lua_lexer import LuaSyntaxError, unescape
from verifier.check_config.lua_parser import parse
from verifier.config.docker import split_list

QUOTED: Final = "quoted"
LUA: Final = "lua"
SWITCH: Final = "switch"
_SPLIT_AT_COMMAS: Final = frozenset(("XMPP_CONFIGURATION", "XMPP_MUC_CONFIGURATION"))

_QUOTATION_MARK: Final = re.compile(r'(?<!\\)(?:\\\\)*"')
_PLAIN: Final = 'use letters, digits, "-", "_" and "." only'
_BETWEEN: Final = "docker-jitsi-meet's templates put the value between quotation marks as it is"


@dataclass(frozen=True, slots=True)
class Breakage:
    """A value that is not what it seems.

    Attributes:
        variable: The variable's name.
        text: What is wrong, and what to do.
        stops: Whether Prosody would not start.
    """

    variable: str
    text: str
    stops: bool


def find_breakages(variables: Mapping[str, str], forms: Mapping[str, str]) -> Iterator[Breakage]:
    """Yield what is wrong with the values that the templates use.

    Args:
        variables: The values by name.
        forms: The form of each variable that is used: ``QUOTED``, ``LUA`` or ``SWITCH``.
    """
    for name, form in forms.items():
        value = variables.get(name, "")
        if form == SWITCH:
            continue
        found = _find_in_quotes(name, value) if form == QUOTED else _find_in_lua(name, value)
        if found is not None:
            yield found


def _find_in_quotes(name: str, value: str) -> Breakage | None:
    if "\n" in value or "\r" in value:
        text = f"{name} contains a line break. {_BETWEEN}, and Lua ends a text at a line break, so"
        return Breakage(name, f"{text} Prosody would not start: {_PLAIN}", stops=True)
    if _QUOTATION_MARK.search(value):
        text = f'{name} contains a quotation mark ("). {_BETWEEN}, so the text ends there, and'
        return Breakage(name, f"{text} Prosody would not start: {_PLAIN}", stops=True)
    if "\\" not in value:
        return None
    before = f"{name} contains a backslash (\\). {_BETWEEN}, and Lua reads"
    try:
        unescape(value)
    except LuaSyntaxError:
        text = f"{before} an escape sequence that it does not know, so Prosody would not start"
        return Breakage(name, f"{text}: {_PLAIN}", stops=True)
    text = f"{before} an escape sequence, so Prosody's value is another one than that of the file"
    return Breakage(name, f"{text}: {_PLAIN}", stops=False)


def _find_in_lua(name: str, value: str) -> Breakage | None:
    splits = name in _SPLIT_AT_COMMAS
    lines = split_list(value) if splits else value.split("\\n")
    try:
        parse("\n".join(lines).encode("utf-8", "surrogateescape"))
    except LuaSyntaxError:
        return Breakage(name, _explain_lua(name, value, splits=splits), stops=True)
    return None


def _explain_lua(name: str, value: str, *, splits: bool) -> str:
    if splits and "," in value:
        return (
            f"{name} contains a comma (,). docker-jitsi-meet ends a line of Lua at each comma, and"
            " these lines are not Lua, so Prosody would not start: separate the items of a table by"
            " ; instead"
        )
    end = "a comma" if splits else "\\n"
    return (
        f"{name} is not Lua, so Prosody would not start: write complete lines, such as"
        f' name = "value", and {end} between them'
    )
