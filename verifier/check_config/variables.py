"""Environment variables of a deployment: their values, where each is set, and ``.env`` files."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from dotenv.parser import Binding, parse_stream

from verifier.check_config.interpolation import interpolate
from verifier.check_config.prosody_config import Finding, Location, ProsodyConfig

_ONLY_OURS: Final = ("JWT_CACHE_KEYS_URL", "JWT_REQUIRE_ROOM_CLAIM")
"""Variables that this program reads, and docker-jitsi-meet's templates do not."""


@dataclass(slots=True)
class Variables:
    """Environment variables.

    Attributes:
        file: The file to which variables belong that have their default.
        values: The values by name; secrets are among them.
        locations: Where each variable is set.
    """

    file: str
    values: dict[str, str] = field(default_factory=dict, repr=False)
    locations: dict[str, Location] = field(default_factory=dict)

    def set(self, name: str, value: str, location: Location) -> None:
        """Set a variable."""
        self.values[name] = value
        self.locations[name] = location

    def add(self, others: Variables) -> None:
        """Set all variables of another file."""
        self.values |= others.values
        self.locations |= others.locations

    def locate(self, variable: str) -> Location:
        """Return where a variable is set, or the file with the note that it has its default."""
        if variable in self.locations:
            return self.locations[variable]
        return Location(f"{self.file} (default of {variable})" if variable else self.file)


def read_env_file(
    text: str, file: str, environ: Mapping[str, str], config: ProsodyConfig
) -> Variables:
    """Read the content of a ``.env`` file as Docker Compose does.

    Args:
        text: The content.
        file: The file's name.
        environ: The variables that values may name, besides those of the file.
        config: Receives the findings.
    """
    variables = Variables(file)
    for binding in parse_stream(io.StringIO(text)):
        # python-dotenv counts the blank lines before a binding as a part of it.
        blank = len(binding.original.string) - len(binding.original.string.lstrip("\r\n"))
        newlines = binding.original.string.count("\n", 0, blank)
        location = Location(file, binding.original.line + newlines)
        if binding.error:
            config.problems.append(Finding(location, "a line that is not NAME=VALUE"))
        elif binding.key is not None:
            lookup = _lookup_in(variables.values, environ)
            variables.set(binding.key, _resolve(binding, location, lookup, config), location)
    return variables


def note_unread(variables: Variables, config: ProsodyConfig) -> None:
    """Note the variables that only this program reads."""
    for name in _ONLY_OURS:
        if name in variables.locations:
            text = f"{name} is not read by docker-jitsi-meet's own templates"
            config.notes.append(Finding(variables.locations[name], text))


def _lookup_in(
    values: Mapping[str, str], environ: Mapping[str, str]
) -> Callable[[str], str | None]:
    return lambda name: values.get(name, environ.get(name))


def _resolve(
    binding: Binding,
    location: Location,
    lookup: Callable[[str], str | None],
    config: ProsodyConfig,
) -> str:
    """Return a variable's value with the other variables in it replaced."""
    value = binding.value or ""
    written = binding.original.string.partition("=")[2].lstrip()
    if written.startswith("'"):  # Docker Compose replaces nothing in single quotes
        return value
    found = interpolate(value, lookup)
    if found.unset or found.malformed:
        text = "has a $, which Docker Compose replaces: put the value in single quotes"
        config.not_evaluated.append(Finding(location, f"{binding.key} {text}"))
    return found.text
