"""What ``--help`` and the manual page say of a command beside its options."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from verifier.config import CONFIG_VARIABLE, OPTIONS, Option

_WIDEST: Final = 100
_INDENT: Final = " " * 4

USAGE: Final = 2
CONFIGURATION: Final = 78
INTERRUPTED: Final = 130
"""As shells report SIGINT."""

ALWAYS: Final[Mapping[int, str]] = MappingProxyType(
    {
        USAGE: "The command line is wrong; what was expected is on standard error.",
        CONFIGURATION: "The configuration cannot be used; every problem is on standard error.",
        INTERRUPTED: "Interrupted from the keyboard.",
    }
)
"""The statuses that mean the same for every command."""

_DEFAULT: Final = MappingProxyType(
    {0: "Done, and nothing was found wanting.", 1: "What was looked at was found wanting."}
)

ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        CONFIG_VARIABLE: "The configuration file, where --config names none.",
        "JWT_*, XMPP_*, VERIFIER_*": "Options of the configuration; they win over the file."
        " 'jitsi-verifier serve --help' lists them.",
    }
)

FILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "the configuration file": "TOML, with the options that 'jitsi-verifier serve --help' lists;"
        " there is none unless --config or VERIFIER_CONFIG names one.",
        "secret and key files": "The ones that the configuration names; read, never written.",
    }
)


@dataclass(frozen=True, slots=True)
class Manual:
    """Sections of a manual page.

    Attributes:
        statuses: Exit statuses besides the ones that every command has; no text takes one away.
        notes: More sections by title, each of terms and what they mean.
        examples: Command lines, each with what it does.
    """

    statuses: Mapping[int, str] = field(default_factory=lambda: _DEFAULT)
    notes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    examples: Sequence[tuple[str, str]] = ()

    def sections(self, *, configured: bool) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Give each section's title and terms, in their order.

        Args:
            configured: Whether the command reads the configuration.
        """
        yield from self.notes.items()
        always = ALWAYS if configured else {USAGE: ALWAYS[USAGE]}
        statuses = {**self.statuses, **always}
        yield (
            "EXIT STATUS",
            {str(number): statuses[number] for number in sorted(statuses) if statuses[number]},
        )
        if configured:
            yield "ENVIRONMENT", ENVIRONMENT
            yield "FILES", FILES
        if self.examples:
            yield "EXAMPLES", {f"$ {command}": what for command, what in self.examples}


def option_terms() -> dict[str, str]:
    """Give every option of the configuration, and what it is for."""
    return {", ".join(option.names): f"{option.help} {_default(option)}" for option in OPTIONS}


def _default(option: Option) -> str:
    required = option.default_text == "required"
    return "Required." if required else f"Default: {option.default_text}."


def render(title: str, terms: Mapping[str, str]) -> str:
    """Write a section for a terminal."""
    width = min(shutil.get_terminal_size().columns, _WIDEST) - 2
    lines = [f"\n{title}:"]
    for term, meaning in terms.items():
        if len(term) < len(_INDENT):
            first, rest = f"  {term:{len(_INDENT)}}", f"  {_INDENT}"
        else:
            lines.append(f"  {term}")
            first = rest = f"  {_INDENT}"
        lines += textwrap.wrap(
            meaning, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
        )
    return "\n".join([*lines, ""])
