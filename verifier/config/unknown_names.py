"""Names that no option has, and the nearest name that one has.

Every name of an option is a spelling of it: its TOML key and its environment variable. So the
nearest key to ``xmpp_domain`` is the one that ``XMPP_DOMAIN`` sets.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from verifier.config import docker
from verifier.config.input import BY_NAME, ConfigInput
from verifier.config.options import CONFIG_VARIABLE, OPTIONS
from verifier.config.problems import Problem, shown_name

_TABLES: Final = sorted({option.table for option in OPTIONS} - {""})
_PREFIX: Final = "VERIFIER_"
VARIABLES: Final = {
    CONFIG_VARIABLE,
    *(name for option in OPTIONS for name in (option.variable, option.file_variable) if name),
}
"""Every variable that is read."""

_VARIABLE_SPELLINGS: Final = {name: name for name in VARIABLES} | {
    f"{_PREFIX}{option.attribute.upper()}": option.variable for option in OPTIONS if option.variable
}
# Kubernetes sets these for a Service called verifier, verifier-admin and so on.
_PORT: Final = r"PORT(_[0-9]+_(TCP|UDP|SCTP))?"
_KUBERNETES: Final = re.compile(
    rf"{_PREFIX}(\w+_)?"
    rf"(SERVICE_HOST=.*|SERVICE_PORT(_\w+)?=.*|{_PORT}=\w+://.*|{_PORT}_(ADDR|PORT|PROTO)=.*)"
)
# A misspelt option of a table such as [policy] is an error, not a notice: the service would accept
# tokens that the operator wants to deny.
_OF_TABLE: Final = re.compile(rf"{_PREFIX}({'|'.join(_TABLES).upper()})_\w+")
_OURS: Final = (_PREFIX, "JWT_")
_FIRST_LETTERS: Final = ("V", "J", "X")
_SIMILAR: Final = 0.85
"""The least similarity of a name that has none of our prefixes, from 0 to 1."""
_SIMILAR_KEY: Final = 0.6
"""The least similarity of a key of the file; a less similar one would mislead."""
_LIST: Final = "docs/configuration.md"

TABLES: Final = {"policy": "[policy]", "hosts": '[hosts."NAME"]', "public_keys": "[public_keys]"}
"""The tables of the file, as they are written."""

_OTHER_NAMES: Final = {
    word: name
    for name, words in {
        "allow_empty_token": "allow_guests anonymous enable_guests guests",
        "asap_accepted_audiences": "aud",
        "asap_accepted_issuers": "iss issuer",
        "cache_keys_url": "jwks jwks_uri jwks_url keys_url",
        "leeway": "clock_skew skew",
        "listen": "address bind bind_address host port",
        "log_level": "debug verbose verbosity",
        "mode": "dry_run report_only",
        "revocation_store": "database redis redis_url sqlite store",
        "signature_algorithm": "alg algorithm",
        "workers": "processes threads",
    }.items()
    for word in words.split()
}
"""Words of other programs for options of this one."""

_OTHER_TABLE_NAMES: Final = {"host": "hosts", "vhosts": "hosts", "virtualhosts": "hosts"}


def check_variables(environ: Mapping[str, str], config: ConfigInput) -> None:
    """Name the variables that are not known: misspelt ones, and unknown ones of ours."""
    for name, value in sorted(environ.items()):
        if name in VARIABLES or name in docker.OTHER_VARIABLES or not _concerns_us(name):
            continue
        if _KUBERNETES.fullmatch(f"{name}={value}"):
            continue
        near = _nearest_variable(name.upper())
        if _OF_TABLE.fullmatch(name):
            expected = f"a known one; the nearest is {near}"
            found = "an unknown policy option"
            config.problems.append(Problem(shown_name(name), "environment", found, expected))
        else:
            config.unknown.append(
                f"{shown_name(name)}: not a known variable, ignored; the nearest is {near}"
            )


def _nearest_variable(name: str) -> str:
    word = name.removeprefix(_PREFIX).removeprefix("JWT_").lower()
    variable = BY_NAME[_OTHER_NAMES[word]].variable if word in _OTHER_NAMES else None
    return variable or _VARIABLE_SPELLINGS[_nearest(name, _VARIABLE_SPELLINGS)]


def nearest_key(key: str, allowed: Collection[str]) -> str | None:
    """Return the most similar of the allowed TOML keys; None if none is similar.

    Names of variables are spellings of their keys.
    """
    plain = _plain(key)
    if (known := _OTHER_NAMES.get(plain)) in allowed:
        return known
    spellings = {name.lower(): name for name in allowed}
    for option in OPTIONS:
        if option.name in allowed:
            spellings[option.attribute] = option.name
            spellings[(option.variable or option.name).lower()] = option.name
            if option.file_variable and option.file_key:
                spellings[option.file_variable.lower()] = option.file_key
    spellings |= {name: name for name in allowed}
    near = difflib.get_close_matches(plain, spellings, n=1, cutoff=_SIMILAR_KEY)
    return spellings[near[0]] if near else None


def describe_unknown(key: str, value: Any, allowed: Collection[str], tables: Iterable[str]) -> str:
    """Return what was expected in place of an unknown key of the file."""
    if not isinstance(value, Mapping):
        near = nearest_key(key, allowed)
        what = f"the nearest is {near}" if near else f"none is similar: {_LIST} has all of them"
        return f"the name of an option; {what}"
    names = {name: name for name in tables} | {
        spelling: name for spelling, name in _OTHER_TABLE_NAMES.items() if name in tables
    }
    close = difflib.get_close_matches(_plain(key), names, n=1, cutoff=_SIMILAR_KEY)
    if close:
        return f"the name of a table; the nearest is {TABLES[names[close[0]]]}"
    return f"one of the tables {', '.join(TABLES[name] for name in tables)}"


def _concerns_us(name: str) -> bool:
    upper = name.upper()
    if upper.startswith(_OURS):
        return True
    similar = upper.startswith(_FIRST_LETTERS) and "_" in upper
    return similar and bool(difflib.get_close_matches(upper, VARIABLES, n=1, cutoff=_SIMILAR))


def _plain(key: str) -> str:
    """Return a key in lower case with underlines: ``app-id`` and ``appId`` become ``app_id``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).replace("-", "_").lower()


def _nearest(name: str, known: Iterable[str]) -> str:
    return difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)[0]
