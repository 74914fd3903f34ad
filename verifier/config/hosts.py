"""The ``[hosts."…"]`` tables of the file: what is different for one virtual host.

A host has the whole service's options, less those that its own table replaces. What only makes
sense together is never mixed: a host with a key of its own inherits no other host's keys, one with
its own ``app_id`` no other's issuers, one with its own domain no other's MUC host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from verifier.config.kinds import HOST
from verifier.config.problems import Problem, kind_of, shown_name
from verifier.config.sources import Reading, read_table

PER_HOST: Final = (
    "app_id",
    "app_secret",
    "asap_key_server",
    "cache_keys_url",
    "public_keys",
    "signature_algorithm",
    "asap_accepted_issuers",
    "asap_accepted_audiences",
    "asap_require_room_claim",
    "allow_empty_token",
    "enable_domain_verification",
    "muc_mapper_domain_base",
    "muc_mapper_domain_prefix",
    "muc_mapper_domain",
    "token_regex_enabled",
    "token_regex_room_max_length",
    "token_regex_max_quantifiers",
    "single_use",
    "policy.forbid_wildcard_room",
    "policy.forbid_wildcard_sub",
    "policy.forbid_room_patterns",
    "policy.max_token_lifetime",
    "policy.require_jti",
    "policy.require_expiry",
    "policy.require_user_id",
    "policy.moderators_create_rooms",
)
"""The options that a host's table may have; the others are the whole service's."""

_SENT: Final = re.compile(r"(?:[a-z0-9_-]+\.)*[a-z0-9_-]+")
_TOGETHER: Final = (
    frozenset(
        ("app_secret", "asap_key_server", "cache_keys_url", "public_keys", "signature_algorithm")
    ),
    frozenset(("app_id", "asap_accepted_issuers")),
    frozenset(("muc_mapper_domain_base", "muc_mapper_domain_prefix", "muc_mapper_domain")),
)


def read_hosts(reading: Reading) -> Iterator[tuple[str, Reading]]:
    """Read every host's table over what the whole service was given.

    Problems go to ``reading``; so do the files that were named.
    """
    tables = reading.hosts
    if not isinstance(tables, Mapping):
        _refuse(reading, "hosts", kind_of(tables), "a table of tables, one for each host name")
        return
    names: set[str] = set()
    for written, table in tables.items():
        host = _host_name(written, reading)
        if host is None:
            continue
        if not isinstance(table, Mapping):
            _refuse(reading, f"hosts.{host}", kind_of(table), "a table of options")
        elif host in names:
            _refuse(reading, f"hosts.{host}", "a host that is there twice", "every host once")
        else:
            names.add(host)
            yield host, _read_host(host, table, reading)


def _host_name(written: str, reading: Reading) -> str | None:
    try:
        name: str = HOST.from_toml(written)
    except ValueError:
        name = ""
    if _SENT.fullmatch(name) is None:
        expected = "a host name as browsers send it (xn--… for other scripts), no port"
        _refuse(reading, f"hosts.{shown_name(written)}", "no such name", expected)
        return None
    return name


def _read_host(host: str, table: Mapping[str, Any], reading: Reading) -> Reading:
    own = Reading(reading.read_file, problems=reading.problems, files=reading.files)
    read_table(table, f'[hosts."{host}"] in {reading.config}', own, PER_HOST)
    replaced = own.given.keys() | own.failed
    for group in _TOGETHER:
        replaced |= group if replaced & group else frozenset()
    inherited = {name: given for name, given in reading.given.items() if name not in replaced}
    own.given = inherited | own.given
    own.failed |= reading.failed - replaced
    return own


def _refuse(reading: Reading, name: str, found: str, expected: str) -> None:
    reading.problems.append(Problem(name, reading.config, found, expected))
