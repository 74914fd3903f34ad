"""The hosts of a Prosody that accept tokens, and the options in force for each of them.

Follows Jitsi's ``token/util.lib.lua`` for options and defaults, and ``mod_token_verification`` for
the host whose options apply to a room: host ``H`` for the MUC component ``conference.H``.

To compare another option, add its getter to ``_GETTERS`` and its default to ``_DEFAULTS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from verifier.check_config.lua_values import (
    Unknown,
    Value,
    as_boolean,
    as_number,
    as_string,
    as_strings,
)
from verifier.check_config.prosody_config import Host, Location, ProsodyConfig

OptionValue: TypeAlias = str | bool | float | tuple[str, ...] | Unknown | None
"""The value of an option on either side."""

OWN_MODULE: Final = "jitsi_verifier"
"""The authentication of hosts that ask this program: contrib/prosody's module."""

MATRIX_MODULE: Final = "hybrid_matrix_token"
"""The authentication of hosts that accept tokens, and users of a Matrix server besides."""

_GETTERS: Final[dict[str, Callable[[Value], OptionValue]]] = {
    "app_id": as_string,
    "asap_accepted_issuers": as_strings,
    "asap_accepted_audiences": as_strings,
    "signature_algorithm": as_string,
    "app_secret": as_string,
    "asap_key_server": as_string,
    "cache_keys_url": as_string,
    "asap_require_room_claim": as_boolean,
    "allow_empty_token": as_boolean,
    "enable_domain_verification": as_boolean,
    "muc_mapper_domain_base": as_string,
    "muc_mapper_domain_prefix": as_string,
    "muc_mapper_domain": as_string,
    "token_regex_enabled": as_boolean,
    "token_regex_room_max_length": as_number,
    "token_regex_max_quantifiers": as_number,
}
COMPARED: Final = tuple(_GETTERS)
"""The options that both sides have, in the order of display."""

MAPPER_OPTIONS: Final = ("muc_mapper_domain_base", "muc_mapper_domain_prefix", "muc_mapper_domain")
"""The options that say which MUC domain belongs to an XMPP domain."""

_DEFAULTS: Final[dict[str, OptionValue]] = {
    "asap_accepted_audiences": ("*",),
    "asap_require_room_claim": True,
    "allow_empty_token": False,
    "enable_domain_verification": True,
    "muc_mapper_domain_prefix": "conference",
    "token_regex_enabled": True,
    "token_regex_room_max_length": 128,
    "token_regex_max_quantifiers": 3,
}
_VERIFYING_MODULES: Final = frozenset({"token_verification", "jitsi_verifier_muc"})
_PROVIDERS: Final = """
    anonymous jitsi-anonymous jitsi-shared-secret internal_hashed internal_plain cyrus ldap
    ldap2 http matrix_user_verification insecure
"""
_WITHOUT_TOKENS: Final = frozenset(_PROVIDERS.split())
"""Values of ``authentication`` that never read a token."""
ANONYMOUS: Final = frozenset({"anonymous", "jitsi-anonymous"})
"""Values of ``authentication`` that let in every client."""
# As Jitsi matches a component's name with the Lua pattern "%w+.(%w.+)".
_PARENT: Final = re.compile(r"[A-Za-z0-9]+.([A-Za-z0-9].+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MucComponent:
    """A component with rooms.

    Attributes:
        name: The component's host name.
        location: Where the component is set up.
        verifies: Whether it loads a module that compares tokens with rooms.
        modules: The modules that it loads.
        sees_domain: Whether Jitsi's domain mapper has the same domain as the token modules. The
            mapper reads the options of the component, and the token modules those of the host.
        ignored: The component's own options that the token modules do not read.
    """

    name: str
    location: Location
    verifies: bool
    modules: tuple[str, ...] | Unknown
    sees_domain: bool
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenHost:
    """A VirtualHost that accepts tokens.

    Attributes:
        name: The host name.
        location: Where the host is set up.
        authentication: Prosody's authentication provider.
        options: The options in force, by the names in ``COMPARED``.
        locations: Where each option is set; an option that is missing here has its default.
        rooms: The components with rooms below this host.
        lobby: Whether the lobby module is loaded.
    """

    name: str
    location: Location
    authentication: str
    options: dict[str, OptionValue] = field(repr=False)
    locations: dict[str, Location]
    rooms: tuple[MucComponent, ...]
    lobby: bool | Unknown


def find_token_hosts(config: ProsodyConfig) -> list[TokenHost]:
    """Return the enabled VirtualHosts that accept tokens, in the order of the files."""
    hosts = config.virtual_hosts()
    return [token_host(host, config) for host in hosts if accepts_tokens(host, config)]


def find_guest_hosts(config: ProsodyConfig) -> list[Host]:
    """Return the enabled VirtualHosts that need no authentication."""
    hosts = config.virtual_hosts()
    return [host for host in hosts if authentication_of(host, config) in ANONYMOUS]


def shares_rooms(host: Host, config: ProsodyConfig) -> bool:
    """Return whether the users of a VirtualHost enter the rooms of another one.

    Such a host (``guest.…``, ``jigasi.…``, ``recorder.…``) is no host of the web: no URL names it.
    """
    if _muc_components(host.name, config) or _domain(host, config) == host.name:
        return False
    if belongs_to_another(host, config):
        return True
    names = {other.name for other in config.virtual_hosts()} - {host.name}
    # Read once for all names: a configuration may have hundreds of hosts.
    rooms = [component for component in config.components() if component.module == "muc"]
    return any(parent_of(component.name) in names for component in rooms)


def belongs_to_another(host: Host, config: ProsodyConfig) -> bool:
    """Return whether options of a VirtualHost say that its rooms are those of another one."""
    names = {other.name for other in config.virtual_hosts()} - {host.name}
    muc = as_string(config.value(host.name, "main_muc"))
    owner = parent_of(muc.lower()) if isinstance(muc, str) else None
    return owner in names or _domain(host, config) in names


def main_host(host: Host, hosts: list[TokenHost]) -> TokenHost:
    """Return the host whose rooms the users of another host enter."""
    above = [other for other in hosts if host.name.endswith(f".{other.name}")]
    return (above or hosts)[0]


def lets_in_guests(host: Host, config: ProsodyConfig) -> bool:
    """Return whether a VirtualHost certainly lets in users without a token."""
    if accepts_tokens(host, config):
        return as_boolean(config.value(host.name, "allow_empty_token")) is True
    return authentication_of(host, config) in ANONYMOUS


def _domain(host: Host, config: ProsodyConfig) -> str | None:
    base = as_string(config.value(host.name, "muc_mapper_domain_base"))
    return base.lower() if isinstance(base, str) else None


def accepts_tokens(host: Host, config: ProsodyConfig) -> bool:
    """Return whether the users of a VirtualHost log in with tokens."""
    authentication = authentication_of(host, config)
    if authentication in ("token", OWN_MODULE):
        return True
    # An unknown provider with an app_id of its own is most likely a variant of the token module.
    has_app_id = config.own_value(host.name, "app_id") is not None
    return has_app_id and authentication not in _WITHOUT_TOKENS


def authentication_of(host: Host, config: ProsodyConfig) -> str:
    """Return a host's authentication provider."""
    found = as_string(config.value(host.name, "authentication"))
    return "not known" if isinstance(found, Unknown) else found or "internal_hashed"


def token_host(host: Host, config: ProsodyConfig) -> TokenHost:
    """Return a host with its options in force."""
    authentication = authentication_of(host, config)
    options: dict[str, OptionValue] = {}
    locations: dict[str, Location] = {}
    for option, getter in _GETTERS.items():
        found = config.find_option(host.name, option)
        value = None if found is None else getter(found.value)
        options[option] = _DEFAULTS.get(option) if value is None else value
        if found is not None and value is not None:
            locations[option] = found.location
    if authentication == MATRIX_MODULE:
        # The module replaces the accepted issuers by the application and the Matrix service.
        issuer = as_string(config.value(host.name, "uvs_issuer")) or "*"
        known = isinstance(options["app_id"], str) and isinstance(issuer, str)
        issuers = (str(options["app_id"]), str(issuer))
        options["asap_accepted_issuers"] = issuers if known else Unknown("set by uvs_issuer")
    _derive_options(options)
    return TokenHost(
        host.name,
        host.location,
        authentication,
        options,
        locations,
        tuple(_muc_components(host.name, config)),
        _loads_any(host.name, frozenset({"muc_lobby_rooms"}), config),
    )


def _derive_options(options: dict[str, OptionValue]) -> None:
    """Set the defaults that follow from other options."""
    if options["asap_accepted_issuers"] is None:
        app_id = options["app_id"]
        known = (app_id,) if isinstance(app_id, str) else None
        options["asap_accepted_issuers"] = app_id if isinstance(app_id, Unknown) else known
    if options["signature_algorithm"] is None:
        urls = (options["asap_key_server"], options["cache_keys_url"])
        options["signature_algorithm"] = "RS256" if any(urls) else "HS256"
    base, prefix = options["muc_mapper_domain_base"], options["muc_mapper_domain_prefix"]
    if isinstance(base, str) and options["muc_mapper_domain"] is None:
        joined = f"{prefix}.{base}"
        options["muc_mapper_domain"] = prefix if isinstance(prefix, Unknown) else joined
    elif base is None:
        options["muc_mapper_domain"] = None


def _muc_components(host: str, config: ProsodyConfig) -> list[MucComponent]:
    return [
        _muc_component(component, host, config)
        for component in config.components()
        if component.module == "muc" and parent_of(component.name) == host
    ]


def _muc_component(component: Host, host: str, config: ProsodyConfig) -> MucComponent:
    domains = [config.value(name, "muc_mapper_domain_base") for name in (component.name, host)]
    own_options = [name for name in COMPARED if name in component.options]
    return MucComponent(
        component.name,
        component.location,
        _loads_any(component.name, _VERIFYING_MODULES, config) is not False,
        _modules(component, config),
        domains[0] == domains[1],
        tuple(name for name in own_options if name not in MAPPER_OPTIONS),
    )


def parent_of(component: str) -> str | None:
    """Return the VirtualHost to which Jitsi counts a MUC component."""
    found = _PARENT.search(component)
    return found[1] if found else None


def _loads_any(host: str, wanted: frozenset[str], config: ProsodyConfig) -> bool | Unknown:
    modules = _modules(config.hosts[host], config)
    return modules if isinstance(modules, Unknown) else not wanted.isdisjoint(modules)


def _modules(host: Host, config: ProsodyConfig) -> tuple[str, ...] | Unknown:
    """Return the modules that a host loads; a VirtualHost also loads the global ones."""
    found: dict[str, None] = {}
    for name in ("*", host.name) if host.module is None else (host.name,):
        enabled = as_strings(config.own_value(name, "modules_enabled")) or ()
        disabled = as_strings(config.own_value(name, "modules_disabled")) or ()
        if isinstance(enabled, Unknown):
            return enabled
        if isinstance(disabled, Unknown):
            return disabled
        found |= dict.fromkeys(enabled)
        for module in disabled:
            found.pop(module, None)
    return tuple(found)
