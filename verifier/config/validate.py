"""What options mean together: defaults that follow from other options, and what does not fit.

This module reads nothing except key files. It adds problems, and notices that an operator should
read once.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final

from verifier.config.hosts import PER_HOST
from verifier.config.input import ConfigInput
from verifier.config.key_checks import STRONG_SECRET, check_published, resolve_keys
from verifier.config.options import OPTIONS
from verifier.config.problems import how_to_install, shown
from verifier.config.redirect_template import unknown_placeholders
from verifier.keys.model import is_symmetric
from verifier.keys.pem import looks_like_pem
from verifier.storage.redis_url import is_redis_url, parse_redis_url

STRONG_TOKEN: Final = 16
"""The least number of bytes of an admin token on an address that other machines can reach; 128 bits
if the token is random."""


def resolve(config: ConfigInput, environ: Mapping[str, str], *, terminal: bool) -> dict[str, Any]:
    """Return a value for every option, and add problems and notices to ``config``.

    Args:
        config: What the file and the environment gave.
        environ: The environment, for what it says about the machine.
        terminal: Whether log lines go to a terminal.
    """
    values = {option.name: option.default for option in OPTIONS}
    values |= {name: given.value for name, given in config.given.items()}
    if values["log_format"] is None:
        values["log_format"] = "console" if terminal else "json"
    _resolve_decisions(config, values)
    _check_listeners(config, values)
    _check_rules(config, values)
    _check_bypass(config, values)
    _check_redirect(config, values)
    _check_handoff(config, values)
    _check_store_password(config, values)
    _check_packages(config, values)
    _notice_pod(config, values, environ)
    return values


def resolve_host(config: ConfigInput, service: dict[str, Any]) -> dict[str, Any]:
    """Return a value for every option as it is for one virtual host.

    Args:
        config: What the host's table gave, over what the whole service was given.
        service: The whole service's values, for options that a host cannot have.
    """
    values = {option.name: option.default for option in OPTIONS}
    values |= {name: value for name, value in service.items() if name not in PER_HOST}
    values |= {name: config.given[name].value for name in PER_HOST if name in config.given}
    _resolve_decisions(config, values)
    return values


# Options that decide about tokens, each of which a host may have.


def _resolve_decisions(config: ConfigInput, values: dict[str, Any]) -> None:
    _resolve_claims(config, values)
    _resolve_domains(config, values)
    resolve_keys(config, values)
    _resolve_single_use(config, values)
    _check_operator_policy(config, values)


def _resolve_claims(config: ConfigInput, values: dict[str, Any]) -> None:
    if values["app_id"] is None and not config.has_bad_value("app_id"):
        config.add_problem("app_id", "nothing", "the application id that tokens are issued for")
    if values["asap_accepted_issuers"] is None:
        values["asap_accepted_issuers"] = (values["app_id"],)
    if "*" in values["asap_accepted_issuers"]:
        text = "any issuer is accepted: the holder of a key may sign for every issuer"
        config.add_notice("asap_accepted_issuers", text)
    if values["allow_empty_token"]:
        config.add_notice("allow_empty_token", "guests come in without a token")


def _resolve_domains(config: ConfigInput, values: dict[str, Any]) -> None:
    base = values["muc_mapper_domain_base"]
    if values["muc_mapper_domain_prefix"] is None:
        values["muc_mapper_domain_prefix"] = _first_label(config)
    if values["muc_mapper_domain"] is None and base is not None:
        values["muc_mapper_domain"] = f"{values['muc_mapper_domain_prefix']}.{base}"
    if not config.has_bad_value("muc_mapper_domain_base", "enable_domain_verification"):
        _resolve_verification(config, values, base)


def _first_label(config: ConfigInput) -> str:
    """Return the prefix as docker-jitsi-meet cuts it from XMPP_MUC_DOMAIN; Prosody does not."""
    given = config.given.get("muc_mapper_domain")
    if given is None or not given.from_environment:
        return "conference"
    return str(given.value).partition(".")[0]


def _resolve_verification(config: ConfigInput, values: dict[str, Any], base: str | None) -> None:
    name = "enable_domain_verification"
    if values["rules"] == "strict" and not (base and values[name] is not False):
        _refuse_unverified(config, base)
    elif values[name] and base is None:
        expected = "muc_mapper_domain_base (XMPP_DOMAIN) beside it, or false"
        config.add_problem(name, "true without muc_mapper_domain_base", expected)
    elif values[name] is None and base is None:
        text = "false, since muc_mapper_domain_base is not known: sub and tenants are not compared"
        config.add_notice(name, text)
    elif values[name] is None and config.given["muc_mapper_domain_base"].from_environment:
        text = "true, since XMPP_DOMAIN is set; docker-jitsi-meet itself has it false by default"
        config.add_notice(name, text)
    if values[name] is None:
        values[name] = base is not None
    if values[name] and "muc_mapper_domain" not in config.given:
        _notice_docker_muc(config, values["muc_mapper_domain"], base)


def _refuse_unverified(config: ConfigInput, base: str | None) -> None:
    """Refuse what would keep strict rules from comparing tenant and domain."""
    reason = 'rules = "strict" compares sub, tenant and domain'
    if base is None:
        expected = f"the XMPP domain (XMPP_DOMAIN): {reason}"
        config.add_problem("muc_mapper_domain_base", "nothing", expected)
    else:
        expected = f'true, or rules = "jitsi": {reason}'
        config.add_problem("enable_domain_verification", "false", expected)


def _notice_docker_muc(config: ConfigInput, muc: str, base: str | None) -> None:
    given = config.given.get("muc_mapper_domain_base")
    if given is not None and given.from_environment:
        text = f"{muc}, since XMPP_MUC_DOMAIN is not set; docker-jitsi-meet's own is muc.{base}"
        config.add_notice("muc_mapper_domain", text)


def _resolve_single_use(config: ConfigInput, values: dict[str, Any]) -> None:
    if values["single_use"] == "off":
        return
    # A redemption is stored under the token's jti until its exp, so that both are needed.
    values["policy.require_jti"] = values["policy.require_expiry"] = True
    if not values["handoff"]:
        window = values["single_use_window"]
        text = f"without handoff, reloads and BOSH are refused {window} s after the first entry"
        config.add_notice("single_use", text)
    if values["revocation_store"] == "memory:":
        text = "with revocation_store memory:, a restart forgets which tokens have been used"
        config.add_notice("single_use", text)


def _check_operator_policy(config: ConfigInput, values: dict[str, Any]) -> None:
    verified, patterns = values["enable_domain_verification"], values["token_regex_enabled"]
    if values["policy.forbid_wildcard_sub"] and not verified:
        text = "without enable_domain_verification no sub is compared: any sub opens every tenant"
        config.add_notice("policy.forbid_wildcard_sub", text)
    if values["policy.forbid_room_patterns"] or not (verified and patterns):
        return
    if values["policy.forbid_wildcard_room"]:
        text = "a pattern can open every room, too; policy.forbid_room_patterns refuses patterns"
        config.add_notice("policy.forbid_wildcard_room", text)


# Options of the whole service.


def _check_listeners(config: ConfigInput, values: dict[str, Any]) -> None:
    admin, token = values["admin_listen"], values["admin_token"]
    if not admin.is_local and token is None and not config.has_bad_value("admin_token"):
        expected = "a loopback or unix address, or an admin_token (VERIFIER_ADMIN_TOKEN)"
        config.add_problem("admin_listen", f"{admin} without an admin_token", expected)
    if token is not None and (size := len(token.encode())) < STRONG_TOKEN:
        if admin.is_local:
            text = f"the token is weak: {size} bytes, expected {STRONG_TOKEN} or more"
            config.add_notice("admin_token", text)
        else:
            expected = f"{STRONG_TOKEN} or more, since other machines can reach {admin}"
            config.add_problem("admin_token", f"a token of {size} bytes", expected)
    if token is not None:
        check_published(config, "admin_token", token, [admin])
    # The system chooses a port for :0, another one each time.
    fixed = [address for address in values["listen"] if not str(address).endswith(":0")]
    for address in dict.fromkeys(fixed):
        if fixed.count(address) > 1:
            config.add_problem("listen", f"{address} twice", "every address once")
    if admin in fixed and not config.has_bad_value("listen", "admin_listen"):
        config.add_problem("admin_listen", f"{admin}, as in listen", "an address of its own")


def _check_rules(config: ConfigInput, values: dict[str, Any]) -> None:
    if values["mode"] == "report-only":
        text = "every request is let in; what would be denied is logged and counted"
        config.add_notice("mode", text)
    if values["rules"] == "strict":
        text = "strict: Prosody accepts more, but refuses a list in aud unless * is accepted"
        config.add_notice("rules", text)
    if values["leeway"]:
        text = "Jitsi has no leeway: Prosody refuses tokens that only the leeway lets in"
        config.add_notice("leeway", text)


def _check_bypass(config: ConfigInput, values: dict[str, Any]) -> None:
    # The default is for logs. An operator must say that a proxy replaces its clients' X-Real-IP
    # before the header opens the gate.
    given = "trusted_proxies" in config.given and values["trusted_proxies"]
    if values["bypass"] and not given and not config.has_bad_value("trusted_proxies"):
        expected = "trusted_proxies (VERIFIER_TRUSTED_PROXIES) beside it"
        config.add_problem("bypass", "networks without a trusted proxy", expected)


def _check_redirect(config: ConfigInput, values: dict[str, Any]) -> None:
    unknown = unknown_placeholders(values["denied_redirect_url"] or "")
    if unknown:
        expected = "no placeholders but {code}, {room} and {url}"
        config.add_problem("denied_redirect_url", shown(unknown), expected)


def _check_handoff(config: ConfigInput, values: dict[str, Any]) -> None:
    secret = values["handoff_secret"]
    if not values["handoff"]:
        if secret is not None:
            config.add_notice("handoff_secret", "not used: handoff is false")
    elif secret is not None:
        _check_cookie_secret(config, values, "handoff_secret", secret)
    elif not config.has_bad_value("handoff_secret"):
        _check_shared_cookie_secret(config, values)


def _check_shared_cookie_secret(config: ConfigInput, values: dict[str, Any]) -> None:
    shared = [secret for secret in values["app_secret"] if not looks_like_pem(secret)]
    algorithms = (values["signature_algorithm"], *values["other_algorithms"])
    if not shared and not config.has_bad_value("app_secret"):
        expected = "a shared app_secret, or a handoff_secret (VERIFIER_HANDOFF_SECRET) beside it"
        config.add_problem("handoff", "true without a secret that signs cookies", expected)
    # key_checks has looked at a secret that also verifies tokens.
    elif shared and not any(map(is_symmetric, algorithms)):
        _check_cookie_secret(config, values, "app_secret", shared[0])


def _check_cookie_secret(
    config: ConfigInput, values: dict[str, Any], name: str, secret: str
) -> None:
    check_published(config, name, secret, values["listen"])
    size = len(secret.encode())
    if size >= STRONG_SECRET:
        return
    if values["rules"] == "strict":
        expected = f'{STRONG_SECRET} or more to sign cookies with, for rules = "strict"'
        config.add_problem(name, f"a secret of {size} bytes", expected)
    else:
        text = f"the secret is weak: {size} bytes, expected {STRONG_SECRET} or more"
        config.add_notice(name, text)


def _check_store_password(config: ConfigInput, values: dict[str, Any]) -> None:
    if is_redis_url(store := values["revocation_store"]):
        password = parse_redis_url(store).password or ""
        check_published(config, "revocation_store", password, values["listen"])


def _check_packages(config: ConfigInput, values: dict[str, Any]) -> None:
    """Refuse options whose extra packages are not installed."""
    store = values["revocation_store"]
    if is_redis_url(store) and find_spec("redis") is None:
        found = f"{store.partition(':')[0]}:// without a client for it"
        config.add_problem("revocation_store", found, how_to_install("redis"))
    if values["tracing"] and find_spec("opentelemetry") is None:
        found = "true without the packages that send spans"
        config.add_problem("tracing", found, how_to_install("otel"))


def _notice_pod(config: ConfigInput, values: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Add a notice about a store in memory in Kubernetes, where there are usually several pods."""
    if values["revocation_store"] == "memory:" and environ.get("KUBERNETES_SERVICE_HOST"):
        text = "memory: a revocation reaches this pod only, and is lost when the pod ends"
        config.add_notice("revocation_store", text)
