"""The ``[hosts."…"]`` tables of the file: what is different for one virtual host.

A host has the options at the top of the file, except those that its own table replaces. Options of
one group are replaced together: a host with a key of its own inherits no other key, a host with its
own ``app_id`` no other issuers, a host with its own domain no other MUC domain. Otherwise a
token that one tenant signs could be accepted in the rooms of another tenant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from verifier.config.input import ConfigInput
from verifier.config.options import OPTIONS
from verifier.config.problems import Problem, shown_name, type_name
from verifier.config.toml_file import read_table
from verifier.rooms.host import is_host_name

PER_HOST: Final = tuple(option.name for option in OPTIONS if option.per_host)
"""The options that a host's table may have; the others belong to the whole service."""

_GROUPS: Final = {
    group: frozenset(option.name for option in OPTIONS if option.together == group)
    for group in {option.together for option in OPTIONS} - {""}
}


def read_hosts(config: ConfigInput) -> Iterator[tuple[str, ConfigInput]]:
    """Read every host's table over the options of the whole service.

    Problems and the names of files are added to ``config``.
    """
    tables = config.hosts
    if not isinstance(tables, Mapping):
        _add_problem(
            config, "hosts", type_name(tables), "a table of tables, one for each host name"
        )
        return
    names: set[str] = set()
    for written, table in tables.items():
        host = _host_name(written, config)
        if host is None:
            continue
        if not isinstance(table, Mapping):
            _add_problem(config, f"hosts.{host}", type_name(table), "a table of options")
        elif host in names:
            _add_problem(config, f"hosts.{host}", "a host that is there twice", "every host once")
        else:
            names.add(host)
            yield host, _read_host(host, table, config)


def _host_name(written: str, config: ConfigInput) -> str | None:
    name = written.lower()
    if not is_host_name(name):
        expected = "a host name as browsers send it (xn--… for other scripts), no port"
        _add_problem(config, f"hosts.{shown_name(written)}", "no such name", expected)
        return None
    return name


def _read_host(host: str, table: Mapping[str, Any], config: ConfigInput) -> ConfigInput:
    own = ConfigInput(config.read_file, problems=config.problems, files=config.files)
    read_table(table, f'[hosts."{host}"] in {config.path}', own, PER_HOST)
    replaced = own.given.keys() | own.failed
    for group in _GROUPS.values():
        replaced |= group if replaced & group else frozenset()
    inherited = {name: given for name, given in config.given.items() if name not in replaced}
    own.given = inherited | own.given
    # A bad value at the top of the file is a problem of each host that inherits it.
    own.failed |= config.failed - replaced
    return own


def _add_problem(config: ConfigInput, name: str, found: str, expected: str) -> None:
    config.problems.append(Problem(name, config.path, found, expected))
