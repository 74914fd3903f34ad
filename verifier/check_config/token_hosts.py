"""The hosts of a Prosody that take tokens, and what is in force for each, defaults applied.

Follows Jitsi's ``token/util.lib.lua`` (options and defaults) and ``mod_token_verification`` (the
host whose options judge rooms is the one that the MUC component's name is below).
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
from verifier.check_config.prosody_config import Host, Place, ProsodyConfig

Known: TypeAlias = str | bool | float | tuple[str, ...] | None
InForce: TypeAlias = Known | Unknown

COMPARED: Final = (
    "app_id",
    "asap_accepted_issuers",
    "asap_accepted_audiences",
    "signature_algorithm",
    "app_secret",
    "asap_key_server",
    "cache_keys_url",
    "asap_require_room_claim",
    "allow_empty_token",
    "enable_domain_verification",
    "muc_mapper_domain_base",
    "muc_mapper_domain_prefix",
    "muc_mapper_domain",
    "token_regex_enabled",
    "token_regex_room_max_length",
    "token_regex_max_quantifiers",
)
"""The options that both sides have, in the order in which they are shown."""

_MAPPED: Final = ("muc_mapper_domain_base", "muc_mapper_domain_prefix", "muc_mapper_domain")

OWN_MODULE: Final = "jitsi_verifier"
VERIFYING: Final = frozenset({"token_verification", "jitsi_verifier_muc"})

_PROVIDERS: Final = """
    anonymous jitsi-anonymous jitsi-shared-secret internal_hashed internal_plain cyrus ldap
    ldap2 http matrix_user_verification insecure
"""
_WITHOUT_TOKENS: Final = frozenset(_PROVIDERS.split())
_ANONYMOUS: Final = frozenset({"anonymous", "jitsi-anonymous"})
# As Lua matches "%w+.(%w.+)".
_PARENT: Final = re.compile(r"[A-Za-z0-9]+.([A-Za-z0-9].+)", re.DOTALL)
_GETTERS: Final[dict[str, Callable[[Value], InForce]]] = {
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
_DEFAULTS: Final[dict[str, InForce]] = {
    "asap_accepted_audiences": ("*",),
    "asap_require_room_claim": True,
    "allow_empty_token": False,
    "enable_domain_verification": True,
    "muc_mapper_domain_prefix": "conference",
    "token_regex_enabled": True,
    "token_regex_room_max_length": 128,
    "token_regex_max_quantifiers": 3,
}


@dataclass(frozen=True, slots=True)
class MucComponent:
    """A component with rooms.

    Attributes:
        verifies: Whether it loads a module that checks tokens against rooms.
        sees_domain: Whether the domain mapper, which reads the component's own options and the
            global ones, has the domain that the token modules have.
        ignored: Options of its own that the token modules, which read the host's, pass over.
    """

    name: str
    place: Place
    verifies: bool
    sees_domain: bool
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenHost:
    """A VirtualHost that takes tokens.

    Attributes:
        authentication: Prosody's provider.
        options: What is in force, by the names in ``COMPARED``.
        places: Where it is set; an option that is not there has its default.
        rooms: The components with rooms that are below this host.
        lobby: Whether the lobby module is loaded.
    """

    name: str
    place: Place
    authentication: str
    options: dict[str, InForce] = field(repr=False)
    places: dict[str, Place]
    rooms: tuple[MucComponent, ...]
    lobby: bool | Unknown

    def where(self, option: str) -> Place | None:
        """Say where an option is set; None for a default."""
        return self.places.get(option)


def token_hosts(config: ProsodyConfig) -> list[TokenHost]:
    """Give the started VirtualHosts that take tokens, in the order in which they are written."""
    return [_token_host(host, config) for host in config.virtual_hosts() if _takes(host, config)]


def guest_hosts(config: ProsodyConfig) -> list[Host]:
    """Give the started VirtualHosts that let anybody in."""
    hosts = config.virtual_hosts()
    return [host for host in hosts if _authentication(host, config) in _ANONYMOUS]


def modules_of(host: str, config: ProsodyConfig) -> tuple[str, ...] | Unknown:
    """Give the modules that a host loads; a VirtualHost has the global ones too."""
    own = config.hosts[host]
    lists = [config.own(host, "modules_enabled")]
    if own.module is None:
        lists.append(config.own("*", "modules_enabled"))
    found: list[str] = []
    for modules in map(as_strings, lists):
        if isinstance(modules, Unknown):
            return modules
        found += modules or ()
    return tuple(found)


def _takes(host: Host, config: ProsodyConfig) -> bool:
    authentication = _authentication(host, config)
    if authentication in ("token", OWN_MODULE):
        return True
    return config.own(host.name, "app_id") is not None and authentication not in _WITHOUT_TOKENS


def _authentication(host: Host, config: ProsodyConfig) -> str:
    found = as_string(config.value(host.name, "authentication"))
    return "not known" if isinstance(found, Unknown) else found or "internal_hashed"


def _token_host(host: Host, config: ProsodyConfig) -> TokenHost:
    options: dict[str, InForce] = {}
    places: dict[str, Place] = {}
    for option, getter in _GETTERS.items():
        given = config.given(host.name, option)
        value = None if given is None else getter(given.value)
        options[option] = _DEFAULTS.get(option) if value is None else value
        if given is not None and value is not None:
            places[option] = given.place
    _derive(options)
    return TokenHost(
        host.name,
        host.place,
        _authentication(host, config),
        options,
        places,
        tuple(_rooms(host.name, config)),
        _has(host.name, frozenset({"muc_lobby_rooms"}), config),
    )


def _derive(options: dict[str, InForce]) -> None:
    """Add the defaults that follow from other options."""
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


def _rooms(host: str, config: ProsodyConfig) -> list[MucComponent]:
    return [
        _room(component, host, config)
        for component in config.components()
        if component.module == "muc" and _parent(component.name) == host
    ]


def _room(component: Host, host: str, config: ProsodyConfig) -> MucComponent:
    domains = [config.value(name, "muc_mapper_domain_base") for name in (component.name, host)]
    return MucComponent(
        component.name,
        component.place,
        _verifies(component.name, config),
        domains[0] == domains[1],
        tuple(name for name in COMPARED if name in component.options and name not in _MAPPED),
    )


def _verifies(component: str, config: ProsodyConfig) -> bool:
    return _has(component, VERIFYING, config) is not False


def _parent(component: str) -> str | None:
    found = _PARENT.search(component)
    return found[1] if found else None


def _has(host: str, wanted: frozenset[str], config: ProsodyConfig) -> bool | Unknown:
    modules = modules_of(host, config)
    return modules if isinstance(modules, Unknown) else not wanted.isdisjoint(modules)
