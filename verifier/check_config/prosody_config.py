"""What a Prosody configuration sets, host by host, as Prosody's ``core.configmanager`` reads it.

Options before the first host are global; a host that lacks one has the global one; a component has
no other host's. An included file begins in the global part again, whatever included it. Knows no
option by name; reads files only through what it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from encodings.idna import nameprep  # Prosody prepares the names of hosts by the same profile
from typing import Final

from verifier.check_config.lua_values import Unknown, Value

GLOBAL: Final = "*"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a place, in words that hold no secret."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True, slots=True)
class Given:
    """An option's value and where it is set."""

    value: Value = field(repr=False)
    place: Place


@dataclass(slots=True)
class Host:
    """A VirtualHost, a Component, or the global part.

    Attributes:
        place: Where it begins first.
        module: A component's module; None for a VirtualHost.
    """

    name: str
    place: Place
    module: Value = None
    options: dict[str, Given] = field(default_factory=dict)


@dataclass(slots=True)
class ProsodyConfig:
    """Everything that has been read.

    Attributes:
        hosts: By name; ``GLOBAL`` is the global part.
        problems: For which Prosody would not start, or what could not be read at all.
        unread: What could not be evaluated, or only Prosody could tell; it may set anything.
        notes: What may surprise, and changes nothing.
        files: Every file that was read.
    """

    hosts: dict[str, Host] = field(default_factory=lambda: {GLOBAL: Host(GLOBAL, Place(""))})
    problems: list[Finding] = field(default_factory=list)
    unread: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def given(self, host: str, option: str) -> Given | None:
        """Give the option of a host, or of one that is not configured, as Prosody would."""
        for name in (host, GLOBAL):
            found = self.hosts[name].options.get(option) if name in self.hosts else None
            if found is not None and found.value is not None:
                return found
        return None

    def value(self, host: str, option: str) -> Value:
        """Give the option's value alone; None where there is none."""
        found = self.given(host, option)
        return None if found is None else found.value

    def own(self, host: str, option: str) -> Value:
        """Give what the host itself sets."""
        found = self.hosts[host].options.get(option) if host in self.hosts else None
        return None if found is None else found.value

    def is_enabled(self, host: str) -> bool:
        """Tell whether Prosody starts the host."""
        return self.value(host, "enabled") is not False

    def virtual_hosts(self) -> list[Host]:
        """Give the VirtualHosts that are started."""
        hosts = [host for host in self.hosts.values() if host.name != GLOBAL]
        return [host for host in hosts if host.module is None and self.is_enabled(host.name)]

    def components(self) -> list[Host]:
        """Give the components that are started."""
        hosts = self.hosts.values()
        return [host for host in hosts if host.module is not None and self.is_enabled(host.name)]


def prepared(name: str) -> str | None:
    """Bring a host's name to the form that Prosody compares; None where it has none."""
    try:
        form: str = nameprep(name)
    except UnicodeError:
        return None
    return form or None


Reader = Callable[[str], bytes]
"""Reads a file; raises OSError, with a message that can be shown."""

Lister = Callable[[str], list[str]]
"""Lists the names in a folder; raises OSError."""

Environ = Callable[[str], str | Unknown | None]
"""Gives a variable of Prosody's environment."""

PlaceOf = Callable[[int], Place]
"""Gives the place that a line of a file stands for."""
