"""What docker-jitsi-meet makes of its environment: Prosody's configuration, and Jicofo's.

Its templates put values between quotes as they stand, so this writes the same Lua and has it read
as any other: a backslash in a secret is what it is there. Only what concerns tokens is written.
Defaults are those of the templates.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables

from verifier.check_config.jicofo import Jicofo
from verifier.check_config.prosody_config import Finding, Place, ProsodyConfig

VARIABLES: Final = ("AUTH_TYPE", "ENABLE_AUTH", "JWT_APP_ID", "XMPP_DOMAIN", "PUBLIC_URL")
"""By any of these a file is known for docker-jitsi-meet's."""

OURS_ALONE: Final = ("JWT_CACHE_KEYS_URL", "JWT_REQUIRE_ROOM_CLAIM")
"""Variables that this program reads, and docker-jitsi-meet's templates do not."""

_TRUE: Final = ("1", "t", "true")


@dataclass(slots=True)
class EnvFile:
    """What has been read.

    Attributes:
        variables: Their values; secrets are among them.
        lines: The line of each.
    """

    file: Path
    variables: dict[str, str] = field(default_factory=dict, repr=False)
    lines: dict[str, int] = field(default_factory=dict)

    def read(self, text: str, config: ProsodyConfig) -> None:
        """Read the file; what is wrong with it goes to ``config``."""
        for binding in parse_stream(io.StringIO(text)):
            self._take(binding, config)

    def place(self, variable: str) -> Place:
        """Say where a variable is set, or that it has its default."""
        if variable in self.lines:
            return Place(str(self.file), self.lines[variable])
        return Place(f"{self.file} (default of {variable})" if variable else str(self.file))

    def _take(self, binding: Binding, config: ProsodyConfig) -> None:
        # A binding begins with the blank lines before it.
        blank = len(binding.original.string) - len(binding.original.string.lstrip("\r\n"))
        newlines = binding.original.string.count("\n", 0, blank)
        place = Place(str(self.file), binding.original.line + newlines)
        if binding.error:
            config.problems.append(Finding(place, "a line that is no NAME=VALUE"))
        elif binding.key is not None:
            self.variables[binding.key] = self._resolved(binding, place, config)
            self.lines[binding.key] = place.line

    def _resolved(self, binding: Binding, place: Place, config: ProsodyConfig) -> str:
        value = binding.value or ""
        written = binding.original.string.partition("=")[2].lstrip()
        if not written.startswith("'"):
            atoms = parse_variables(value)
            value = "".join(atom.resolve(self.variables) for atom in atoms)
            if "$" in value:
                found = "has a $, which Docker Compose replaces: put the value in single quotes"
                config.unread.append(Finding(place, f"{binding.key} {found}"))
        if binding.key in OURS_ALONE:
            found = f"{binding.key} is not read by docker-jitsi-meet's own templates"
            config.notes.append(Finding(place, found))
        return value


@dataclass(frozen=True, slots=True)
class Line:
    """A line of Lua and the variable that it comes from; empty where it is the template's own."""

    text: str
    variable: str = ""


class DockerEnvironment:
    """The variables, with the templates' defaults."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, default: str = "") -> str:
        """Give a variable; an empty one is none."""
        return self._variables.get(name) or default

    def flag(self, name: str, default: str = "0") -> bool:
        """Give a variable as the templates' ``toBool`` does."""
        return self.text(name, default).lower() in _TRUE

    @property
    def takes_tokens(self) -> bool:
        """Whether users of the main host need a token."""
        kind = self.text("PROSODY_AUTH_TYPE", self.text("AUTH_TYPE", "internal"))
        return self.flag("ENABLE_AUTH") and kind in ("jwt", "hybrid_matrix_token")

    def global_lines(self) -> list[Line]:
        """Write what ``GLOBAL_CONFIG`` adds to the main file."""
        texts = self.text("GLOBAL_CONFIG").split("\\n")
        return _split(Line(text, "GLOBAL_CONFIG") for text in texts)

    def host_lines(self) -> list[Line]:
        """Write the hosts' file."""
        domain = self.text("XMPP_DOMAIN", "meet.jitsi")
        muc = self.text("XMPP_MUC_DOMAIN", "muc.meet.jitsi")
        lines = [
            Line(f'muc_mapper_domain_base = "{domain}"', "XMPP_DOMAIN"),
            Line(f'muc_mapper_domain_prefix = "{muc.partition(".")[0]}"', "XMPP_MUC_DOMAIN"),
            *self._lists(),
            Line(f'VirtualHost "{domain}"', "XMPP_DOMAIN"),
            *self._authentication(),
            *self._modules("XMPP_MODULES", "muc_lobby_rooms", "ENABLE_LOBBY", lobby=True),
            *self._added("XMPP_CONFIGURATION"),
            *self._guests(),
            Line(f'Component "{muc}" "muc"', "XMPP_MUC_DOMAIN"),
            *self._modules("XMPP_MUC_MODULES", self._token_module(), "JWT_TOKEN_AUTH_MODULE"),
            *self._added("XMPP_MUC_CONFIGURATION"),
        ]
        return _split(lines)

    def jicofo(self, file: str) -> Jicofo:
        """Give what Jicofo is told."""
        owner, auth = self.text("ENABLE_AUTO_OWNER"), self.text("ENABLE_AUTH", "0")
        authentication = self.flag("JICOFO_ENABLE_AUTH", auth)
        return Jicofo(self.flag("ENABLE_AUTO_OWNER") if owner else None, authentication, file)

    def _lists(self) -> Iterator[Line]:
        for option in ("issuers", "audiences"):
            variable = f"JWT_ACCEPTED_{option.upper()}"
            items = '","'.join(self.text(variable).split(","))
            if self.takes_tokens and items:
                yield Line(f'asap_accepted_{option} = {{ "{items}" }}', variable)

    def _authentication(self) -> Iterator[Line]:
        if not self.takes_tokens:
            kind = "internal_hashed" if self.flag("ENABLE_AUTH") else "jitsi-anonymous"
            yield Line(f'authentication = "{kind}"', "ENABLE_AUTH")
            return
        yield Line(f'authentication = "{self.text("JWT_AUTH_TYPE", "token")}"', "JWT_AUTH_TYPE")
        yield Line(f'app_id = "{self.text("JWT_APP_ID")}"', "JWT_APP_ID")
        yield Line(f'app_secret = "{self.text("JWT_APP_SECRET")}"', "JWT_APP_SECRET")
        yield self._boolean("allow_empty_token", "JWT_ALLOW_EMPTY")
        if server := self.text("JWT_ASAP_KEYSERVER"):
            yield Line(f'asap_key_server = "{server}"', "JWT_ASAP_KEYSERVER")
        if algorithm := self.text("JWT_SIGN_TYPE"):
            yield Line(f'signature_algorithm = "{algorithm}"', "JWT_SIGN_TYPE")
        yield self._boolean("enable_domain_verification", "JWT_ENABLE_DOMAIN_VERIFICATION")

    def _boolean(self, option: str, variable: str) -> Line:
        return Line(f"{option} = {str(self.flag(variable)).lower()}", variable)

    def _token_module(self) -> str:
        module = self.text("JWT_TOKEN_AUTH_MODULE", "token_verification")
        return module if self.takes_tokens else ""

    def _modules(
        self, variable: str, module: str, switch: str, *, lobby: bool = False
    ) -> Iterator[Line]:
        yield Line("modules_enabled = {")
        if module and (not lobby or self.flag(switch, "true")):
            yield Line(f'"{module}";', switch)
        if added := self.text(variable):
            yield Line('"' + '";"'.join(added.split(",")) + '";', variable)
        yield Line("}")

    def _added(self, variable: str) -> Iterator[Line]:
        for text in self.text(variable).split(","):
            yield Line(text, variable)

    def _guests(self) -> Iterator[Line]:
        if self.flag("ENABLE_AUTH") and self.flag("ENABLE_GUESTS"):
            domain = self.text("XMPP_GUEST_DOMAIN", "guest.meet.jitsi")
            kind = self.text("PROSODY_GUEST_AUTH_TYPE", "jitsi-anonymous")
            yield Line(f'VirtualHost "{domain}"', "XMPP_GUEST_DOMAIN")
            yield Line(f'authentication = "{kind}"', "PROSODY_GUEST_AUTH_TYPE")


def _split(lines: Iterator[Line] | list[Line]) -> list[Line]:
    """Give each line of a value that has several a line of its own."""
    return [Line(text, line.variable) for line in lines for text in line.text.split("\n")]
