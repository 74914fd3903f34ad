"""Compose files as Docker Compose reads them: joined, with the variables of ``.env``."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from dotenv import dotenv_values

_VARIABLE: Final = re.compile(r"\$(?:\$|\{(\w+)(?::-([^}]*))?\})")


class ComposeError(Exception):
    """What Docker Compose would refuse."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of this machine that a container sees."""

    source: str
    target: str
    named: bool
    """Whether the source is a volume, which belongs to the container's user."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service, complete."""

    name: str
    image: str
    build: str
    entrypoint: list[str]
    command: list[str]
    environment: dict[str, str]
    mounts: list[Mount]
    tmpfs: list[str]
    published: list[str]
    host_network: bool
    aliases: list[str]
    after: list[str]
    """The services that start before, and must be healthy if they have a check."""
    healthcheck: dict[str, Any]
    profiles: list[str]

    @property
    def definition(self) -> dict[str, Any]:
        """Everything; a container whose definition has changed is made anew."""
        return asdict(self)


def read_services() -> dict[str, Service]:
    """Return the services of the current folder, in the order in which they start.

    Raises:
        ComposeError: A file is missing, or a service is not complete.
    """
    variables = {name: value or "" for name, value in dotenv_values(".env").items()}
    variables |= os.environ
    whole: dict[str, Any] = {}
    for name in variables.get("COMPOSE_FILE", "docker-compose.yml").split(":"):
        if not Path(name).is_file():
            raise ComposeError(f"no such file: {name}")
        text = Path(name).read_text("utf-8")
        whole = _joined(whole, _with_variables(yaml.safe_load(text), variables))
    found = {name: _service(name, given, variables) for name, given in whole["services"].items()}
    return _ordered(found)


def _joined(first: Any, second: Any) -> Any:
    """Return two parts of files as one: maps and lists grow, anything else is replaced."""
    if isinstance(first, dict) and isinstance(second, dict):
        return first | {name: _joined(first.get(name), value) for name, value in second.items()}
    if isinstance(first, list) and isinstance(second, list):
        return first + second
    if isinstance(first, list) and isinstance(second, dict):  # depends_on has two forms
        return {name: {} for name in first} | second
    return first if second is None else second


def _with_variables(node: Any, variables: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {name: _with_variables(value, variables) for name, value in node.items()}
    if isinstance(node, list):
        return [_with_variables(value, variables) for value in node]
    if not isinstance(node, str):
        return node
    return _VARIABLE.sub(
        lambda match: (variables.get(match[1]) or match[2] or "") if match[1] else "$", node
    )


def _service(name: str, given: dict[str, Any], variables: dict[str, str]) -> Service:
    networks = given.get("networks") or {}
    return Service(
        name=name,
        image=given["image"],
        build=given.get("build", ""),
        entrypoint=given.get("entrypoint", []),
        command=given.get("command", []),
        environment=_environment(given.get("environment", []), variables),
        mounts=[mount(text) for text in given.get("volumes", [])],
        tmpfs=given.get("tmpfs", []),
        published=given.get("ports", []),
        host_network=given.get("network_mode") == "host",
        aliases=[name, *(alias for each in networks.values() for alias in _aliases(each))],
        after=list(given.get("depends_on", [])),
        healthcheck=given.get("healthcheck", {}),
        profiles=given.get("profiles", []),
    )


def _aliases(network: dict[str, list[str]] | None) -> list[str]:
    return (network or {}).get("aliases", [])


def _environment(lines: list[str], variables: dict[str, str]) -> dict[str, str]:
    """Return the variables of a container: a name alone takes its value from outside, if any."""
    found: dict[str, str] = {}
    for line in lines:
        name, given, value = line.partition("=")
        if given:
            found[name] = value
        elif name in variables:
            found[name] = variables[name]
    return found


def mount(text: str) -> Mount:
    """Return a mount as it is written: ``SOURCE:TARGET``, perhaps with options."""
    source, target = text.split(":")[:2]
    if source.startswith((".", "/", "~")):
        return Mount(str(Path(source).expanduser().absolute()), target, named=False)
    return Mount(f"/var/lib/engine/volumes/{source}", target, named=True)


def _ordered(services: dict[str, Service]) -> dict[str, Service]:
    ordered: dict[str, Service] = {}

    def add(service: Service) -> None:
        for name in service.after:
            add(services[name])
        ordered[service.name] = service

    for service in services.values():
        add(service)
    return ordered
