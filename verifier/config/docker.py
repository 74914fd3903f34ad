"""What docker-jitsi-meet makes of its ``.env``: its defaults, its truth values and its lists.

The facts are here once, for two readers: ``environment`` reads the variables for this program, and
``check_config`` reads them as Prosody's configuration. A test renders a template with the effect of
docker-jitsi-meet's and compares it with both.

Sources: ``prosody/rootfs/defaults/conf.d/jitsi-meet.cfg.lua`` of docker-jitsi-meet, and ``func.go``
of jitsi/tpl, the program that renders it. An empty variable is one that was left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

MARKERS: Final = ("ENABLE_AUTH", "AUTH_TYPE")
"""Each of these variables shows that an environment is docker-jitsi-meet's."""

SWITCHES: Final = (*MARKERS, "PROSODY_AUTH_TYPE")
"""The variables, besides those of options, that this program reads."""

TOKEN_AUTH_TYPES: Final = ("jwt", "hybrid_matrix_token")
"""The values of ``AUTH_TYPE`` with which Prosody asks for tokens."""

DEFAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AUTH_TYPE": "internal",
        "ENABLE_AUTH": "0",
        "ENABLE_GUESTS": "0",
        "ENABLE_LOBBY": "true",
        "JWT_ALLOW_EMPTY": "0",
        "JWT_AUTH_TYPE": "token",
        "JWT_ENABLE_DOMAIN_VERIFICATION": "false",
        "JWT_TOKEN_AUTH_MODULE": "token_verification",
        "PROSODY_GUEST_AUTH_TYPE": "jitsi-anonymous",
        "XMPP_DOMAIN": "meet.jitsi",
        "XMPP_GUEST_DOMAIN": "guest.meet.jitsi",
        "XMPP_MUC_DOMAIN": "muc.meet.jitsi",
    }
)
"""The templates' defaults, as they are written there."""

BOOLEANS: Final = ("JWT_ALLOW_EMPTY", "JWT_ENABLE_DOMAIN_VERIFICATION")
"""The variables of this program that the templates read as booleans."""

OTHER_VARIABLES: Final = frozenset(
    {
        "JWT_ACCEPTED_ALLOWNER_ISSUERS",
        "JWT_AUTH_TYPE",
        "JWT_TOKEN_AUTH_MODULE",
        "XMPP_AUTH_DOMAIN",
        "XMPP_GUEST_DOMAIN",
        "XMPP_HIDDEN_DOMAIN",
        "XMPP_INTERNAL_MUC_DOMAIN",
        "XMPP_MUC_MODULES",
        "XMPP_RECORDER_DOMAIN",
    }
)
"""docker-jitsi-meet's variables that resemble variables of this program."""

# Go's strconv.ParseBool. It refuses other spellings, such as fALSE, which are then true.
_TRUE: Final = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE: Final = frozenset(("0", "f", "F", "FALSE", "false", "False"))
_MEANT_AS_TRUE: Final = frozenset(("yes", "y", "on", "enable", "enabled"))


def is_docker_environment(environ: Mapping[str, str]) -> bool:
    """Return whether an environment is docker-jitsi-meet's."""
    return any(environ.get(name) for name in MARKERS)


def variable(environ: Mapping[str, str], name: str) -> str:
    """Return a variable with the templates' default; empty if it has none."""
    return environ.get(name) or DEFAULTS.get(name, "")


def is_true(text: str) -> bool:
    """Return what ``toBool`` of the templates makes of a text.

    Quotes do not count, wherever they are. Every word but ParseBool's is true, also ``no``.
    """
    bare = _without_quotes(text)
    return bool(bare) and bare not in _FALSE


def requires_tokens(environ: Mapping[str, str]) -> bool:
    """Return whether docker's Prosody asks the users of its main host for tokens."""
    kind = environ.get("PROSODY_AUTH_TYPE") or variable(environ, "AUTH_TYPE")
    return is_true(variable(environ, "ENABLE_AUTH")) and kind in TOKEN_AUTH_TYPES


def clear_boolean(text: str) -> bool:
    """Return a boolean that the templates and an operator read alike.

    Raises:
        ValueError: The templates read the text as true, and an operator may mean false.
    """
    bare = _without_quotes(text)
    if bare in _TRUE or bare.lower() in _MEANT_AS_TRUE:
        return True
    if bare and bare not in _FALSE:
        raise ValueError("expected true or false")
    return False


def split_list(text: str) -> list[str]:
    """Return the items between commas. Empty items are left out, and blanks are kept."""
    return [item for item in text.split(",") if item]


def muc_domain(domain: str) -> str:
    """Return the MUC domain that Prosody compares with, where ``XMPP_MUC_DOMAIN`` is not set.

    The templates give Prosody the first label of the MUC domain as the prefix, and the XMPP domain
    as the base.
    """
    return f"{DEFAULTS['XMPP_MUC_DOMAIN'].partition('.')[0]}.{domain}"


def _without_quotes(text: str) -> str:
    return text.replace('"', "").replace("'", "")
