"""The ``[hosts."…"]`` tables of the file: what is different for one virtual host.

A host has the options at the top of the file, except those that its own table replaces. Options of
one group are replaced together: a host with a key of its own inherits no other key, a host with its
own ``app_id`` no other issuers, a host with its own domain no other MUC domain. Otherwise the keys
of one tenant would open the rooms of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from verifier.config.options import OPTIONS
from verifier.config.problems import Problem, shown_name, type_name
from verifier.config.sources import Reading, read_table
from verifier.rooms.host import is_host_name

PER_HOST: Final = tuple(option.name for option in OPTIONS if option.per_host)
"""The options that a host's table may have; the others belong to the whole service."""

_GROUPS: Final = {
    group: frozenset(option.name for option in OPTIONS if option.together == group)
    for group in {option.together for option in OPTIONS} - {""}
}


def read_hosts(reading: Reading) -> Iterator[tuple[str, Reading]]:
    """Read every host's table over the options of the whole service.

    Problems and the names of files are added to ``reading``.
    """
    tables = reading.hosts
    if not isinstance(tables, Mapping):
        _refuse(reading, "hosts", type_name(tables), "a table of tables, one for each host name")
        return
    names: set[str] = set()
    for written, table in tables.items():
        host = _host_name(written, reading)
        if host is None:
            continue
        if not isinstance(table, Mapping):
            _refuse(reading, f"hosts.{host}", type_name(table), "a table of options")
        elif host in names:
            _refuse(reading, f"hosts.{host}", "a host that is there twice", "every host once")
        else:
            names.add(host)
            yield host, _read_host(host, table, reading)


def _host_name(written: str, reading: Reading) -> str | None:
    name = written.lower()
    if not is_host_name(name):
        expected = "a host name as browsers send it (xn--… for other scripts), no port"
        _refuse(reading, f"hosts.{shown_name(written)}", "no such name", expected)
        return None
    return name


def _read_host(host: str, table: Mapping[str, Any], reading: Reading) -> Reading:
    own = Reading(reading.read_file, problems=reading.problems, files=reading.files)
    read_table(table, f'[hosts."{host}"] in {reading.config}', own, PER_HOST)
    replaced = own.given.keys() | own.failed
    for group in _GROUPS.values():
        replaced |= group if replaced & group else frozenset()
    inherited = {name: given for name, given in reading.given.items() if name not in replaced}
    own.given = inherited | own.given
    # A bad value at the top of the file is a problem of each host that inherits it.
    own.failed |= reading.failed - replaced
    return own


def _refuse(reading: Reading, name: str, found: str, expected: str) -> None:
    reading.problems.append(Problem(name, reading.config, found, expected))
