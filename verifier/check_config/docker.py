"""docker-jitsi-meet's variables, written as the Lua of its templates.

The templates of docker-jitsi-meet put each value between quotes as it is, so a backslash in a
secret is an escape sequence in the result. This module therefore writes the same Lua, and lets
``prosody_reader`` read it as any other file. It writes only what concerns tokens, hosts and
moderators. The templates' defaults and truth values are those of ``verifier.config.docker``.
``docker_values`` finds the values that break the Lua.

To follow another variable, add a ``LuaLine`` to the method that writes its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from verifier.check_config.docker_values import LUA, QUOTED, SWITCH
from verifier.check_config.jicofo import JicofoSwitches
from verifier.config.docker import (
    DEFAULTS,
    clear_boolean,
    is_true,
    requires_tokens,
    split_list,
    variable,
)

KNOWN_VARIABLES: Final = ("AUTH_TYPE", "ENABLE_AUTH", "JWT_APP_ID", "XMPP_DOMAIN", "PUBLIC_URL")
"""A file with any of these variables belongs to docker-jitsi-meet."""

_MORE_DEFAULTS: Final[Mapping[str, str]] = {
    "ENABLE_BREAKOUT_ROOMS": "true",
    "PROSODY_ENABLE_MUC_RESOURCE_VALIDATE": "true",
    "PUBLIC_URL": "https://localhost:8443",
    "XMPP_AUTH_DOMAIN": "auth.meet.jitsi",
    "XMPP_HIDDEN_DOMAIN": "hidden.meet.jitsi",
}
"""The templates' defaults of the variables that only this module reads."""
_FLAGS: Final = (
    *(name for name, default in DEFAULTS.items() if default in ("0", "true", "false")),
    *(name for name, default in _MORE_DEFAULTS.items() if default == "true"),
    "ENABLE_AUTO_OWNER",
    "ENABLE_JAAS_COMPONENTS",
    "ENABLE_RECORDING",
    "ENABLE_TRANSCRIPTIONS",
    "JICOFO_ENABLE_AUTH",
    "PROSODY_MUC_RESOURCE_VALIDATE_ANONYMOUS_STRICT",
    "WAIT_FOR_HOST_DISABLE_AUTO_OWNERS",
)
"""The variables that the templates read as booleans."""
_ALSO_QUOTED: Final = """
    JIBRI_RECORDER_USER JIGASI_TRANSCRIBER_USER JVB_AUTH_USER LOG_LEVEL MAX_PARTICIPANTS
    PROSODY_ADMINS STUN_HOST TURNS_HOST TURN_CREDENTIALS TURN_HOST XMPP_BREAKOUT_MUC_MODULES
    XMPP_INTERNAL_MUC_DOMAIN XMPP_INTERNAL_MUC_MODULES XMPP_LOBBY_MUC_MODULES
    XMPP_SPEAKERSTATS_MODULES
"""
"""More variables that the templates put between quotes: they can break the file, too."""
_LISTS: Final = """
    GLOBAL_MODULES JWT_ACCEPTED_AUDIENCES JWT_ACCEPTED_ISSUERS XMPP_BREAKOUT_MUC_MODULES
    XMPP_INTERNAL_MUC_MODULES XMPP_LOBBY_MUC_MODULES XMPP_MODULES XMPP_MUC_MODULES
"""
"""The variables that the templates split at commas, and whose items they put between quotes."""
_JAAS_HOST: Final = "jigasi.meet.jitsi"
_JAAS_KEYS: Final = "https://jaas-public-keys.jitsi.net/jitsi-components/prod-8x8"


@dataclass(frozen=True, slots=True)
class LuaLine:
    """A line of Lua, and the variable that it comes from.

    Attributes:
        text: The line.
        variable: The variable's name; empty for a line of the template itself.
        form: Whether the variable's value stands between quotes, is Lua itself, or only decides
            about the line.
    """

    text: str
    variable: str = ""
    form: Literal["quoted", "lua", "switch"] = QUOTED


class DockerEnvironment:
    """The variables of docker-jitsi-meet with the templates' defaults."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str) -> str:
        """Return a variable's value; an empty variable has the template's default."""
        return variable(self._variables, name) or _MORE_DEFAULTS.get(name, "")

    def flag(self, name: str) -> bool:
        """Return a variable as the templates' ``toBool`` does."""
        return is_true(self.text(name))

    @property
    def authentication(self) -> str:
        """The authentication type of the main host; empty if every client may enter."""
        kind = self._variables.get("PROSODY_AUTH_TYPE") or self.text("AUTH_TYPE")
        return kind if self.flag("ENABLE_AUTH") else ""

    @property
    def mode(self) -> str:
        """``client``, or the part that this Prosody has beside the main one."""
        return self.text("PROSODY_MODE") or "client"

    def names_in_use(self) -> set[str]:
        """Return the variables that have a place in the files, with the values of now."""
        return {line.variable for line in (*self.global_lines(), *self.host_lines())}

    def global_lines(self) -> list[LuaLine]:
        """Return the lines that variables add to the main file."""
        texts = self.text("GLOBAL_CONFIG").split("\\n")
        lines = [
            LuaLine('authentication = "internal_hashed"'),
            LuaLine("modules_enabled = {"),
            *self._items("GLOBAL_MODULES"),
            LuaLine("}"),
            *(LuaLine("", name) for name in _ALSO_QUOTED.split()),
            *(LuaLine(text, "GLOBAL_CONFIG", LUA) for text in texts),
        ]
        return _split_lines(lines)

    def host_lines(self) -> list[LuaLine]:
        """Return the lines of the file with the hosts."""
        domain, muc = self.text("XMPP_DOMAIN"), self.text("XMPP_MUC_DOMAIN")
        prefix, hidden = muc.partition(".")[0], self.text("XMPP_HIDDEN_DOMAIN")
        lines = [
            LuaLine(f'muc_mapper_domain_base = "{domain}"', "XMPP_DOMAIN"),
            LuaLine(f'muc_mapper_domain_prefix = "{prefix}"', "XMPP_MUC_DOMAIN"),
            LuaLine(f'recorder_prefixes = {{ "@{hidden}" }}', "XMPP_HIDDEN_DOMAIN"),
            *self._accepted_lists(),
            *self._jaas_host(),
            LuaLine(f'VirtualHost "{domain}"', "XMPP_DOMAIN"),
            *self._authentication(),
            *self._modules("XMPP_MODULES", {"muc_lobby_rooms": "ENABLE_LOBBY"}),
            LuaLine(f'main_muc = "{muc}"', "XMPP_MUC_DOMAIN"),
            *self._added_lines("XMPP_CONFIGURATION"),
            *self._guest_host(),
            *self._account_hosts(),
            LuaLine(f'Component "{muc}" "muc"', "XMPP_MUC_DOMAIN"),
            *self._muc_modules(),
            *self._resource_validation(),
            *self._added_lines("XMPP_MUC_CONFIGURATION"),
        ]
        if self.flag("WAIT_FOR_HOST_DISABLE_AUTO_OWNERS"):
            text = "wait_for_host_disable_auto_owners = true"
            lines.append(LuaLine(text, "WAIT_FOR_HOST_DISABLE_AUTO_OWNERS", SWITCH))
        lines.append(LuaLine(f'Component "focus.{domain}" "client_proxy"', "XMPP_DOMAIN"))
        focus = f'target_address = "focus@{self.text("XMPP_AUTH_DOMAIN")}"'
        lines.append(LuaLine(focus, "XMPP_AUTH_DOMAIN"))
        return _split_lines(lines)

    def jicofo(self, file: str) -> JicofoSwitches:
        """Return the switches that the templates pass on to Jicofo."""
        owner = self.text("ENABLE_AUTO_OWNER")
        name = "JICOFO_ENABLE_AUTH" if self.text("JICOFO_ENABLE_AUTH") else "ENABLE_AUTH"
        return JicofoSwitches(is_true(owner) if owner else None, self.flag(name), file)

    def _accepted_lists(self) -> Iterator[LuaLine]:
        for option in ("issuers", "audiences"):
            name = f"JWT_ACCEPTED_{option.upper()}"
            if requires_tokens(self._variables) and self.text(name):
                items = '","'.join(split_list(self.text(name)))
                yield LuaLine(f'asap_accepted_{option} = {{ "{items}" }}', name)

    def _jaas_host(self) -> Iterator[LuaLine]:
        if not self.flag("ENABLE_JAAS_COMPONENTS"):
            return
        audience = self.text("PUBLIC_URL").removeprefix("https://").removesuffix("/")
        for text in (
            f'VirtualHost "{_JAAS_HOST}"',
            'authentication = "token" app_id = "jitsi"',
            f'asap_key_server = "{_JAAS_KEYS}"',
            'asap_accepted_issuers = { "jaas-components" }',
            f'asap_accepted_audiences = {{ "{_JAAS_HOST.partition(".")[0]}.{audience}" }}',
        ):
            yield LuaLine(text, "ENABLE_JAAS_COMPONENTS", SWITCH)
        yield LuaLine("", "PUBLIC_URL")  # a part of the audience

    def _authentication(self) -> Iterator[LuaLine]:
        kind = self.authentication
        if kind == "jwt":
            yield from self._token_authentication()
        elif kind == "hybrid_matrix_token":
            yield LuaLine('authentication = "hybrid_matrix_token"', "AUTH_TYPE", SWITCH)
            yield from self._application()
            if issuer := self.text("MATRIX_UVS_ISSUER"):
                yield LuaLine(f'uvs_issuer = "{issuer}"', "MATRIX_UVS_ISSUER")
        else:
            names = {"": "jitsi-anonymous", "ldap": "cyrus", "matrix": "matrix_user_verification"}
            provider = names.get(kind, "internal_hashed")
            name = "AUTH_TYPE" if kind else "ENABLE_AUTH"
            yield LuaLine(f'authentication = "{provider}"', name, SWITCH)

    def _token_authentication(self) -> Iterator[LuaLine]:
        if algorithm := self.text("JWT_SIGN_TYPE"):
            yield LuaLine(f'signature_algorithm = "{algorithm}"', "JWT_SIGN_TYPE")
        yield LuaLine(f'authentication = "{self.text("JWT_AUTH_TYPE")}"', "JWT_AUTH_TYPE")
        yield from self._application()
        if server := self.text("JWT_ASAP_KEYSERVER"):
            yield LuaLine(f'asap_key_server = "{server}"', "JWT_ASAP_KEYSERVER")

    def _application(self) -> Iterator[LuaLine]:
        yield LuaLine(f'app_id = "{self.text("JWT_APP_ID")}"', "JWT_APP_ID")
        if self.flag("JWT_APP_SECRET"):  # a secret such as "0" is left out
            yield LuaLine(f'app_secret = "{self.text("JWT_APP_SECRET")}"', "JWT_APP_SECRET")
        yield self._boolean("allow_empty_token", "JWT_ALLOW_EMPTY")
        yield self._boolean("enable_domain_verification", "JWT_ENABLE_DOMAIN_VERIFICATION")

    def _boolean(self, option: str, name: str) -> LuaLine:
        return LuaLine(f"{option} = {str(self.flag(name)).lower()}", name, SWITCH)

    def _modules(self, added: str, switched: Mapping[str, str]) -> Iterator[LuaLine]:
        yield LuaLine("modules_enabled = {")
        for module, switch in switched.items():
            if self.flag(switch):
                yield LuaLine(f'"{module}";', switch, SWITCH)
        yield from self._items(added)
        yield LuaLine("}")

    def _muc_modules(self) -> Iterator[LuaLine]:
        switch = "PROSODY_ENABLE_MUC_RESOURCE_VALIDATE"
        *lines, end = self._modules("XMPP_MUC_MODULES", {"muc_resource_validate": switch})
        yield from lines
        if requires_tokens(self._variables):
            yield LuaLine(f'"{self.text("JWT_TOKEN_AUTH_MODULE")}";', "JWT_TOKEN_AUTH_MODULE")
        yield end

    def _items(self, name: str) -> Iterator[LuaLine]:
        if items := split_list(self.text(name)):
            yield LuaLine('"' + '";"'.join(items) + '";', name)

    def _resource_validation(self) -> Iterator[LuaLine]:
        if not self.flag("PROSODY_ENABLE_MUC_RESOURCE_VALIDATE"):
            return
        yield self._boolean("anonymous_strict", "PROSODY_MUC_RESOURCE_VALIDATE_ANONYMOUS_STRICT")
        methods = "PROSODY_MUC_RESOURCE_VALIDATE_ANON_METHODS"
        if self.text(methods):
            yield LuaLine("anonymous_auth_methods = {")
            yield from self._items(methods)
            yield LuaLine("}")

    def _added_lines(self, name: str) -> Iterator[LuaLine]:
        for text in split_list(self.text(name)):
            yield LuaLine(text, name, LUA)

    def _guest_host(self) -> Iterator[LuaLine]:
        if not (self.flag("ENABLE_AUTH") and self.flag("ENABLE_GUESTS")):
            return
        kind = self.text("PROSODY_GUEST_AUTH_TYPE")
        yield LuaLine(f'VirtualHost "{self.text("XMPP_GUEST_DOMAIN")}"', "ENABLE_GUESTS", SWITCH)
        yield LuaLine("", "XMPP_GUEST_DOMAIN")  # the name above
        yield LuaLine(f'authentication = "{kind}"', "PROSODY_GUEST_AUTH_TYPE")
        yield from self._modules("XMPP_MODULES", {})
        yield LuaLine(f'main_muc = "{self.text("XMPP_MUC_DOMAIN")}"', "XMPP_MUC_DOMAIN")
        yield from self._added_lines("XMPP_CONFIGURATION")

    def _account_hosts(self) -> Iterator[LuaLine]:
        """Yield the hosts of the service's own participants, which have a password."""
        hosts = {"XMPP_AUTH_DOMAIN": self.text("XMPP_AUTH_DOMAIN")}
        if self.flag("ENABLE_RECORDING") or self.flag("ENABLE_TRANSCRIPTIONS"):
            hosts["XMPP_HIDDEN_DOMAIN"] = self.text("XMPP_HIDDEN_DOMAIN")
        for name, host in hosts.items():
            yield LuaLine(f'VirtualHost "{host}"', name)
            yield LuaLine('authentication = "internal_hashed"', name)


def unusual_flags(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the variables that are true to the templates, and may be meant as false."""
    for name in _FLAGS:
        text = variables.get(name, "")
        try:
            clear_boolean(text)
        except ValueError:
            yield name, text.strip("\"' ")


def lists_with_blanks(variables: Mapping[str, str]) -> list[str]:
    """Return the lists in which blanks beside a comma are a part of an item."""
    lists = {name: split_list(variables.get(name, "")) for name in _LISTS.split()}
    return [name for name, items in lists.items() if any(item != item.strip() for item in items)]


def _split_lines(lines: list[LuaLine]) -> list[LuaLine]:
    """Split lines whose value contains line breaks, so that line numbers stay right."""
    return [
        LuaLine(text, line.variable, line.form) for line in lines for text in line.text.split("\n")
    ]
