"""One host of Prosody's beside this program's options, option by option.

Each row is safe to print: a secret is there as its fingerprint.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from verifier.check_config.deployment import Deployment
from verifier.check_config.lua_values import Unknown
from verifier.check_config.token_hosts import COMPARED, OWN_MODULE, InForce, TokenHost
from verifier.config import Settings
from verifier.explain.wording import make_printable
from verifier.keys.model import is_symmetric
from verifier.keys.pem import looks_like_pem
from verifier.rules.policy import OperatorPolicy

Result: TypeAlias = Literal["same", "differs", "no-effect", "unknown", "stricter"]

_MUC: Final = ("muc_mapper_domain_base", "muc_mapper_domain_prefix", "muc_mapper_domain")
_KEY_URLS: Final = ("asap_key_server", "cache_keys_url")
_USER_INFO: Final = re.compile(r"(?<=//)[^/?#]*@")
_QUERY: Final = re.compile(r"\?.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Row:
    """One option.

    Attributes:
        prosody: What Prosody has, in words.
        verifier: What this program has, in words.
        result: How they fit. ``no-effect``: they differ, and no verdict does. ``stricter``: this
            program refuses on purpose what Prosody lets in.
        where: Where Prosody has it from; else what an operator should know.
    """

    option: str
    prosody: str
    verifier: str
    result: Result
    where: str


@dataclass(frozen=True, slots=True)
class HostComparison:
    """One VirtualHost beside this program's options.

    Attributes:
        table: Which of this program's tables answers for it; empty for the top of the file.
        rows: The comparison; empty where Prosody's own module asks this program.
    """

    host: TokenHost
    table: str
    rows: tuple[Row, ...]


def compare_hosts(deployment: Deployment, settings: Settings) -> list[HostComparison]:
    """Compare every host that takes tokens with the options that answer for it."""
    addresses = [str(address) for address in settings.listen]
    reports = []
    for host in deployment.hosts:
        table, own = _answering(host, settings)
        rows = [*compare_options(host, options_of(own), addresses), *_beyond_jitsi(own)]
        asks = host.authentication == OWN_MODULE
        reports.append(HostComparison(host, table, () if asks else tuple(rows)))
    return reports


def options_of(settings: Settings) -> dict[str, InForce]:
    """Give what is compared."""
    return {name: getattr(settings, name) for name in COMPARED}


def compare_options(
    host: TokenHost, ours: Mapping[str, InForce], own_addresses: Collection[str] = ()
) -> list[Row]:
    """Compare what is in force.

    Args:
        host: Prosody's side.
        ours: This program's options by name; ``app_secret`` is a tuple of all secrets.
        own_addresses: ``HOST:PORT`` where this program serves keys, as a key server of Prosody's.
    """
    rows = []
    for option in COMPARED:
        theirs, own = host.options[option], ours[option]
        place = host.where(option)
        result = _result(option, host, ours, own_addresses)
        words = f"{shown(option, theirs)} (this verifier)"
        is_own = option in _KEY_URLS and is_own_key_server(theirs, own_addresses)
        rows.append(
            Row(
                option,
                words if is_own else shown(option, theirs),
                shown(option, own),
                result,
                "default" if place is None else str(place),
            )
        )
    return rows


def shown(option: str, value: InForce) -> str:
    """Put a value into words."""
    if isinstance(value, Unknown):
        return f"not known: {value.reason}"
    if option == "app_secret":
        secrets = (value,) if isinstance(value, str) else value
        known = secrets if isinstance(secrets, tuple) else ()
        return ", ".join(map(_shown_secret, known)) or "none"
    if isinstance(value, tuple):
        return make_printable(", ".join(value)) or "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | int):
        return f"{value:g}"
    if option in _KEY_URLS and value:
        return make_printable(_QUERY.sub("?***", _USER_INFO.sub("***@", value)))
    return make_printable(value or ("none" if value is None else '""'))


def is_own_key_server(value: InForce, own_addresses: Collection[str]) -> bool:
    """Tell whether Prosody asks this very program for keys."""
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.path.rstrip("/") == "/asap" and parts.netloc in own_addresses


def _shown_secret(secret: str) -> str:
    if not secret:
        return "an empty secret"
    what = "public key" if looks_like_pem(secret) else "secret"
    return f"{what} {fingerprint(secret)}"


def _result(
    option: str, host: TokenHost, ours: Mapping[str, InForce], own_addresses: Collection[str]
) -> Result:
    theirs, own = host.options[option], ours[option]
    if isinstance(theirs, Unknown):
        return "unknown" if _matters(option, host, ours, own_addresses) else "no-effect"
    if _equal(option, theirs, own):
        return "same"
    return "differs" if _matters(option, host, ours, own_addresses) else "no-effect"


def _equal(option: str, theirs: InForce, own: InForce) -> bool:
    if option == "app_secret" and isinstance(own, tuple):
        # One more on our side is a key for tokens that Prosody refuses.
        secrets = {_plain(secret) for secret in own}
        return {_plain(theirs)} == secrets if isinstance(theirs, str) else not own
    if isinstance(theirs, tuple) and isinstance(own, tuple):
        return set(theirs) == set(own) or ("*" in theirs and "*" in own)
    if option == "asap_key_server" and isinstance(theirs, str) and isinstance(own, str):
        return theirs.rstrip("/") == own.rstrip("/")
    if option in _MUC and isinstance(theirs, str) and isinstance(own, str):
        return theirs.lower() == own.lower()
    return theirs == own


def _plain(secret: InForce) -> str:
    text = secret if isinstance(secret, str) else ""
    return "".join(text.split()) if looks_like_pem(text) else text


def _matters(
    option: str, host: TokenHost, ours: Mapping[str, InForce], own_addresses: Collection[str]
) -> bool:
    """Tell whether a difference can change a verdict."""
    theirs = host.options
    if option == "app_id":
        return False  # it is the accepted issuer, if nothing else is; that has a row of its own
    if option == "app_secret":
        by_url = any(theirs[name] for name in _KEY_URLS) and any(ours[name] for name in _KEY_URLS)
        return not (by_url and not is_symmetric(str(ours["signature_algorithm"])))
    if option in _KEY_URLS:
        ours_serve = {is_own_key_server(theirs[name], own_addresses): name for name in _KEY_URLS}
        return True not in ours_serve or (ours_serve[True] != option and bool(theirs[option]))
    if option in _MUC or option.startswith("token_regex_"):
        verified = (theirs["enable_domain_verification"], ours["enable_domain_verification"])
        return any(verified)
    return True


def _beyond_jitsi(own: Settings) -> Iterator[Row]:
    """Give rows for what Jitsi cannot be told, if it is used here."""
    if own.leeway:
        yield Row("leeway", "0", f"{own.leeway:g}", "differs", "Jitsi has none")
    if own.other_algorithms:
        more = ", ".join(own.other_algorithms)
        yield Row("signature_algorithm", "one alone", f"{more} too", "differs", "Jitsi takes one")
    if own.strict:
        place = "but a list in aud passes here, and there only where * is accepted"
        yield Row("rules", "jitsi", "strict", "stricter", place)
    operator_policy = own.operator_policy or OperatorPolicy()
    for name in (rule.name for rule in fields(OperatorPolicy)):
        value = getattr(operator_policy, name)
        if value not in (None, False):
            words = "true" if value is True else f"{value:g}"
            yield Row(f"policy.{name}", "none", words, "stricter", "Jitsi has none")
    if own.single_use != "off":
        yield Row("single_use", "off", own.single_use, "stricter", "Jitsi lets tokens in again")


def _answering(host: TokenHost, settings: Settings) -> tuple[str, Settings]:
    """Find the options that answer for a host of Prosody's: by its name, or by its domain."""
    if host.name in settings.hosts:
        return host.name, settings.hosts[host.name]
    for name, own in settings.hosts.items():
        if own.muc_mapper_domain_base == host.name != settings.muc_mapper_domain_base:
            return name, own
    return "", settings


def fingerprint(secret: str) -> str:
    """Give what two people can compare without telling each other the secret.

    Slow on purpose: 32 bits of a plain hash would be enough to find a weak secret by trying.
    """
    raw = secret.encode("utf-8", "surrogateescape")
    salt = b"jitsi-verifier check-config"
    return hashlib.scrypt(raw, salt=salt, n=2**13, r=8, p=1, dklen=4).hex()
