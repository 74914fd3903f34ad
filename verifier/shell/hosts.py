"""Which verifier answers for which virtual host.

Knows host names as proxies send them, with a port or without, and no configuration.
"""

from __future__ import annotations

from collections.abc import Mapping

from verifier.shell.service import Verifier


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
        self._strict = strict

    def find(self, host: str | None) -> Verifier | None:
        """Give the verifier that answers for a host; None where nobody does.

        Args:
            host: As in a ``Host`` header; None where nobody said.
        """
        if not self._by_host and not self._strict:
            return self.default
        found = self._by_host.get(host_name(host or ""))
        return found if found is not None or self._strict else self.default


def host_name(host: str) -> str:
    """Bring a ``Host`` to the name that it means: no port, no root dot, lower case."""
    name, colon, port = host.rpartition(":")
    bare = name if colon and port.isdecimal() else host
    return bare.removesuffix(".").lower()
