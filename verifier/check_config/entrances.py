"""Users that Prosody lets into the rooms of a host, and that this program refuses at the proxy.

A VirtualHost without rooms of its own shares those of the main host: guests (``guest.…``), 8x8's
Jigasi (``jigasi.…``), Jibri's browser (``recorder.…``). No URL names such a host, so it needs no
``[hosts]`` table, and its users come to the gate under the main host's name. The gate has only the
main host's options, and refuses the users that these options refuse.

The host of Jicofo's account (``auth.…``) is left out: its users do not come through the proxy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from verifier.check_config.comparison import compare_options, find_own_options, options_of
from verifier.check_config.deployment import Deployment
from verifier.check_config.lua_values import as_string, as_strings
from verifier.check_config.prosody_config import Host, ProsodyConfig
from verifier.check_config.token_hosts import (
    ANONYMOUS,
    OWN_MODULE,
    TokenHost,
    accepts_tokens,
    authentication_of,
    main_host,
    token_host,
)
from verifier.config import Settings

_TOKEN_OPTIONS: Final = (
    "asap_accepted_issuers",
    "asap_accepted_audiences",
    "signature_algorithm",
    "app_secret",
    "asap_key_server",
    "cache_keys_url",
)

_USER_LISTS: Final = ("recorder_prefixes", "transcriber_prefixes")
"""Options of Prosody that name the participants of a host with passwords."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """Users who enter by a host of their own.

    Attributes:
        host: The VirtualHost.
        text: Who they are, and what lets them in.
        where: Where the host is set up.
        certain: Whether the files show that there are such users. Jitsi's Debian packages set up
            the host ``recorder.…`` for accounts that exist only where Jibri does.
    """

    host: str
    text: str
    where: str
    certain: bool = True


def find_entrances(deployment: Deployment, settings: Settings) -> list[Entrance]:
    """Return the entrances beside the gate; none if no host of Prosody accepts tokens."""
    if not deployment.hosts:
        return []
    found: list[Entrance] = []
    for host in deployment.sharing:
        main = main_host(host, deployment.hosts)
        own = find_own_options(main, settings)[1]
        users = _refused_users(host, deployment.config, own)
        found += [Entrance(host.name, text, str(host.location), sure) for text, sure in users]
    return found


def _refused_users(
    host: Host, config: ProsodyConfig, settings: Settings
) -> Iterator[tuple[str, bool]]:
    """Yield which users of a host are refused, and whether the files show that there are any."""
    authentication = authentication_of(host, config)
    if accepts_tokens(host, config):
        for text in _refused_tokens(token_host(host, config), settings):
            yield text, True
    elif authentication in ANONYMOUS:
        if not settings.allow_empty_token:
            yield _guests(host.name), True
    elif not settings.bypass and not _is_for_services(host, config):
        named = _has_named_users(host, config)
        if named or _shares_a_name(host, config):
            yield _accounts(host.name, authentication), named


def _guests(host: str) -> str:
    return (
        f"VirtualHost {host} lets in users without a token; this verifier refuses them"
        " (allow_empty_token = false): set it to true, or remove that host"
    )


def _accounts(host: str, authentication: str) -> str:
    return (
        f"VirtualHost {host} lets in accounts with a password (authentication ="
        f' "{authentication}"), such as Jibri\'s; this verifier refuses them, because they have no'
        " token: name the addresses of such services in bypass"
    )


def _refused_tokens(host: TokenHost, settings: Settings) -> Iterator[str]:
    if host.authentication == OWN_MODULE:
        return
    if host.options["allow_empty_token"] is True and not settings.allow_empty_token:
        yield _guests(host.name)
    addresses = [str(address) for address in settings.listen]
    rows = compare_options(host, options_of(settings), addresses)
    other = [
        f"{row.option} {row.prosody}"
        for row in rows
        if row.option in _TOKEN_OPTIONS and row.result in ("differs", "unknown")
    ]
    if other:
        yield (
            f"VirtualHost {host.name} lets in users with other tokens ({'; '.join(other)}); this"
            " verifier refuses these tokens"
        )


def _is_for_services(host: Host, config: ProsodyConfig) -> bool:
    """Return whether a host is that of Jicofo and the bridges, which are no participants."""
    targets = [config.value(component.name, "target_address") for component in config.components()]
    return host.name.startswith("auth.") or f"focus@{host.name}" in map(as_string, targets)


def _has_named_users(host: Host, config: ProsodyConfig) -> bool:
    """Return whether options name participants of a host with passwords, such as Jibri."""
    lists = [config.value(host.name, name) for name in _USER_LISTS]
    users = [user for found in map(as_strings, lists) if isinstance(found, tuple) for user in found]
    return any(user.lower().endswith(f"@{host.name}") for user in users)


def _shares_a_name(host: Host, config: ProsodyConfig) -> bool:
    """Return whether a host belongs to another one, and not to something else than Jitsi."""
    if config.own_value(host.name, "main_muc") is not None:
        return True
    return any(host.name.endswith(f".{other.name}") for other in config.virtual_hosts())
