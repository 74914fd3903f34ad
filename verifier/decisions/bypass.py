"""The bypass: clients that need no token, by their address (Jibri, Jigasi, a monitoring probe)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from verifier.config.addresses import Network
from verifier.decisions.trusted_proxies import TrustedProxies, is_in


class Bypass:
    """Decides by address alone which clients need no token.

    Args:
        networks: The networks of the clients that need no token.
        trusted_proxies: The networks of the proxies whose ``X-Real-IP`` is used; ``unix`` for every
            peer on a unix socket.
    """

    def __init__(
        self,
        networks: Sequence[Network] = (),
        trusted_proxies: Sequence[Network | str] = (),
    ) -> None:
        self._networks = tuple(networks)
        self._proxies = TrustedProxies(trusted_proxies)

    def applies(self, peer: Any, client_address: str) -> bool:
        """Return whether a trusted proxy says that the client needs no token.

        Args:
            peer: The proxy, as ``socket.getpeername`` returns it; None if it is not known.
            client_address: The client's address, as the proxy sent it.
        """
        if not self._networks:
            return False
        client = self._proxies.client_address(peer, client_address)
        return client is not None and self.includes(client)

    def includes(self, client_address: str) -> bool:
        """Return whether a client address is in one of the networks that need no token."""
        return is_in(client_address, self._networks)
