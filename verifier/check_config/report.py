"""A deployment beside this program's own options: comparison, risks, and a file that agrees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from verifier.check_config.agreeing import agreeing_toml
from verifier.check_config.compare import Row, compare
from verifier.check_config.deployment import Deployment
from verifier.check_config.risks import Risk, own_risks, prosody_risks
from verifier.check_config.token_hosts import COMPARED, OWN_MODULE, InForce, TokenHost
from verifier.config import Settings, load
from verifier.rules.operator_policy import OperatorPolicy


@dataclass(frozen=True, slots=True)
class HostReport:
    """One VirtualHost beside this program's options.

    Attributes:
        table: Which of this program's tables answers for it; empty for the top of the file.
        rows: The comparison; empty where Prosody's own module asks this program.
    """

    host: TokenHost
    table: str
    rows: tuple[Row, ...]


def host_reports(deployment: Deployment, settings: Settings) -> list[HostReport]:
    """Compare every host that takes tokens with the options that answer for it."""
    addresses = [str(address) for address in settings.listen]
    reports = []
    for host in deployment.hosts:
        table, own = _answering(host, settings)
        rows = [*compare(host, options_of(own), addresses), *_beyond_jitsi(own)]
        asks = host.authentication == OWN_MODULE
        reports.append(HostReport(host, table, () if asks else tuple(rows)))
    return reports


def risks(deployment: Deployment | None, settings: Settings | None) -> list[Risk]:
    """Give every risk, this program's own included."""
    found: list[Risk] = []
    if settings is not None:
        found += own_risks(options_of(settings), "this verifier")
        for name, own in settings.hosts.items():
            found += own_risks(options_of(own), f'this verifier, [hosts."{name}"]')
    if deployment is not None:
        ours = None if settings is None else options_of(settings)
        found += prosody_risks(deployment.config, deployment.hosts, deployment.jicofo, ours)
    return list(dict.fromkeys(found))


def options_of(settings: Settings) -> dict[str, InForce]:
    """Give what is compared."""
    return {name: getattr(settings, name) for name in COMPARED}


def agreeing_file(deployment: Deployment, settings: Settings | None) -> str:
    """Give the text of a TOML file that agrees, which this program would start with.

    Raises:
        ConfigError: what Prosody's configuration says is not enough for one.
    """
    addresses = [] if settings is None else [str(address) for address in settings.listen]
    text = agreeing_toml(deployment.compared, addresses)
    load({}, Path("the file to be written"), read_file=lambda _path: text.encode())
    return text


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
