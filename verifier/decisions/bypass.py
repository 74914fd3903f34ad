"""The bypass: clients that need no token, by their address (Jibri, Jigasi, a monitoring probe).

The service learns a client's address from a header that its proxy sets. Any client can send such a
header itself, so the service reads the header only on connections from a trusted proxy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from verifier.config.addresses import Network, parse_ip_address
from verifier.config.value_types import UNIX


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
        self._networks = networks
        self._unix_is_trusted = UNIX in trusted_proxies
        self._trusted = [proxy for proxy in trusted_proxies if not isinstance(proxy, str)]

    def applies(self, peer: Any, client_address: str) -> bool:
        """Return whether a trusted proxy says that the client needs no token.

        Args:
            peer: The proxy, as ``socket.getpeername`` returns it; None if it is not known.
            client_address: The client's address, as the proxy sent it.
        """
        return self._is_trusted(peer) and self.includes(client_address)

    def includes(self, client_address: str) -> bool:
        """Return whether a client address is in one of the networks that need no token."""
        return _is_in(client_address, self._networks)

    def _is_trusted(self, peer: Any) -> bool:
        if isinstance(peer, tuple):
            return _is_in(peer[0], self._trusted)
        # A peer on a unix socket has a name that is a string, mostly an empty one.
        return self._unix_is_trusted and peer is not None


def _is_in(text: str, networks: Sequence[Network]) -> bool:
    if not networks:
        return False
    address = parse_ip_address(text)
    return address is not None and any(address in network for network in networks)
