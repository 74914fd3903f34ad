"""Docker Compose's file: the environment of docker-jitsi-meet's services.

A service has the variables of its ``env_file`` and its ``environment``, which is a list or a map.
A name without a value is passed on from the ``.env`` beside the file, else from the environment of
the command. Values may contain variables: see ``interpolation``. Several files are merged as by
``docker compose -f A -f B``.

Not followed: ``include``, and ``extends`` of another file. ``ComposeReader`` notes them.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from verifier.check_config.interpolation import interpolate
from verifier.check_config.prosody_config import Finding, Location, ProsodyConfig
from verifier.check_config.variables import Variables, read_env_file
from verifier.check_config.yaml_tree import Mapping as YamlMapping
from verifier.check_config.yaml_tree import Node, Scalar, Sequence, YamlError, read_yaml

Role: TypeAlias = Literal["prosody", "jicofo", "web"]
_ROLES: Final[tuple[Role, ...]] = ("prosody", "jicofo", "web")
_HINTS: Final[dict[Role, tuple[str, ...]]] = {
    "prosody": ("prosody", "xmpp"),
    "jicofo": ("jicofo", "focus"),
    "web": ("web",),
}
"""Parts of the names of services that are built, and so have no image of docker-jitsi-meet."""
_MAX_EXTENDS: Final = 20


@dataclass(slots=True)
class ComposeReader:
    """Reads Compose files.

    Attributes:
        read_text: Reads a file; raises OSError with a message that can be shown.
        dotenv: The variables of the ``.env`` beside the file.
        environ: The environment of the command, for variables that ``.env`` does not set.
        config: Receives the findings.
        services: The environment of each service that was found, by its role.
        names: The services' names, by role.
    """

    read_text: Callable[[Path], str]
    dotenv: Variables
    environ: Mapping[str, str]
    config: ProsodyConfig
    services: dict[Role, Variables] = field(default_factory=dict)
    names: dict[Role, str] = field(default_factory=dict)

    def read(self, text: str, file: Path) -> bool:
        """Read a file's content, and return whether it has a service of docker-jitsi-meet."""
        try:
            root = read_yaml(text)
        except YamlError as error:
            self._add_problem(Location(str(file), error.line), "not YAML")
            return False
        services = root.get("services") if isinstance(root, YamlMapping) else None
        if not isinstance(root, YamlMapping) or not isinstance(services, YamlMapping):
            self._add_problem(Location(str(file)), "no services, expected a Compose file")
            return False
        if (included := root.get("include")) is not None:
            self._note_unread("an include that is not read", included, file)
        found = False
        for role, name, service in self._find(services):
            variables = self.services.setdefault(role, Variables(str(file)))
            self.names[role] = name
            self._read_service(service, services, file, variables, 0)
            found = True
        return found

    def _find(self, services: YamlMapping) -> Iterator[tuple[Role, str, YamlMapping]]:
        known = {name: node for name, node in services.items() if isinstance(node, YamlMapping)}
        for role in _ROLES:
            # A later file may only change a service, and then has no image.
            names = [self.names.get(role, role)]
            names += [name for name, node in known.items() if self._image_of(node) == role]
            names += [name for name in known if any(hint in name for hint in _HINTS[role])]
            for name in names:
                if name in known:
                    yield role, name, known[name]
                    break

    def _image_of(self, service: YamlMapping) -> str:
        """Return the last part of an image's name: ``prosody`` of ``ghcr.io/jitsi/prosody:x``."""
        image = service.get("image")
        if not isinstance(image, Scalar) or image.value is None:
            return ""
        name = interpolate(image.value, self._lookup).text
        return name.partition("@")[0].rpartition("/")[2].partition(":")[0]

    def _read_service(
        self,
        service: YamlMapping,
        services: YamlMapping,
        file: Path,
        variables: Variables,
        depth: int,
    ) -> None:
        extended = service.get("extends")
        if extended is not None:
            self._read_extended(extended, services, file, variables, depth)
        for path, required, line in _env_files(service.get("env_file")):
            self._read_env_file(path, file, variables, Location(str(file), line), required=required)
        for name, value, line in _pairs(service.get("environment")):
            self._set(name, value, Location(str(file), line), variables)

    def _read_extended(
        self, node: Node, services: YamlMapping, file: Path, variables: Variables, depth: int
    ) -> None:
        name = node.get("service") if isinstance(node, YamlMapping) else node
        is_elsewhere = isinstance(node, YamlMapping) and node.get("file") is not None
        known = isinstance(name, Scalar) and name.value is not None
        base = services.get(name.value or "") if isinstance(name, Scalar) and known else None
        if is_elsewhere or not isinstance(base, YamlMapping) or depth > _MAX_EXTENDS:
            self._note_unread("an extends that is not followed", node, file)
        else:
            self._read_service(base, services, file, variables, depth + 1)

    def _read_env_file(
        self, name: str, file: Path, variables: Variables, where: Location, *, required: bool
    ) -> None:
        path = file.parent / self._interpolate(name, where, "env_file")
        try:
            text = self.read_text(path)
        except OSError as error:
            if required or error.errno != errno.ENOENT:
                self._add_problem(where, f"env_file {path}: {error.strerror or 'unreadable'}")
        else:
            known = {**self.environ, **self.dotenv.values}
            variables.add(read_env_file(text, str(path), known, self.config))

    def _set(self, name: str, value: str | None, where: Location, variables: Variables) -> None:
        if value is not None:
            variables.set(name, self._interpolate(value, where, name), where)
        elif name in self.dotenv.values:
            variables.set(name, self.dotenv.values[name], self.dotenv.locate(name))
        elif name in self.environ:
            variables.set(name, self.environ[name], Location("the environment of this command"))

    def _interpolate(self, text: str, where: Location, name: str) -> str:
        found = interpolate(text, self._lookup)
        if found.malformed:
            text = f"{name} has a $ that Docker Compose cannot read: write $$ for a dollar sign"
            self.config.not_evaluated.append(Finding(where, text))
        return found.text

    def _lookup(self, name: str) -> str | None:
        return self.dotenv.values.get(name, self.environ.get(name))

    def _add_problem(self, where: Location, text: str) -> None:
        self.config.problems.append(Finding(where, text))

    def _note_unread(self, text: str, node: Node, file: Path) -> None:
        self.config.not_evaluated.append(Finding(Location(str(file), node.line), text))


def _pairs(node: Node | None) -> Iterator[tuple[str, str | None, int]]:
    """Yield the names, values and lines of an ``environment``; None for a name without a value."""
    if isinstance(node, YamlMapping):
        for name, found in node.items():
            yield name, found.value if isinstance(found, Scalar) else None, found.line
    elif isinstance(node, Sequence):
        for item in node.items:
            if isinstance(item, Scalar) and item.value:
                name, equals, value = item.value.partition("=")
                yield name.strip(), value if equals else None, item.line


def _env_files(node: Node | None) -> Iterator[tuple[str, bool, int]]:
    """Yield the paths of ``env_file``, whether each is required, and their lines."""
    for item in node.items if isinstance(node, Sequence) else [node]:
        path = item.get("path") if isinstance(item, YamlMapping) else item
        required = item.get("required") if isinstance(item, YamlMapping) else None
        if isinstance(path, Scalar) and path.value:
            is_optional = isinstance(required, Scalar) and required.value == "false"
            yield path.value, not is_optional, path.line
