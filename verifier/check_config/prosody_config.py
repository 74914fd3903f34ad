"""The options that a Prosody configuration sets, host by host.

The rules are those of Prosody's ``core.configmanager``:

- Options before the first host are global. A host without an option of its own has the global one.
- A component has the global options, but not the options of its parent VirtualHost.
- An included file starts in the global part again, wherever the Include is.

This module knows no option by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from encodings.idna import nameprep  # the profile by which Prosody prepares host names
from typing import Final

from verifier.check_config.lua_values import Unknown, Value

GLOBAL: Final = "*"
"""Prosody's name of the global part."""


@dataclass(frozen=True, slots=True)
class Location:
    """A line of a file.

    Attributes:
        file: The file's name.
        line: The line's number, from 1; 0 for the whole file.
    """

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem or a note about a location; the text contains no secret."""

    location: Location
    text: str

    def __str__(self) -> str:
        return f"{self.location}: {self.text}"


@dataclass(frozen=True, slots=True)
class ProsodyOption:
    """The value of an option, and where it is set."""

    value: Value = field(repr=False)
    location: Location


@dataclass(slots=True)
class Host:
    """A VirtualHost, a Component, or the global part.

    Attributes:
        name: The prepared name.
        location: Where the file names the host first.
        module: The module of a Component; None for a VirtualHost.
        options: The host's own options by name.
    """

    name: str
    location: Location
    module: Value = None
    options: dict[str, ProsodyOption] = field(default_factory=dict)


@dataclass(slots=True)
class ProsodyConfig:
    """The content of all files that were read.

    Attributes:
        hosts: The hosts by name; ``GLOBAL`` is the global part.
        problems: Errors at which Prosody would not start, and files that cannot be read.
        not_evaluated: Statements that were skipped; each may set any option.
        notes: Surprising facts that change nothing.
        files: All files that were read.
    """

    hosts: dict[str, Host] = field(default_factory=lambda: {GLOBAL: Host(GLOBAL, Location(""))})
    problems: list[Finding] = field(default_factory=list)
    not_evaluated: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def find_option(self, host: str, option: str) -> ProsodyOption | None:
        """Return a host's option, else the global one; the host need not be configured."""
        for name in (host, GLOBAL):
            found = self.hosts[name].options.get(option) if name in self.hosts else None
            if found is not None and found.value is not None:
                return found
        return None

    def value(self, host: str, option: str) -> Value:
        """Return the value of a host's option, else of the global one; None for neither."""
        found = self.find_option(host, option)
        return None if found is None else found.value

    def own_value(self, host: str, option: str) -> Value:
        """Return the value of the host's own option; None if the host does not set it."""
        found = self.hosts[host].options.get(option) if host in self.hosts else None
        return None if found is None else found.value

    def is_enabled(self, host: str) -> bool:
        """Return whether Prosody starts the host."""
        return self.value(host, "enabled") is not False

    def virtual_hosts(self) -> list[Host]:
        """Return the VirtualHosts that Prosody starts."""
        hosts = [host for host in self.hosts.values() if host.name != GLOBAL]
        return [host for host in hosts if host.module is None and self.is_enabled(host.name)]

    def components(self) -> list[Host]:
        """Return the Components that Prosody starts."""
        hosts = self.hosts.values()
        return [host for host in hosts if host.module is not None and self.is_enabled(host.name)]


def prepare_host_name(name: str) -> str | None:
    """Return a host's name in the form that Prosody compares; None for an impossible name."""
    try:
        form: str = nameprep(name)
    except UnicodeError:
        return None
    return form or None


ReadFile = Callable[[str], bytes]
"""Reads a file; raises OSError with a message that can be shown."""

ListFolder = Callable[[str], list[str]]
"""Returns the names in a folder; raises OSError."""

GetVariable = Callable[[str], str | Unknown | None]
"""Returns a variable of Prosody's environment."""

Locate = Callable[[int], Location]
"""Returns the location that a line of the source stands for."""
