"""Prosody's hosts beside this program's options, option by option.

A difference alone is not a disagreement: many options have no effect under others. ``_matters``
decides whether a difference can change any decision.

Each row is safe to print: a secret appears only as its fingerprint.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from verifier.check_config.deployment import Deployment
from verifier.check_config.lua_values import Unknown
from verifier.check_config.muc_modules import find_policies, find_unknown_modules
from verifier.check_config.token_hosts import (
    COMPARED,
    MAPPER_OPTIONS,
    OWN_MODULE,
    OptionValue,
    TokenHost,
    lets_in_guests,
    main_host,
)
from verifier.config import Settings
from verifier.config.key_checks import KEY_URL_OPTIONS
from verifier.explain.wording import make_printable, quote
from verifier.keys.model import is_symmetric
from verifier.keys.pem import looks_like_pem
from verifier.rules.policy import OperatorPolicy

Result: TypeAlias = Literal["same", "differs", "no-effect", "unknown", "stricter"]
"""How an option's two values fit.

``no-effect``: they differ, but no decision does. ``unknown``: Prosody's value is unknown, and may
change decisions. ``stricter``: this program denies on purpose what Prosody allows.
"""

_USER_INFO: Final = re.compile(r"(?<=//)[^/?#]*@")
_QUERY: Final = re.compile(r"\?.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Row:
    """The comparison of one option.

    Attributes:
        option: The option's name.
        prosody: Prosody's value as text.
        verifier: This program's value as text.
        result: How the values fit.
        where: Where Prosody's value is set, or a remark.
    """

    option: str
    prosody: str
    verifier: str
    result: Result
    where: str


@dataclass(frozen=True, slots=True)
class HostComparison:
    """The comparison of one VirtualHost.

    Attributes:
        host: Prosody's host.
        table: The name of this program's ``[hosts]`` table for the host; empty for the options at
            the top of the file.
        rows: The options; empty if Prosody asks this program about tokens.
    """

    host: TokenHost
    table: str
    rows: tuple[Row, ...]


def compare_hosts(deployment: Deployment, settings: Settings) -> list[HostComparison]:
    """Compare each host that accepts tokens with the options that this program has for it."""
    addresses = [str(address) for address in settings.listen]
    guest_hosts = {
        main_host(host, deployment.hosts).name: host.name
        for host in deployment.sharing
        if deployment.hosts and lets_in_guests(host, deployment.config)
    }
    comparisons = []
    for host in deployment.hosts:
        table, own = find_own_options(host, settings)
        rows: tuple[Row, ...] = ()
        if host.authentication != OWN_MODULE:
            compared = compare_options(host, options_of(own), addresses)
            if own.allow_empty_token and host.name in guest_hosts:
                compared = [_with_guests(row, guest_hosts[host.name]) for row in compared]
            rows = (*compared, *_compare_additions(own), *_compare_policies(host, own))
        comparisons.append(HostComparison(host, table, rows))
    return comparisons


def _with_guests(row: Row, guests: str) -> Row:
    """Return a row in which guests may log in to a host of their own, but not to the main host."""
    if row.option != "allow_empty_token" or row.result != "differs":
        return row
    return replace(row, result="no-effect", where=f"guests log in to {guests}")


def options_of(settings: Settings) -> dict[str, OptionValue]:
    """Return this program's values of the compared options."""
    return {name: getattr(settings, name) for name in COMPARED}


def compare_options(
    host: TokenHost, ours: Mapping[str, OptionValue], own_addresses: Collection[str] = ()
) -> list[Row]:
    """Compare the options in force.

    Args:
        host: Prosody's host.
        ours: This program's options by name; ``app_secret`` is a tuple of all secrets.
        own_addresses: The addresses (``HOST:PORT``) where this program itself serves keys.
    """
    rows = []
    for option in COMPARED:
        theirs, own = host.options[option], ours[option]
        text = _format_option(option, theirs)
        if option in KEY_URL_OPTIONS and is_own_key_server(theirs, own_addresses):
            text = f"{text} (this verifier)"
        location = host.locations.get(option)
        rows.append(
            Row(
                option,
                text,
                _format_option(option, own),
                _result(option, host, ours, own_addresses),
                "default" if location is None else str(location),
            )
        )
    return rows


def _format_option(option: str, value: OptionValue) -> str:
    if isinstance(value, Unknown):
        return f"not known: {value.reason}"
    if option == "app_secret":
        secrets = (value,) if isinstance(value, str) else value
        known = secrets if isinstance(secrets, tuple) else ()
        return ", ".join(map(_format_secret, known)) or "none"
    if isinstance(value, tuple):
        return ", ".join(map(quote, value)) or "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | int):
        return f"{value:g}"
    if option in KEY_URL_OPTIONS and value:
        # User name, password and query may be credentials of the key server.
        return make_printable(_QUERY.sub("?***", _USER_INFO.sub("***@", value)))
    return make_printable(value or ("none" if value is None else '""'))


def _format_secret(secret: str) -> str:
    if not secret:
        return "an empty secret"
    kind = "public key" if looks_like_pem(secret) else "secret"
    return f"{kind} {fingerprint(secret)}"


@lru_cache(maxsize=1024)
def fingerprint(secret: str) -> str:
    """Return a hash of a secret, which people can compare without showing the secret.

    The hash is slow on purpose. With a fast hash, its 32 bits would let an attacker find a weak
    secret by trying. It is kept, because hundreds of hosts may have one secret.
    """
    raw = secret.encode("utf-8", "surrogateescape")
    salt = b"jitsi-verifier check-config"
    return hashlib.scrypt(raw, salt=salt, n=2**13, r=8, p=1, dklen=4).hex()


def is_own_key_server(value: OptionValue, own_addresses: Collection[str]) -> bool:
    """Return whether Prosody fetches its keys from this program."""
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.path.rstrip("/") == "/asap" and parts.netloc in own_addresses


def _result(
    option: str, host: TokenHost, ours: Mapping[str, OptionValue], own_addresses: Collection[str]
) -> Result:
    theirs, own = host.options[option], ours[option]
    if isinstance(theirs, Unknown):
        return "unknown" if _matters(option, host, ours, own_addresses) else "no-effect"
    if _are_equal(option, theirs, own):
        return "same"
    return "differs" if _matters(option, host, ours, own_addresses) else "no-effect"


def _are_equal(option: str, theirs: OptionValue, own: OptionValue) -> bool:
    if option == "app_secret" and isinstance(own, tuple):
        # A further secret on this side accepts tokens that Prosody denies.
        secrets = {_normalize_secret(secret) for secret in own}
        return {_normalize_secret(theirs)} == secrets if isinstance(theirs, str) else not own
    if isinstance(theirs, tuple) and isinstance(own, tuple):
        return set(theirs) == set(own) or ("*" in theirs and "*" in own)
    if option == "asap_key_server" and isinstance(theirs, str) and isinstance(own, str):
        return theirs.rstrip("/") == own.rstrip("/")
    if option in MAPPER_OPTIONS and isinstance(theirs, str) and isinstance(own, str):
        return theirs.lower() == own.lower()
    return theirs == own


def _normalize_secret(secret: OptionValue) -> str:
    """Return a secret as it is, and a PEM key without line breaks, which may differ."""
    text = secret if isinstance(secret, str) else ""
    return "".join(text.split()) if looks_like_pem(text) else text


def _matters(
    option: str, host: TokenHost, ours: Mapping[str, OptionValue], own_addresses: Collection[str]
) -> bool:
    """Return whether a difference in this option can change a decision."""
    theirs = host.options
    if option == "app_id":
        # It is only the default of asap_accepted_issuers, which has a row of its own.
        return False
    if option == "app_secret":
        # With key URLs on both sides and a public-key algorithm, no secret is used.
        by_url = all(any(map(side.get, KEY_URL_OPTIONS)) for side in (theirs, ours))
        return not (by_url and not is_symmetric(str(ours["signature_algorithm"])))
    if option in KEY_URL_OPTIONS:
        # If Prosody asks this program for keys, the keys are the same by construction.
        # Prosody may not have every option of ours.
        own_server = {
            is_own_key_server(theirs.get(name), own_addresses): name for name in KEY_URL_OPTIONS
        }
        return True not in own_server or (own_server[True] != option and bool(theirs[option]))
    if option in MAPPER_OPTIONS or option.startswith("token_regex_"):
        # Without domain verification neither side reads tenants, domains and patterns.
        return bool(theirs["enable_domain_verification"] or ours["enable_domain_verification"])
    return True


def _compare_additions(own: Settings) -> Iterator[Row]:
    """Yield rows for the options in use that Jitsi does not have."""
    if own.leeway:
        yield Row("leeway", "0", f"{own.leeway:g}", "differs", "Jitsi has no leeway")
    if own.other_algorithms:
        more = ", ".join(own.other_algorithms)
        yield Row(
            "signature_algorithm", "only one", f"{more} too", "differs", "Jitsi accepts only one"
        )
    if own.strict:
        remark = "but a list in aud passes here, and in Jitsi only if * is accepted"
        yield Row("rules", "jitsi", "strict", "stricter", remark)
    if own.single_use != "off":
        remark = "Jitsi accepts a token many times"
        yield Row("single_use", "off", own.single_use, "stricter", remark)


def _compare_policies(host: TokenHost, own: Settings) -> Iterator[Row]:
    """Yield rows for the operator policy, and for the MUC modules that have the same effect."""
    theirs = find_policies(host)
    operator_policy = own.operator_policy or OperatorPolicy()
    for name in (rule.name for rule in fields(OperatorPolicy)):
        value, module = getattr(operator_policy, name), theirs.get(name)
        text = "none" if value in (None, False) else "true" if value is True else f"{value:g}"
        if module is not None:
            result: Result = "differs" if value in (None, False) else "same"
            yield Row(f"policy.{name}", "true", text, result, f"Prosody's module {module}")
        elif value not in (None, False):
            yield Row(f"policy.{name}", "none", text, "stricter", "Jitsi has no such option")
    for module in find_unknown_modules(host):
        remark = "it may deny tokens that this verifier accepts"
        yield Row(f"module {module}", "loaded", "not known", "unknown", remark)


def find_own_options(host: TokenHost, settings: Settings) -> tuple[str, Settings]:
    """Return this program's table and options for a host: by the host's name, or its domain."""
    if host.name in settings.hosts:
        return host.name, settings.hosts[host.name]
    for name, own in settings.hosts.items():
        if own.muc_mapper_domain_base == host.name != settings.muc_mapper_domain_base:
            return name, own
    return "", settings
