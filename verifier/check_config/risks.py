"""What is dangerous in a configuration, whether or not the two sides agree on it.

Each generator covers one danger; ``find_risks`` lists them. A risk's text says what the danger is,
and what it allows. It never contains a secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from verifier.check_config.comparison import options_of
from verifier.check_config.deployment import Deployment
from verifier.check_config.jicofo import JicofoSwitches
from verifier.check_config.prosody_config import ProsodyConfig
from verifier.check_config.token_hosts import (
    OWN_MODULE,
    MucComponent,
    OptionValue,
    TokenHost,
    find_guest_hosts,
)
from verifier.config import Settings
from verifier.config.key_checks import STRONG_SECRET
from verifier.keys.model import is_symmetric
from verifier.keys.pem import looks_like_pem

_EXAMPLES: Final = """
    demo-secret-for-trials-on-one-machine demo-secret-that-everybody-knows
    example_app_secret my_jitsi_app_secret app_secret
    my_app_secret your_app_secret yourappsecret your-app-secret jitsi jitsi-secret secret
    mysecret my_secret my-secret supersecret super-secret your_secret your-secret password
    passw0rd changeme change_me change-me test admin your-256-bit-secret
    a-string-secret-at-least-256-bits-long a-string-secret-at-least-512-bits-long keepthissecret
"""
_EXAMPLE_SECRETS: Final = frozenset(_EXAMPLES.split())
"""Secrets of published guides and examples, in lower case."""


@dataclass(frozen=True, slots=True)
class Risk:
    """A danger.

    Attributes:
        name: A stable word for programs.
        text: The danger and its effect.
        where: Where it is set.
    """

    name: str
    text: str
    where: str


def find_risks(deployment: Deployment | None, settings: Settings | None) -> list[Risk]:
    """Return all risks of a deployment and of this program's own options."""
    found: list[Risk] = []
    if settings is not None:
        found += _own_risks(options_of(settings), "this verifier")
        for name, own in settings.hosts.items():
            found += _own_risks(options_of(own), f'this verifier, [hosts."{name}"]')
    if deployment is not None:
        ours = None if settings is None else options_of(settings)
        for host in deployment.hosts:
            found += _host_risks(host)
        if deployment.hosts:
            found += _guest_hosts(deployment.config, ours)
        if deployment.jicofo is not None:
            found += _everyone_moderator(deployment.jicofo)
    return list(dict.fromkeys(found))


def _own_risks(ours: Mapping[str, OptionValue], where: str) -> Iterator[Risk]:
    yield from _weak_secrets(ours, where)
    yield from _wildcard_issuer(ours, where)


def _host_risks(host: TokenHost) -> Iterator[Risk]:
    if host.authentication != OWN_MODULE:
        where = {option: _where(host, option) for option in host.options}
        yield from _weak_secrets(host.options, where["app_secret"])
        yield from _wildcard_issuer(host.options, where["asap_accepted_issuers"])
        yield from _guests_without_lobby(host, where["allow_empty_token"])
    yield from _unverified_rooms(host)


def _where(host: TokenHost, option: str) -> str:
    return str(host.locations.get(option) or host.location)


def _weak_secrets(options: Mapping[str, OptionValue], where: str) -> Iterator[Risk]:
    value = options["app_secret"]
    secrets = (value,) if isinstance(value, str) else value
    if not isinstance(secrets, tuple) or not is_symmetric(str(options["signature_algorithm"])):
        return
    for secret in secrets:
        # Jitsi also accepts a public key in app_secret.
        weakness = "" if looks_like_pem(secret) else find_weakness(secret, options["app_id"])
        if weakness:
            yield Risk("weak-secret", f"app_secret {weakness}", where)


def find_weakness(secret: str, app_id: object) -> str:
    """Return why a secret is easy to guess, in words that follow "app_secret"; else empty."""
    if not secret:
        return "is empty: any client can sign tokens"
    if secret.lower() in _EXAMPLE_SECRETS:
        return "is a secret from a published example: any client can sign tokens"
    if secret == app_id:
        return "is the app_id"
    length = len(secret.encode("utf-8", "surrogateescape"))
    if length < STRONG_SECRET:
        return f"is weak: {length} bytes, expected {STRONG_SECRET} or more"
    return ""


def _wildcard_issuer(options: Mapping[str, OptionValue], where: str) -> Iterator[Risk]:
    issuers = options["asap_accepted_issuers"]
    if isinstance(issuers, tuple) and "*" in issuers:
        text = "asap_accepted_issuers has *: the owner of any accepted key may sign for all issuers"
        yield Risk("wildcard-issuer", text, where)


def _guests_without_lobby(host: TokenHost, where: str) -> Iterator[Risk]:
    if host.options["allow_empty_token"] is True and host.lobby is False:
        text = f"allow_empty_token without a lobby: guests of {host.name} can enter any room"
        yield Risk("guests-without-lobby", text, where)


def _unverified_rooms(host: TokenHost) -> Iterator[Risk]:
    verified = [room for room in host.rooms if room.verifies]
    if not verified:
        text = (
            f"no MUC component below {host.name} loads token_verification: to Prosody, a good"
            " token opens every room"
        )
        yield Risk("rooms-not-verified", text, str(host.location))
    for room in verified:
        yield from _component_options(room, host)
    muc = host.options["muc_mapper_domain"]
    names = {room.name for room in host.rooms}
    if isinstance(muc, str) and muc.lower() not in names and host.authentication != OWN_MODULE:
        text = f"the MUC domain is {muc}, but there is no MUC component of that name"
        yield Risk("no-such-muc", text, _where(host, "muc_mapper_domain_base"))


def _component_options(room: MucComponent, host: TokenHost) -> Iterator[Risk]:
    """Yield what goes wrong because a component does not inherit its VirtualHost's options."""
    if not room.sees_domain:
        text = (
            f"muc_mapper_domain_base of {host.name} is not that of {room.name}: a component does"
            " not have its VirtualHost's options, so set it before the first host"
        )
        where = str(host.locations.get("muc_mapper_domain_base"))
        yield Risk("component-without-domain", text, where)
    for option in room.ignored:
        text = f"{option} of {room.name} has no effect: Jitsi reads that of {host.name}"
        yield Risk("option-without-effect", text, str(room.location))


def _guest_hosts(config: ProsodyConfig, ours: Mapping[str, OptionValue] | None) -> Iterator[Risk]:
    for guests in find_guest_hosts(config):
        text = f"VirtualHost {guests.name} accepts users without a token"
        if ours is not None and ours["allow_empty_token"] is False:
            text += "; this verifier denies them at the proxy (allow_empty_token = false)"
        yield Risk("guest-host", text, str(guests.location))


def _everyone_moderator(jicofo: JicofoSwitches) -> Iterator[Risk]:
    if jicofo.auto_owner is not False:
        text = (
            "Jicofo's enable-auto-owner is on: the first participant becomes a moderator, whatever"
            " the token says; set it to false (docker: ENABLE_AUTO_OWNER=0)"
        )
        yield Risk("auto-owner", text, jicofo.where)
    if jicofo.authentication:
        text = (
            "Jicofo's own authentication is on: every user with a token becomes a moderator; turn"
            " it off (docker: JICOFO_ENABLE_AUTH=0)"
        )
        yield Risk("jicofo-authentication", text, jicofo.where)
