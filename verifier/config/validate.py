"""What options mean together: defaults that follow from others, and what does not fit.

Reads nothing but key files; says what an operator should know, once, as notices.
"""

from __future__ import annotations

from typing import Any

from verifier.config.hosts import PER_HOST
from verifier.config.keys import resolve_keys
from verifier.config.operator_policy import resolve_operator_policy
from verifier.config.options import OPTIONS
from verifier.config.pages import check_pages
from verifier.config.sources import Reading
from verifier.config.stores import check_extras, resolve_single_use

_WEAK_TOKEN = 16  # bytes; 128 bits where the token is random


def resolve(reading: Reading, *, terminal: bool) -> dict[str, Any]:
    """Give every option its value, noting problems and notices in ``reading``.

    Args:
        reading: What file and environment gave.
        terminal: Whether log lines go to a terminal.
    """
    values = {option.name: option.default for option in OPTIONS}
    values |= {name: given.value for name, given in reading.given.items()}
    if values["log_format"] is None:
        values["log_format"] = "console" if terminal else "json"
    _resolve_verdict(reading, values)
    _check_listeners(reading, values)
    if values["mode"] == "report-only":
        reading.notice("mode", "nobody is refused; what would be is logged and counted")
    if values["rules"] == "strict":
        text = "Prosody lets in more, but refuses a list in aud where * is not accepted"
        reading.notice("rules", f"strict: {text}")
    if values["leeway"]:
        reading.notice("leeway", "Jitsi has none: Prosody will refuse what is late by that much")
    if values["bypass"] and not values["trusted_proxies"]:
        expected = "trusted_proxies (VERIFIER_TRUSTED_PROXIES) beside it"
        reading.refuse("bypass", "networks, and no proxy to believe", expected)
    check_pages(reading, values)
    check_extras(reading, values)
    return values


def resolve_host(reading: Reading, service: dict[str, Any]) -> dict[str, Any]:
    """Give every option its value for one virtual host.

    Args:
        reading: What its table gave, over what the whole service was given.
        service: The whole service's values, for what no host has of its own.
    """
    values = {option.name: option.default for option in OPTIONS}
    values |= {name: value for name, value in service.items() if name not in PER_HOST}
    values |= {name: reading.given[name].value for name in PER_HOST if name in reading.given}
    _resolve_verdict(reading, values)
    return values


def _resolve_verdict(reading: Reading, values: dict[str, Any]) -> None:
    _resolve_claims(reading, values)
    _resolve_domains(reading, values)
    resolve_keys(reading, values)
    resolve_single_use(reading, values)
    resolve_operator_policy(reading, values)


def _resolve_claims(reading: Reading, values: dict[str, Any]) -> None:
    if values["app_id"] is None and not reading.is_unsure("app_id"):
        reading.refuse("app_id", "nothing", "the application id that tokens are issued for")
    if values["asap_accepted_issuers"] is None:
        values["asap_accepted_issuers"] = (values["app_id"],)
    if "*" in values["asap_accepted_issuers"]:
        text = "any issuer is accepted: whoever holds a key may sign for all"
        reading.notice("asap_accepted_issuers", text)
    if values["allow_empty_token"]:
        reading.notice("allow_empty_token", "guests come in without a token")


def _resolve_domains(reading: Reading, values: dict[str, Any]) -> None:
    base = values["muc_mapper_domain_base"]
    if values["muc_mapper_domain_prefix"] is None:
        values["muc_mapper_domain_prefix"] = _first_label(reading)
    if values["muc_mapper_domain"] is None and base is not None:
        values["muc_mapper_domain"] = f"{values['muc_mapper_domain_prefix']}.{base}"
    if not reading.is_unsure("muc_mapper_domain_base", "enable_domain_verification"):
        _resolve_verification(reading, values, base)


def _first_label(reading: Reading) -> str:
    """Follow docker-jitsi-meet, which cuts the prefix from XMPP_MUC_DOMAIN; Prosody does not."""
    given = reading.given.get("muc_mapper_domain")
    if given is None or not given.from_environment:
        return "conference"
    return str(given.value).partition(".")[0]


def _resolve_verification(reading: Reading, values: dict[str, Any], base: str | None) -> None:
    name = "enable_domain_verification"
    if values["rules"] == "strict" and not (base and values[name] is not False):
        _refuse_unverified(reading, base)
    elif values[name] and base is None:
        expected = "muc_mapper_domain_base (XMPP_DOMAIN) beside it, or false"
        reading.refuse(name, "true without muc_mapper_domain_base", expected)
    elif values[name] is None and base is None:
        text = "false, since muc_mapper_domain_base is not known: sub and tenants are not compared"
        reading.notice(name, text)
    elif values[name] is None and reading.given["muc_mapper_domain_base"].from_environment:
        text = "true, since XMPP_DOMAIN is set; docker-jitsi-meet itself has it false by default"
        reading.notice(name, text)
    if values[name] is None:
        values[name] = base is not None
    if values[name] and "muc_mapper_domain" not in reading.given:
        _notice_docker_muc(reading, values["muc_mapper_domain"], base)


def _refuse_unverified(reading: Reading, base: str | None) -> None:
    """Strict rules compare tenant and domain always."""
    why = 'rules = "strict" compares sub, tenant and domain'
    if base is None:
        expected = f"the XMPP domain (XMPP_DOMAIN): {why}"
        reading.refuse("muc_mapper_domain_base", "nothing", expected)
    else:
        expected = f'true, or rules = "jitsi": {why}'
        reading.refuse("enable_domain_verification", "false", expected)


def _notice_docker_muc(reading: Reading, muc: str, base: str | None) -> None:
    given = reading.given.get("muc_mapper_domain_base")
    if given is not None and given.from_environment:
        text = f"{muc}, since XMPP_MUC_DOMAIN is not set; docker-jitsi-meet's own is muc.{base}"
        reading.notice("muc_mapper_domain", text)


def _check_listeners(reading: Reading, values: dict[str, Any]) -> None:
    admin, token = values["admin_listen"], values["admin_token"]
    if not admin.is_local and token is None and not reading.is_unsure("admin_token"):
        expected = "a loopback or unix address, or an admin_token (VERIFIER_ADMIN_TOKEN)"
        reading.refuse("admin_listen", f"{admin} without an admin_token", expected)
    if token is not None and len(token) < _WEAK_TOKEN:
        text = f"the token is weak: {len(token)} bytes, expected {_WEAK_TOKEN} or more"
        reading.notice("admin_token", text)
    fixed = [address for address in values["listen"] if not str(address).endswith(":0")]
    for address in dict.fromkeys(fixed):
        if fixed.count(address) > 1:
            reading.refuse("listen", f"{address} twice", "every address once")
    if admin in fixed and not reading.is_unsure("listen", "admin_listen"):
        reading.refuse("admin_listen", f"{admin}, as in listen", "an address of its own")
