"""The address of a client, as a trusted proxy says it: for the bypass and for the logs.

A proxy sends its client's address in ``X-Real-IP``. Any client can send such a header itself, so
the service reads the header only on connections from a trusted proxy, which must replace the
client's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from verifier.config.addresses import Network, parse_ip_address
from verifier.config.value_types import UNIX

# An IPv6 address with an IPv4 part and a scope has fewer characters.
_LONGEST: Final = 64
_REMEMBERED: Final = 4_096


class TrustedProxies:
    """Knows which proxies say the truth about a client's address.

    Args:
        networks: The networks of the proxies; ``unix`` for every peer on a unix socket.
    """

    def __init__(self, networks: Sequence[Network | str] = ()) -> None:
        self._unix_is_trusted = UNIX in networks
        self._networks = tuple(network for network in networks if not isinstance(network, str))

    def client_address(self, peer: Any, sent: str | None) -> str | None:
        """Return the address that a trusted proxy sent; None if there is none.

        The result is in the usual spelling of an address: no text of a client's choice.

        Args:
            peer: The proxy, as ``socket.getpeername`` returns it; None if it is not known.
            sent: The value of ``X-Real-IP``; None if it is missing or doubled.
        """
        if not sent or len(sent) > _LONGEST or not self._includes(peer):
            return None
        return _spelled(sent)

    def _includes(self, peer: Any) -> bool:
        if isinstance(peer, tuple):
            return is_in(peer[0], self._networks)
        # A peer on a unix socket has a name that is a string, mostly an empty one.
        return self._unix_is_trusted and peer is not None


@lru_cache(_REMEMBERED)
def is_in(text: str, networks: tuple[Network, ...]) -> bool:
    """Return whether a text is an IP address in one of these networks."""
    if not networks:
        return False
    address = parse_ip_address(text)
    return address is not None and any(address in network for network in networks)


@lru_cache(_REMEMBERED)
def _spelled(text: str) -> str | None:
    address = parse_ip_address(text)
    # A scope, as in fe80::1%eth0, may contain any characters.
    return None if address is None else str(address).partition("%")[0]
