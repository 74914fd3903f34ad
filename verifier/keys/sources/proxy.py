"""Which HTTP proxy a URL is fetched through: the variables that curl and most programs read.

``HTTPS_PROXY`` for https, ``HTTP_PROXY`` for http, and ``ALL_PROXY`` for both, also in lower case.
``NO_PROXY`` lists what is fetched directly, between commas or blanks: host names with their
subdomains (also written ``.example.org`` or ``*.example.org``), addresses, networks such as
``10.0.0.0/8``, or ``*`` for everything. A loopback address is fetched directly, too, unless
the proxy has one itself: no proxy on another machine can reach it.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.request import getproxies

from yarl import URL


def proxy_for(url: URL) -> URL | None:
    """Return the proxy for a URL, perhaps with a user and a password; None to connect directly.

    Raises:
        ValueError: The variable is no URL of an HTTP proxy.
    """
    proxies = getproxies()
    text = proxies.get(url.scheme) or proxies.get("all", "")
    if not text:
        return None
    proxy = _parse(text)
    if _is_loopback(url) and not _is_loopback(proxy):
        return None
    return None if _is_excluded(url, proxies.get("no", "")) else proxy


def _parse(text: str) -> URL:
    expected = "expected an http or https URL in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY"
    try:
        # curl takes "proxy.example.org:3128" for an http URL.
        proxy = URL(text if "://" in text else f"http://{text}")
    except ValueError:
        # The message may quote a password.
        raise ValueError(f"{expected}, found no URL") from None
    if proxy.scheme not in ("http", "https"):
        raise ValueError(f"{expected}, found one of scheme {proxy.scheme!r}")
    if not proxy.host:
        raise ValueError(f"{expected}, found one without a host")
    return proxy


def _is_excluded(url: URL, no_proxy: str) -> bool:
    host, address = url.host or "", _address(url)
    entries = no_proxy.replace(",", " ").split()
    if address and any(address in network for network in _networks(entries)):
        return True
    # An entry may name a port, too.
    names = (f".{host}", f".{host}:{url.port}")
    return any(entry == "*" or _matches(names, entry) for entry in entries)


def _matches(names: tuple[str, ...], entry: str) -> bool:
    suffix = entry.lower().removeprefix("*").lstrip(".")
    return bool(suffix) and any(name.endswith(f".{suffix}") for name in names)


def _is_loopback(url: URL) -> bool:
    address = _address(url)
    return url.host == "localhost" if address is None else address.is_loopback


def _address(url: URL) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(url.host or "")
    except ValueError:
        return None


def _networks(entries: list[str]) -> list[IPv4Network | IPv6Network]:
    networks = []
    for entry in entries:
        with suppress(ValueError):
            networks.append(ip_network(entry.strip("[]"), strict=False))
    return networks
