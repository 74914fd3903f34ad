"""docker-jitsi-meet's ``.env``: read as Docker Compose does, written as the Lua of its templates.

The templates of docker-jitsi-meet put each value between quotes as it is, so a backslash in a
secret is an escape sequence in the result. This module therefore writes the same Lua, and lets
``prosody_reader`` read it as any other file. It writes only what concerns tokens, with the
templates' defaults.

To follow another variable, add a ``LuaLine`` to ``DockerEnvironment.host_lines``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables

from verifier.check_config.jicofo import JicofoSwitches
from verifier.check_config.prosody_config import Finding, Location, ProsodyConfig
from verifier.config.value_types import TRUE_WORDS

KNOWN_VARIABLES: Final = ("AUTH_TYPE", "ENABLE_AUTH", "JWT_APP_ID", "XMPP_DOMAIN", "PUBLIC_URL")
"""A file with any of these variables belongs to docker-jitsi-meet."""

_ONLY_OURS: Final = ("JWT_CACHE_KEYS_URL", "JWT_REQUIRE_ROOM_CLAIM")
"""Variables that this program reads, and docker-jitsi-meet's templates do not."""


@dataclass(slots=True)
class EnvFile:
    """A ``.env`` file.

    Attributes:
        file: The file's name.
        variables: The variables' values; secrets are among them.
        lines: The line of each variable, from 1.
    """

    file: Path
    variables: dict[str, str] = field(default_factory=dict, repr=False)
    lines: dict[str, int] = field(default_factory=dict)

    def read(self, text: str, config: ProsodyConfig) -> None:
        """Read the file's content; findings are added to ``config``."""
        for binding in parse_stream(io.StringIO(text)):
            self._read_binding(binding, config)

    def locate(self, variable: str) -> Location:
        """Return where a variable is set, or the file with the note that it has its default."""
        if variable in self.lines:
            return Location(str(self.file), self.lines[variable])
        return Location(f"{self.file} (default of {variable})" if variable else str(self.file))

    def _read_binding(self, binding: Binding, config: ProsodyConfig) -> None:
        # python-dotenv counts the blank lines before a binding as a part of it.
        blank = len(binding.original.string) - len(binding.original.string.lstrip("\r\n"))
        newlines = binding.original.string.count("\n", 0, blank)
        location = Location(str(self.file), binding.original.line + newlines)
        if binding.error:
            config.problems.append(Finding(location, "a line that is not NAME=VALUE"))
        elif binding.key is not None:
            self.variables[binding.key] = self._resolve(binding, location, config)
            self.lines[binding.key] = location.line

    def _resolve(self, binding: Binding, location: Location, config: ProsodyConfig) -> str:
        """Return a variable's value with the other variables in it replaced."""
        value = binding.value or ""
        written = binding.original.string.partition("=")[2].lstrip()
        if not written.startswith("'"):  # Docker Compose replaces nothing in single quotes
            atoms = parse_variables(value)
            value = "".join(atom.resolve(self.variables) for atom in atoms)
            if "$" in value:
                found = "has a $, which Docker Compose replaces: put the value in single quotes"
                config.not_evaluated.append(Finding(location, f"{binding.key} {found}"))
        if binding.key in _ONLY_OURS:
            found = f"{binding.key} is not read by docker-jitsi-meet's own templates"
            config.notes.append(Finding(location, found))
        return value


@dataclass(frozen=True, slots=True)
class LuaLine:
    """A line of Lua, and the variable that it comes from.

    Attributes:
        text: The line.
        variable: The variable's name; empty for a line of the template itself.
    """

    text: str
    variable: str = ""


class DockerEnvironment:
    """The variables of a ``.env`` with the templates' defaults."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, default: str = "") -> str:
        """Return a variable's value; an empty variable has the default."""
        return self._variables.get(name) or default

    def flag(self, name: str, default: str = "0") -> bool:
        """Return a variable as the templates' ``toBool`` does."""
        return self.text(name, default).lower() in TRUE_WORDS

    @property
    def requires_tokens(self) -> bool:
        """Whether users of the main host need a token."""
        kind = self.text("PROSODY_AUTH_TYPE", self.text("AUTH_TYPE", "internal"))
        return self.flag("ENABLE_AUTH") and kind in ("jwt", "hybrid_matrix_token")

    def global_lines(self) -> list[LuaLine]:
        """Return the lines that ``GLOBAL_CONFIG`` adds to the main file."""
        texts = self.text("GLOBAL_CONFIG").split("\\n")
        return _split_lines(LuaLine(text, "GLOBAL_CONFIG") for text in texts)

    def host_lines(self) -> list[LuaLine]:
        """Return the lines of the file with the hosts."""
        domain = self.text("XMPP_DOMAIN", "meet.jitsi")
        muc = self.text("XMPP_MUC_DOMAIN", "muc.meet.jitsi")
        lines = [
            LuaLine(f'muc_mapper_domain_base = "{domain}"', "XMPP_DOMAIN"),
            LuaLine(f'muc_mapper_domain_prefix = "{muc.partition(".")[0]}"', "XMPP_MUC_DOMAIN"),
            *self._accepted_lists(),
            LuaLine(f'VirtualHost "{domain}"', "XMPP_DOMAIN"),
            *self._authentication(),
            *self._modules("XMPP_MODULES", "muc_lobby_rooms", "ENABLE_LOBBY", lobby=True),
            *self._added_lines("XMPP_CONFIGURATION"),
            *self._guest_host(),
            LuaLine(f'Component "{muc}" "muc"', "XMPP_MUC_DOMAIN"),
            *self._modules("XMPP_MUC_MODULES", self._token_module(), "JWT_TOKEN_AUTH_MODULE"),
            *self._added_lines("XMPP_MUC_CONFIGURATION"),
        ]
        return _split_lines(lines)

    def jicofo(self, file: str) -> JicofoSwitches:
        """Return the switches that the templates pass on to Jicofo."""
        owner, auth = self.text("ENABLE_AUTO_OWNER"), self.text("ENABLE_AUTH", "0")
        authentication = self.flag("JICOFO_ENABLE_AUTH", auth)
        return JicofoSwitches(
            self.flag("ENABLE_AUTO_OWNER") if owner else None, authentication, file
        )

    def _accepted_lists(self) -> Iterator[LuaLine]:
        for option in ("issuers", "audiences"):
            variable = f"JWT_ACCEPTED_{option.upper()}"
            items = '","'.join(self.text(variable).split(","))
            if self.requires_tokens and items:
                yield LuaLine(f'asap_accepted_{option} = {{ "{items}" }}', variable)

    def _authentication(self) -> Iterator[LuaLine]:
        if not self.requires_tokens:
            kind = "internal_hashed" if self.flag("ENABLE_AUTH") else "jitsi-anonymous"
            yield LuaLine(f'authentication = "{kind}"', "ENABLE_AUTH")
            return
        yield LuaLine(f'authentication = "{self.text("JWT_AUTH_TYPE", "token")}"', "JWT_AUTH_TYPE")
        yield LuaLine(f'app_id = "{self.text("JWT_APP_ID")}"', "JWT_APP_ID")
        yield LuaLine(f'app_secret = "{self.text("JWT_APP_SECRET")}"', "JWT_APP_SECRET")
        yield self._boolean("allow_empty_token", "JWT_ALLOW_EMPTY")
        if server := self.text("JWT_ASAP_KEYSERVER"):
            yield LuaLine(f'asap_key_server = "{server}"', "JWT_ASAP_KEYSERVER")
        if algorithm := self.text("JWT_SIGN_TYPE"):
            yield LuaLine(f'signature_algorithm = "{algorithm}"', "JWT_SIGN_TYPE")
        yield self._boolean("enable_domain_verification", "JWT_ENABLE_DOMAIN_VERIFICATION")

    def _boolean(self, option: str, variable: str) -> LuaLine:
        return LuaLine(f"{option} = {str(self.flag(variable)).lower()}", variable)

    def _token_module(self) -> str:
        module = self.text("JWT_TOKEN_AUTH_MODULE", "token_verification")
        return module if self.requires_tokens else ""

    def _modules(
        self, variable: str, module: str, switch: str, *, lobby: bool = False
    ) -> Iterator[LuaLine]:
        yield LuaLine("modules_enabled = {")
        if module and (not lobby or self.flag(switch, "true")):
            yield LuaLine(f'"{module}";', switch)
        if added := self.text(variable):
            yield LuaLine('"' + '";"'.join(added.split(",")) + '";', variable)
        yield LuaLine("}")

    def _added_lines(self, variable: str) -> Iterator[LuaLine]:
        for text in self.text(variable).split(","):
            yield LuaLine(text, variable)

    def _guest_host(self) -> Iterator[LuaLine]:
        if self.flag("ENABLE_AUTH") and self.flag("ENABLE_GUESTS"):
            domain = self.text("XMPP_GUEST_DOMAIN", "guest.meet.jitsi")
            kind = self.text("PROSODY_GUEST_AUTH_TYPE", "jitsi-anonymous")
            yield LuaLine(f'VirtualHost "{domain}"', "XMPP_GUEST_DOMAIN")
            yield LuaLine(f'authentication = "{kind}"', "PROSODY_GUEST_AUTH_TYPE")


def _split_lines(lines: Iterator[LuaLine] | list[LuaLine]) -> list[LuaLine]:
    """Split lines whose value contains line breaks, so that line numbers stay right."""
    return [LuaLine(text, line.variable) for line in lines for text in line.text.split("\n")]
