from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from verifier.decisions.trusted_proxies import TrustedProxies

LOOPBACK = ("127.0.0.1", 40_000)
TRUSTED = TrustedProxies([ip_network("127.0.0.0/8"), ip_network("::1")])


@pytest.mark.parametrize(
    ("sent", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ('fe80::1%", "client": "1.2.3.4', "fe80::1"),
        (None, None),
        ("", None),
        ("unix:", None),
        ("203.0.113.7:443", None),
        ("203.0.113.7, 198.51.100.1", None),
        (" 203.0.113.7", None),
        ("203.0.113.07", None),
        ("ada", None),
        (f"fe80::1%{'x' * 100}", None),
    ],
)
def test_client_is_an_address_in_its_usual_spelling(sent: str | None, address: str | None) -> None:
    assert TRUSTED.client_address(LOOPBACK, sent) == address


@pytest.mark.parametrize(
    ("networks", "peer", "trusted"),
    [
        (["127.0.0.0/8"], LOOPBACK, True),
        (["127.0.0.0/8"], ("::ffff:127.0.0.1", 1, 0, 0), True),
        (["127.0.0.0/8"], ("10.0.0.1", 1), False),
        (["127.0.0.0/8"], "", False),
        (["127.0.0.0/8"], None, False),
        (["unix"], "", True),
        (["unix"], b"\0name", True),
        (["unix"], LOOPBACK, False),
        (["unix"], None, False),
        ([], LOOPBACK, False),
        ([], "", False),
    ],
)
def test_only_trusted_proxies_are_believed(networks: list[str], peer: Any, trusted: bool) -> None:
    proxies = TrustedProxies([each if each == "unix" else ip_network(each) for each in networks])
    assert (proxies.client_address(peer, "203.0.113.7") is not None) is trusted
