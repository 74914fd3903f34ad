"""Environment variables of a deployment: their values, where each is set, and ``.env`` files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from verifier.check_config.env_file import split_env_file
from verifier.check_config.interpolation import Lookup, interpolate
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
        environ: The environment of Docker Compose, which values and names alone may refer to.
        config: Receives the findings.
    """
    variables = Variables(file)

    def look_up(name: str) -> str | None:
        return variables.values.get(name, environ.get(name))

    for found in split_env_file(text):
        location = Location(file, found.line)
        if not found.name:
            config.problems.append(Finding(location, "a line that is not NAME=VALUE"))
            continue
        value = found.value
        if value is None:
            value = environ.get(found.name)
        elif not found.literal:
            value = _replace(found.name, value, location, look_up, config)
        if value is not None:
            variables.set(found.name, value, location)
        if found.remark:
            config.notes.append(Finding(location, f"the value of {found.name} {found.remark}"))
    return variables


def note_unread(variables: Variables, config: ProsodyConfig) -> None:
    """Note the variables that only this program reads."""
    for name in _ONLY_OURS:
        if name in variables.locations:
            text = f"{name} is not read by docker-jitsi-meet's own templates"
            config.notes.append(Finding(variables.locations[name], text))


def _replace(
    name: str, value: str, location: Location, look_up: Lookup, config: ProsodyConfig
) -> str:
    """Return a variable's value with the other variables in it replaced."""
    found = interpolate(value, look_up)
    text = ""
    if found.malformed:
        text = "has a $ that Docker Compose cannot read"
    elif found.unset:
        # Its name may be a part of a secret.
        text = "has a $, which Docker Compose replaces with a variable that is not set"
    if text:
        cure = "set the variable, or put the value in single quotes"
        config.not_evaluated.append(Finding(location, f"{name} {text}: {cure}"))
    return found.text
