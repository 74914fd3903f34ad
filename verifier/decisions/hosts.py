"""Which verifier answers for which virtual host.

Knows host names as proxies send them, with a port or without, and no configuration.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from verifier.decisions.verifier import Verifier
from verifier.rooms.host import name_of_host


class Hosts:
    """Verifiers by host.

    Args:
        default: For every host that has none of its own.
        by_host: By host name, lower case.
        strict: Whether hosts that have none of their own are refused.
    """

    def __init__(
        self, default: Verifier, by_host: Mapping[str, Verifier], *, strict: bool = False
    ) -> None:
        self.default = default
        self._by_host = by_host
        self.strict = strict

    def find(self, host: str | None) -> Verifier | None:
        """Give the verifier that answers for a host; None where nobody does.

        Args:
            host: As in a ``Host`` header; None where nobody said.
        """
        if not self._by_host and not self.strict:
            return self.default
        found = self._by_host.get(name_of_host(host or ""))
        return found if found is not None or self.strict else self.default

    @property
    def names(self) -> Collection[str]:
        """The hosts that have a verifier of their own."""
        return self._by_host.keys()

    def own_name(self, host: str | None) -> str | None:
        """Give the name under which a host has a verifier of its own; None where it has none."""
        name = name_of_host(host or "")
        return name if name in self._by_host else None
