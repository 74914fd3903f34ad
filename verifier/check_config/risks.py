"""What is dangerous in a configuration, whether or not the two sides agree on it.

Each generator covers one danger; ``find_risks`` lists them. A risk's text says what the danger is,
and what it allows. It never contains a secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from verifier.check_config.comparison import options_of
from verifier.check_config.deployment import Deployment
from verifier.check_config.entrances import find_entrances
from verifier.check_config.lua_values import Unknown, as_boolean, as_strings
from verifier.check_config.moderator_risks import find_moderator_risks
from verifier.check_config.prosody_config import ProsodyConfig
from verifier.check_config.risk import Risk
from verifier.check_config.token_hosts import (
    MATRIX_MODULE,
    OWN_MODULE,
    MucComponent,
    OptionValue,
    TokenHost,
    find_guest_hosts,
)
from verifier.config import Settings
from verifier.config.key_checks import STRONG_SECRET
from verifier.config.published_secrets import is_published
from verifier.keys.model import is_symmetric
from verifier.keys.pem import looks_like_pem


def find_risks(deployment: Deployment | None, settings: Settings | None) -> list[Risk]:
    """Return all risks of a deployment and of this program's own options."""
    found: list[Risk] = []
    if settings is not None:
        found += _own_risks(options_of(settings), "this verifier")
        for name, own in settings.hosts.items():
            found += _own_risks(options_of(own), f'this verifier, [hosts."{name}"]')
    if deployment is not None:
        for host in deployment.hosts:
            found += _host_risks(host)
            found += _free_nicks(host, deployment.config)
        if deployment.hosts:
            found += _guest_hosts(deployment, settings)
            found += _web_hosts(deployment)
        found += find_moderator_risks(deployment)
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
        yield from _matrix_users(host)
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
    if is_published(secret):
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
        text = f"the MUC domain is {muc}, but {host.name} has no MUC component of that name"
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


def _guest_hosts(deployment: Deployment, settings: Settings | None) -> Iterator[Risk]:
    """Yield the hosts of guests, except those that the report names as entrances."""
    entrances = [] if settings is None else find_entrances(deployment, settings)
    named = {entrance.host for entrance in entrances}
    for guests in find_guest_hosts(deployment.config):
        if guests.name not in named:
            text = f"VirtualHost {guests.name} accepts users without a token"
            yield Risk("guest-host", text, str(guests.location))


def _matrix_users(host: TokenHost) -> Iterator[Risk]:
    if host.authentication == MATRIX_MODULE:
        text = (
            f"{host.name} also lets in users of a Matrix server ({MATRIX_MODULE}). Their tokens are"
            " signed with a word that every client can know, and Prosody asks the Matrix server"
            " about them; this verifier refuses them at the proxy"
        )
        yield Risk("matrix-users", text, str(host.location))


def _free_nicks(host: TokenHost, config: ProsodyConfig) -> Iterator[Risk]:
    """Yield where a participant can take the nick of another, against the configuration's word."""
    if host.authentication != OWN_MODULE:
        return
    for room in host.rooms:
        modules = () if isinstance(room.modules, Unknown) else room.modules
        strict = as_boolean(config.value(room.name, "anonymous_strict"))
        methods = as_strings(config.value(room.name, "anonymous_auth_methods")) or ()
        if "muc_resource_validate" not in modules or strict is not True:
            continue
        if isinstance(methods, Unknown) or OWN_MODULE in methods:
            continue
        text = (
            f"{room.name} has anonymous_strict, but its anonymous_auth_methods does not name"
            f" {OWN_MODULE}: users can take any nick; add it beside the methods in force (docker:"
            " PROSODY_MUC_RESOURCE_VALIDATE_ANON_METHODS=anonymous,jitsi-anonymous,token,"
            f"{OWN_MODULE})"
        )
        yield Risk("free-nicks", text, str(room.location))


def _web_hosts(deployment: Deployment) -> Iterator[Risk]:
    """Yield where the web client logs in to a host that Prosody does not have."""
    web = deployment.web
    if web is None:
        return
    names = {host.name for host in deployment.config.virtual_hosts()}
    for option, name in (("domain", web.domain), ("anonymousdomain", web.guests)):
        if name is not None and name not in names:
            text = f"the web client's hosts.{option} is {name}, which is no VirtualHost of Prosody"
            yield Risk("no-such-host", text, web.where)
