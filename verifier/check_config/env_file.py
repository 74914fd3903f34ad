"""docker-jitsi-meet's ``.env``, as Docker Compose reads it, and where each variable stands."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables

from verifier.check_config.docker import OURS_ALONE
from verifier.check_config.prosody_config import Finding, Place, ProsodyConfig


@dataclass(slots=True)
class EnvFile:
    """What has been read.

    Attributes:
        variables: Their values; secrets are among them.
        lines: The line of each.
    """

    file: Path
    variables: dict[str, str] = field(default_factory=dict, repr=False)
    lines: dict[str, int] = field(default_factory=dict)

    def read(self, text: str, config: ProsodyConfig) -> None:
        """Read the file; what is wrong with it goes to ``config``."""
        for binding in parse_stream(io.StringIO(text)):
            self._take(binding, config)

    def place(self, variable: str) -> Place:
        """Say where a variable is set, or that it has its default."""
        if variable in self.lines:
            return Place(str(self.file), self.lines[variable])
        return Place(f"{self.file} (default of {variable})" if variable else str(self.file))

    def _take(self, binding: Binding, config: ProsodyConfig) -> None:
        # A binding begins with the blank lines before it.
        blank = len(binding.original.string) - len(binding.original.string.lstrip("\r\n"))
        newlines = binding.original.string.count("\n", 0, blank)
        place = Place(str(self.file), binding.original.line + newlines)
        if binding.error:
            config.problems.append(Finding(place, "a line that is no NAME=VALUE"))
        elif binding.key is not None:
            self.variables[binding.key] = self._resolved(binding, place, config)
            self.lines[binding.key] = place.line

    def _resolved(self, binding: Binding, place: Place, config: ProsodyConfig) -> str:
        value = binding.value or ""
        written = binding.original.string.partition("=")[2].lstrip()
        if not written.startswith("'"):
            atoms = parse_variables(value)
            value = "".join(atom.resolve(self.variables) for atom in atoms)
            if "$" in value:
                found = "has a $, which Docker Compose replaces: put the value in single quotes"
                config.unread.append(Finding(place, f"{binding.key} {found}"))
        if binding.key in OURS_ALONE:
            found = f"{binding.key} is not read by docker-jitsi-meet's own templates"
            config.notes.append(Finding(place, found))
        return value
