"""MUC modules that deny tokens which Jitsi's own modules accept, as options of ``[policy]``.

The modules are those of jitsi-contrib's collection, which docker-jitsi-meet's image has. To compare
another module, add its options to ``POLICIES``, or its name to ``HARMLESS`` if it denies no join.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from verifier.check_config.lua_values import Unknown
from verifier.check_config.token_hosts import MucComponent, TokenHost

POLICIES: Final[Mapping[str, tuple[str, ...]]] = {
    "token_no_wildcard": ("forbid_wildcard_room", "forbid_wildcard_sub", "forbid_room_patterns"),
    "token_owner_party": ("moderators_create_rooms",),
    "token_owner_party_lobby": ("moderators_create_rooms",),
    "token_owner_restricted": ("moderators_create_rooms",),
}
"""The policies that have the effect of a module."""

_WORDS: Final = """
    token_verification token_affiliation token_affiliation_legacy token_lobby_autostart
    token_lobby_bypass token_lobby_bypass_for_initiator token_lobby_ondemand token_moderation
    token_security_ondemand
"""
HARMLESS: Final = frozenset(_WORDS.split())
"""Modules with tokens in their name that deny no join: rights, lobby and passwords."""


def find_policies(host: TokenHost) -> dict[str, str]:
    """Return the policies that a host's modules have, and the module of each."""
    return {
        policy: module
        for room in host.rooms
        for module in _modules_of(room)
        for policy in POLICIES.get(module, ())
    }


def find_unknown_modules(host: TokenHost) -> list[str]:
    """Return the modules that may deny tokens in a way that is not known here."""
    found = [
        module
        for room in host.rooms
        for module in _modules_of(room)
        if module.startswith("token_") and module not in HARMLESS and module not in POLICIES
    ]
    return list(dict.fromkeys(found))


def _modules_of(room: MucComponent) -> tuple[str, ...]:
    return () if isinstance(room.modules, Unknown) else room.modules
