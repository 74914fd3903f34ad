"""Makes ``Settings`` from a TOML file and the environment, or one error with every problem.

Nothing else makes ``Settings``. The order is: defaults, the file, the environment, the command
line; a later value replaces an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from verifier.config.command_line import ARGUMENTS, read_arguments
from verifier.config.environment import named_file, read_environment
from verifier.config.hosts import read_hosts
from verifier.config.input import ConfigInput, ReadFile
from verifier.config.options import CONFIG_VARIABLE, DEFAULT_CONFIG, OPTIONS
from verifier.config.problems import ConfigError
from verifier.config.settings import Settings
from verifier.config.toml_file import read_toml
from verifier.config.unknown_names import VARIABLES
from verifier.config.validate import resolve, resolve_host


def load(
    environ: Mapping[str, str],
    config: Path | None = None,
    *,
    arguments: Mapping[str, str] = MappingProxyType({}),
    read_file: ReadFile = Path.read_bytes,
    terminal: bool = False,
) -> Settings:
    """Read the whole configuration; a second call reads every file again.

    Args:
        environ: The environment.
        config: The TOML file; None takes the file that ``VERIFIER_CONFIG`` names, or else
            ``DEFAULT_CONFIG`` if it exists.
        arguments: The texts of options that the command line gives, by the options' names.
        read_file: Reads the TOML file and each secret's and key's file; raises OSError.
        terminal: Whether log lines go to a terminal, which decides their default form.

    Raises:
        ConfigError: with all problems at once.
    """
    config_input = ConfigInput(read_file)
    path = config or named_file(environ, config_input) or _default_file()
    source = _describe_source(path, environ, arguments)
    if path is not None:
        read_toml(path, config_input)
    read_environment(environ, config_input)
    read_arguments(arguments, config_input)
    values = resolve(config_input, environ, terminal=terminal)
    hosts, host_notices = _resolve_hosts(config_input, values)
    if values["strict_hosts"] and not hosts and not config_input.problems:
        expected = "[hosts] tables beside it, or false: every host would be refused"
        config_input.add_problem("strict_hosts", "true without a host", expected)
    if config_input.problems:
        raise ConfigError(config_input.problems, config_input.unknown, source)
    return Settings(
        **_attributes(values),
        hosts=hosts,
        notices=(*config_input.unknown, *config_input.notices, *host_notices),
        file=path,
        source=source,
        watched_files=tuple(dict.fromkeys(config_input.files)),
        origins=_origins(config_input),
    )


def _default_file() -> Path | None:
    """Return the default file if it exists, also if this user cannot read it.

    A link to a file that does not exist is there: without it, the service would run without the
    operator's policy.
    """
    try:
        DEFAULT_CONFIG.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return DEFAULT_CONFIG  # reading it gives the error
    return DEFAULT_CONFIG


def _describe_source(
    path: Path | None, environ: Mapping[str, str], arguments: Mapping[str, str]
) -> str:
    """Return what is read, in words: the file, and the names of variables and arguments."""
    file = str(path or f"no file, since {DEFAULT_CONFIG} does not exist")
    names = sorted(name for name in VARIABLES if environ.get(name) and name != CONFIG_VARIABLE)
    given = ", ".join(name for name, option in ARGUMENTS.items() if option.name in arguments)
    command_line = f"; command line: {given}" if given else ""
    return f"{file}; environment: {', '.join(names) or 'nothing'}{command_line}"


def _resolve_hosts(
    config: ConfigInput, service: dict[str, Any]
) -> tuple[dict[str, Settings], list[str]]:
    """Return each virtual host's settings, and the notices that concern one host only."""
    hosts: dict[str, Settings] = {}
    notices: list[str] = []
    of_service = list(config.problems)
    for host, own in read_hosts(config):
        hosts[host] = Settings(**_attributes(resolve_host(own, service)), origins=_origins(own))
        own_notices = [notice for notice in own.notices if notice not in config.notices]
        notices += [f"host {host}: {notice}" for notice in own_notices]
    # A host that inherits a bad value reports the problem again; each is reported once.
    new = config.problems[len(of_service) :]
    of_hosts = [problem for problem in new if problem not in of_service]
    config.problems[:] = of_service + of_hosts
    return hosts, notices


def _origins(config: ConfigInput) -> dict[str, str]:
    return {name: given.origin for name, given in config.given.items()}


def _attributes(values: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of ``Settings`` that follow from the values of options."""
    attributes = {option.attribute: values[option.name] for option in OPTIONS}
    return attributes | {"other_algorithms": values["other_algorithms"]}
