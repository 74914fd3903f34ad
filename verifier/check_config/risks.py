"""What is dangerous in a configuration, whether or not both sides agree on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from verifier.check_config.comparison import options_of
from verifier.check_config.deployment import Deployment
from verifier.check_config.jicofo import Jicofo
from verifier.check_config.prosody_config import ProsodyConfig
from verifier.check_config.token_hosts import (
    OWN_MODULE,
    InForce,
    MucComponent,
    TokenHost,
    guest_hosts,
)
from verifier.config import Settings
from verifier.keys.model import is_symmetric
from verifier.keys.pem import looks_like_pem

STRONG: Final = 32
"""Bytes; RFC 7518, section 3.2: no less than the hash's output."""

_WORDS: Final = """
    example_app_secret my_jitsi_app_secret demo-secret-that-everybody-knows app_secret
    my_app_secret your_app_secret yourappsecret your-app-secret jitsi jitsi-secret secret
    mysecret my_secret my-secret supersecret super-secret your_secret your-secret password
    passw0rd changeme change_me change-me test admin your-256-bit-secret
    a-string-secret-at-least-256-bits-long a-string-secret-at-least-512-bits-long keepthissecret
"""
_FROM_EXAMPLES: Final = frozenset(_WORDS.split())


@dataclass(frozen=True, slots=True)
class Risk:
    """Something to think about.

    Attributes:
        name: A stable word for programs.
        text: What it is, and what it lets happen; never a secret.
        where: Where it is set.
    """

    name: str
    text: str
    where: str


def find_risks(deployment: Deployment | None, settings: Settings | None) -> list[Risk]:
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


def own_risks(ours: Mapping[str, InForce], where: str) -> list[Risk]:
    """Give the risks in this program's own options."""
    return [*_secrets(ours, where), *_issuers(ours, where)]


def prosody_risks(
    config: ProsodyConfig,
    hosts: list[TokenHost],
    jicofo: Jicofo | None,
    ours: Mapping[str, InForce] | None,
) -> list[Risk]:
    """Give the risks in Prosody's configuration, and in Jicofo's."""
    found = [risk for host in hosts for risk in _host_risks(host)]
    found += _guests(config, hosts, ours)
    return found + list(_moderators(jicofo))


def _host_risks(host: TokenHost) -> Iterator[Risk]:
    if host.authentication != OWN_MODULE:
        where = {option: str(host.where(option) or host.place) for option in host.options}
        yield from _secrets(host.options, where["app_secret"])
        yield from _issuers(host.options, where["asap_accepted_issuers"])
        yield from _empty_token(host, where["allow_empty_token"])
    yield from _rooms(host)


def _secrets(options: Mapping[str, InForce], where: str) -> Iterator[Risk]:
    given = options["app_secret"]
    secrets = (given,) if isinstance(given, str) else given
    if not isinstance(secrets, tuple) or not is_symmetric(str(options["signature_algorithm"])):
        return
    for secret in secrets:
        trouble = "" if looks_like_pem(secret) else find_weakness(secret, options["app_id"])
        if trouble:
            yield Risk("weak-secret", f"app_secret {trouble}", where)


def _issuers(options: Mapping[str, InForce], where: str) -> Iterator[Risk]:
    issuers = options["asap_accepted_issuers"]
    if isinstance(issuers, tuple) and "*" in issuers:
        text = "asap_accepted_issuers has *: whoever holds a key may sign for all"
        yield Risk("wildcard-issuer", text, where)


def _empty_token(host: TokenHost, where: str) -> Iterator[Risk]:
    if host.options["allow_empty_token"] is True and host.lobby is False:
        text = f"allow_empty_token without a lobby: guests of {host.name} walk into any room"
        yield Risk("guests-without-lobby", text, where)


def _rooms(host: TokenHost) -> Iterator[Risk]:
    verified = [room for room in host.rooms if room.verifies]
    if not verified:
        text = (
            f"no MUC component below {host.name} loads token_verification: to Prosody, a good"
            " token opens every room"
        )
        yield Risk("rooms-not-verified", text, str(host.place))
    yield from (risk for room in verified for risk in _component(room, host))
    muc = host.options["muc_mapper_domain"]
    names = {room.name for room in host.rooms}
    if isinstance(muc, str) and muc.lower() not in names and host.authentication != OWN_MODULE:
        text = f"the MUC domain is {muc}, and there is no MUC component of that name"
        yield Risk("no-such-muc", text, str(host.where("muc_mapper_domain_base") or host.place))


def _component(room: MucComponent, host: TokenHost) -> Iterator[Risk]:
    """Give what a component misses, since it does not inherit its VirtualHost's options."""
    if not room.sees_domain:
        text = (
            f"muc_mapper_domain_base of {host.name} is not that of {room.name}: a component does"
            " not have its VirtualHost's options, so set it before the first host"
        )
        yield Risk("component-without-domain", text, str(host.where("muc_mapper_domain_base")))
    for option in room.ignored:
        text = f"{option} of {room.name} has no effect: Jitsi reads that of {host.name}"
        yield Risk("option-without-effect", text, str(room.place))


def _guests(
    config: ProsodyConfig, hosts: list[TokenHost], ours: Mapping[str, InForce] | None
) -> Iterator[Risk]:
    for guests in guest_hosts(config) if hosts else ():
        text = f"VirtualHost {guests.name} lets anybody in without a token"
        if ours is not None and ours["allow_empty_token"] is False:
            text += "; this verifier refuses them at the proxy (allow_empty_token = false)"
        yield Risk("guest-host", text, str(guests.place))


def _moderators(jicofo: Jicofo | None) -> Iterator[Risk]:
    if jicofo is None:
        return
    if jicofo.auto_owner is not False:
        text = (
            "Jicofo's enable-auto-owner is on: the first participant becomes a moderator, whatever"
            " the token says; set it to false (docker: ENABLE_AUTO_OWNER=0)"
        )
        yield Risk("auto-owner", text, jicofo.where)
    if jicofo.authentication:
        text = (
            "Jicofo's own authentication is on: everybody with a token becomes a moderator; turn"
            " it off (docker: JICOFO_ENABLE_AUTH=0)"
        )
        yield Risk("jicofo-authentication", text, jicofo.where)


def find_weakness(secret: str, app_id: object) -> str:
    """Say what makes a secret easy to guess; empty if nothing is known to."""
    if not secret:
        return "is empty: anybody can sign tokens"
    if secret.lower() in _FROM_EXAMPLES:
        return "is one from an example, which everybody knows"
    if secret == app_id:
        return "is the app_id"
    length = len(secret.encode("utf-8", "surrogateescape"))
    return f"is weak: {length} bytes, expected {STRONG} or more" if length < STRONG else ""
