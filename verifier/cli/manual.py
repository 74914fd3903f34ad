"""What ``--help`` and the manual page say about a command besides its options.

The manual page is written by ``contrib/man/build.py`` from the same values.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from verifier.config import CONFIG_VARIABLE, DEFAULT_CONFIG, OPTIONS
from verifier.config.option import REQUIRED

_MAX_WIDTH: Final = 100
_INDENT: Final = " " * 4

INTERRUPTED: Final = 130
"""The exit status after SIGINT, as shells report it."""

_USAGE: Final = 2
_CONFIGURATION: Final = 78

COMMON_STATUSES: Final[Mapping[int, str]] = MappingProxyType(
    {
        _USAGE: "The command line is wrong; standard error says what was expected.",
        _CONFIGURATION: "The configuration cannot be used; standard error lists every problem.",
        INTERRUPTED: "Interrupted from the keyboard.",
    }
)
"""The exit statuses that mean the same for every command."""

_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        CONFIG_VARIABLE: "The configuration file, if --config names none.",
        "JWT_*, XMPP_*, VERIFIER_*": "Options of the configuration; they override the file."
        " 'jitsi-verifier serve --help' lists them.",
    }
)

_FILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        str(DEFAULT_CONFIG): "The configuration file, unless --config or VERIFIER_CONFIG names"
        " another; TOML, with the options that 'jitsi-verifier serve --help' lists. It need not"
        " exist.",
        "secret and key files": "The files that the configuration names. They are only read.",
    }
)


@dataclass(frozen=True, slots=True)
class Manual:
    """The sections that follow the options of one command.

    Attributes:
        statuses: The command's own exit statuses, with their meaning. An empty meaning removes a
            common status that the command does not have.
        notes: More sections by title; each has terms and their meaning.
        examples: Command lines, each with its effect.
    """

    statuses: Mapping[int, str]
    notes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    examples: Sequence[tuple[str, str]] = ()

    def sections(self, *, configured: bool) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield the title and the terms of each section.

        Args:
            configured: Whether the command reads the configuration.
        """
        yield from self.notes.items()
        common = COMMON_STATUSES if configured else {_USAGE: COMMON_STATUSES[_USAGE]}
        statuses = {**common, **self.statuses}
        yield (
            "EXIT STATUS",
            {str(each): statuses[each] for each in sorted(statuses) if statuses[each]},
        )
        if configured:
            yield "ENVIRONMENT", _ENVIRONMENT
            yield "FILES", _FILES
        if self.examples:
            yield "EXAMPLES", {f"$ {command}": effect for command, effect in self.examples}


def option_terms() -> dict[str, str]:
    """Return the names of every option of the configuration, with its purpose and default."""
    return {
        ", ".join(option.names): f"{option.help} "
        + ("Required." if option.default_text == REQUIRED else f"Default: {option.default_text}.")
        for option in OPTIONS
    }


def render(title: str, terms: Mapping[str, str]) -> str:
    """Return a section as text for a terminal."""
    width = min(shutil.get_terminal_size().columns, _MAX_WIDTH) - 2
    lines = [f"\n{title}:"]
    for term, meaning in terms.items():
        # Short terms, such as statuses, are on one line with their meaning.
        if len(term) < len(_INDENT):
            first, rest = f"  {term:{len(_INDENT)}}", f"  {_INDENT}"
        else:
            lines.append(f"  {term}")
            first = rest = f"  {_INDENT}"
        lines += textwrap.wrap(
            meaning, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
        )
    return "\n".join([*lines, ""])
