"""From a TOML file and the environment to ``Settings``, or to one error with every problem.

The only way in: defaults, then the file, then the environment; a later one wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verifier.config.hosts import read_hosts
from verifier.config.options import CONFIG_VARIABLE
from verifier.config.problems import ConfigError
from verifier.config.settings import Settings
from verifier.config.sources import (
    ReadFile,
    Reading,
    read_environment,
    read_toml,
    unquoted,
)
from verifier.config.stores import notice_pods
from verifier.config.validate import resolve, resolve_host


def load(
    environ: Mapping[str, str],
    config: Path | None = None,
    *,
    read_file: ReadFile = Path.read_bytes,
    terminal: bool = False,
) -> Settings:
    """Read the whole configuration; called again, it reads every file again.

    Args:
        environ: The environment.
        config: The TOML file; None takes the one that ``VERIFIER_CONFIG`` names, if any.
        read_file: Reads the TOML file, and each secret's and key's; raises OSError.
        terminal: Whether log lines go to a terminal, which decides their default form.

    Raises:
        ConfigError: with all problems at once.
    """
    reading = Reading(read_file)
    path = config or _named_file(environ)
    if path is not None:
        read_toml(path, reading)
    read_environment(environ, reading)
    values = resolve(reading, terminal=terminal)
    notice_pods(reading, values, environ)
    hosts, notices = _load_hosts(reading, values)
    if values["strict_hosts"] and not hosts and not reading.problems:
        expected = "[hosts] tables beside it, or false: every host would be refused"
        reading.refuse("strict_hosts", "true without a host", expected)
    if reading.problems:
        raise ConfigError(reading.problems)
    files = tuple(dict.fromkeys(reading.files))
    return Settings(
        **_of_settings(values),
        hosts={host: Settings(**_of_settings(given)) for host, given in hosts.items()},
        notices=(*reading.notices, *notices),
        watched_files=files,
    )


def _load_hosts(
    reading: Reading, service: dict[str, Any]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Give each virtual host's values, and what is to be noticed of it alone."""
    hosts: dict[str, dict[str, Any]] = {}
    notices: list[str] = []
    inherited = list(reading.problems)
    for host, own in read_hosts(reading):
        hosts[host] = resolve_host(own, service)
        news = [notice for notice in own.notices if notice not in reading.notices]
        notices += [f"host {host}: {notice}" for notice in news]
    of_hosts = [each for each in reading.problems[len(inherited) :] if each not in inherited]
    reading.problems[:] = inherited + of_hosts
    return hosts, notices


def _of_settings(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out the options of tables, of which ``rules`` has made values of their own."""
    return {name: value for name, value in values.items() if "." not in name}


def _named_file(environ: Mapping[str, str]) -> Path | None:
    name = unquoted(environ.get(CONFIG_VARIABLE, ""))
    return Path(name) if name else None
