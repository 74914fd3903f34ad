"""Which verifier answers for which virtual host.

A client sends the host name, with a port or without, in upper or lower case. Each host's verifier
has its own policy and keys, so no other module may choose one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from verifier.decisions.verifier import Verifier
from verifier.rooms.host import name_of_host


class Hosts:
    """The verifiers by host.

    Args:
        default: The verifier of every host that is not configured.
        by_host: The verifiers of the configured hosts, by host name in lower case.
        refuses_unknown_hosts: Whether hosts that are not configured have no verifier.
    """

    def __init__(
        self,
        default: Verifier,
        by_host: Mapping[str, Verifier],
        *,
        refuses_unknown_hosts: bool = False,
    ) -> None:
        self.default = default
        self._by_host = by_host
        self.refuses_unknown_hosts = refuses_unknown_hosts

    def find(self, host: str | None) -> Verifier | None:
        """Return the verifier of a host; None if the host is not served.

        Args:
            host: A ``Host`` header's value; None if there was none.
        """
        if not self._by_host and not self.refuses_unknown_hosts:
            return self.default
        found = self._by_host.get(name_of_host(host or ""))
        return found if found is not None or self.refuses_unknown_hosts else self.default

    @property
    def names(self) -> Collection[str]:
        """The names of the configured hosts."""
        return self._by_host.keys()

    def configured_name(self, host: str | None) -> str | None:
        """Return the name under which a host is configured; None if it is not."""
        name = name_of_host(host or "")
        return name if name in self._by_host else None
