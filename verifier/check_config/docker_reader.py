"""docker-jitsi-meet's variables, read as the files that its containers would write."""

from __future__ import annotations

from functools import partial
from typing import Final

from verifier.check_config.docker import (
    KNOWN_VARIABLES,
    DockerEnvironment,
    LuaLine,
    lists_with_blanks,
    unusual_flags,
)
from verifier.check_config.docker_values import find_breakages
from verifier.check_config.jicofo import JicofoSwitches
from verifier.check_config.prosody_config import Finding, Location, ProsodyConfig
from verifier.check_config.prosody_reader import ProsodyReader
from verifier.check_config.token_hosts import MATRIX_MODULE
from verifier.check_config.variables import Variables

_EFFECTS: Final = {
    "JWT_ALLOW_EMPTY": ", so that guests without a token enter",
    "ENABLE_GUESTS": ", so that guests without a token log in to a host of their own",
}
_ONLY_WITH_JWT: Final = ("JWT_SIGN_TYPE", "JWT_ASAP_KEYSERVER")


def read_docker(variables: Variables, reader: ProsodyReader) -> None:
    """Read the configuration that docker-jitsi-meet's templates make of variables."""
    config, docker = reader.config, DockerEnvironment(variables.values)
    if not variables.values.keys() & set(KNOWN_VARIABLES):
        text = f"none of docker-jitsi-meet's variables ({', '.join(KNOWN_VARIABLES)})"
        config.problems.append(Finding(Location(variables.file), text))
        return
    if docker.mode != "client":
        text = f"PROSODY_MODE is {docker.mode}, which asks for no tokens: name the main Prosody's"
        config.problems.append(Finding(variables.locate("PROSODY_MODE"), text))
        return
    for name, text in unusual_flags(variables.values):
        effect = _EFFECTS.get(name, "")
        note = (
            f"{name}={text} means true to docker-jitsi-meet{effect}: only 0, f, F, false, False,"
            " FALSE and an empty value mean false"
        )
        config.notes.append(Finding(variables.locate(name), note))
    for name in lists_with_blanks(variables.values):
        note = f"{name}: the blanks beside a comma are part of the items; remove them"
        config.notes.append(Finding(variables.locate(name), note))
    _note_ignored(variables, docker, config)
    parts = [docker.global_lines(), docker.host_lines()]
    if _add_breakages([*parts[0], *parts[1]], variables, config):
        return
    # Two files in docker, too: each starts in the global part.
    for lines in parts:
        source = "\n".join(line.text for line in lines).encode("utf-8", "surrogateescape")
        reader.read_source(variables.file, source, partial(_locate, variables, lines))


def _note_ignored(variables: Variables, docker: DockerEnvironment, config: ProsodyConfig) -> None:
    """Note the variables that the templates read only with another authentication."""
    if docker.authentication == MATRIX_MODULE:
        for name in _ONLY_WITH_JWT:
            if variables.values.get(name):
                text = f"{name} has no effect: with {MATRIX_MODULE} the templates do not read it"
                config.notes.append(Finding(variables.locate(name), text))


def find_jicofo(variables: Variables) -> JicofoSwitches | None:
    """Return Jicofo's switches; None if the variables are not docker-jitsi-meet's."""
    if not variables.values.keys() & set(KNOWN_VARIABLES):
        return None
    return DockerEnvironment(variables.values).jicofo(variables.file)


def _add_breakages(lines: list[LuaLine], variables: Variables, config: ProsodyConfig) -> bool:
    """Report the values that break the Lua, and return whether Prosody would not start."""
    forms = {line.variable: line.form for line in lines if line.variable in variables.values}
    stops = False
    for found in find_breakages(variables.values, forms):
        findings = config.problems if found.stops else config.notes
        findings.append(Finding(variables.locate(found.variable), found.text))
        stops |= found.stops
    return stops


def _locate(variables: Variables, lines: list[LuaLine], line: int) -> Location:
    """Return where the variable of a written line is set."""
    return variables.locate(lines[min(line, len(lines)) - 1].variable)
