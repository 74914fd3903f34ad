"""Service participants that need no token at the gate: Jibri, Jigasi, a monitoring probe.

They are known by their address, and their address only by a proxy that is trusted to tell it.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from verifier.http.request_head import RequestHead, sole_header

_UNIX = "unix"


class Bypass:
    """Decides by address alone.

    Args:
        networks: Whom to let in.
        trusted_proxies: Whose ``X-Real-IP`` is believed; ``unix`` for peers on unix sockets.
    """

    def __init__(
        self,
        networks: Sequence[IPv4Network | IPv6Network] = (),
        trusted_proxies: Sequence[IPv4Network | IPv6Network | str] = (),
    ) -> None:
        self._networks = networks
        self._unix_is_trusted = _UNIX in trusted_proxies
        self._trusted = [each for each in trusted_proxies if not isinstance(each, str)]

    def applies(self, request: RequestHead) -> bool:
        """Tell whether a trusted proxy says that the client is one of these."""
        if not self._networks or not self._is_trusted(request):
            return False
        return _is_in(sole_header(request, "X-Real-IP"), self._networks)

    def _is_trusted(self, request: RequestHead) -> bool:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        if isinstance(peer, tuple):
            return _is_in(peer[0], self._trusted)
        return self._unix_is_trusted and peer is not None


def _is_in(text: str | None, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        address = ip_address(text or "")
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any((mapped or address) in network for network in networks)
