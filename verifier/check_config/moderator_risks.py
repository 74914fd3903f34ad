"""What makes participants moderators whatever their tokens say: Jicofo's switches, MUC modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from verifier.check_config.deployment import Deployment
from verifier.check_config.jicofo import JicofoSwitches
from verifier.check_config.lua_values import Unknown, as_boolean
from verifier.check_config.prosody_config import ProsodyConfig
from verifier.check_config.risk import Risk
from verifier.check_config.token_hosts import MucComponent

_AUTO_OWNER: Final = (
    "the first participant becomes a moderator, whatever the token says; set it to false (docker:"
    " ENABLE_AUTO_OWNER=0)"
)
_AUTHENTICATION: Final = (
    "every user with a token becomes a moderator; turn it off (docker: JICOFO_ENABLE_AUTH=0,"
    " because it follows ENABLE_AUTH)"
)


def find_moderator_risks(deployment: Deployment) -> Iterator[Risk]:
    """Yield each way in which a participant becomes a moderator without a token that says so."""
    if deployment.jicofo is not None:
        yield from _jicofo(deployment.jicofo)
    for host in deployment.hosts:
        for room in host.rooms:
            yield from _muc_modules(room, deployment.config)


def _jicofo(jicofo: JicofoSwitches) -> Iterator[Risk]:
    if isinstance(jicofo.auto_owner, Unknown):
        text = f"Jicofo's enable-auto-owner is not known ({jicofo.auto_owner.reason}). If it is on,"
        yield Risk("auto-owner", f"{text} {_AUTO_OWNER}", jicofo.where)
    elif jicofo.auto_owner is not False:
        text = f"Jicofo's enable-auto-owner is on: {_AUTO_OWNER}"
        yield Risk("auto-owner", text, jicofo.where)
    if isinstance(jicofo.authentication, Unknown):
        reason = jicofo.authentication.reason
        text = f"whether Jicofo's own authentication is on is not known ({reason}). If it is on,"
        yield Risk("jicofo-authentication", f"{text} {_AUTHENTICATION}", jicofo.where)
    elif jicofo.authentication:
        text = f"Jicofo's own authentication is on: {_AUTHENTICATION}"
        yield Risk("jicofo-authentication", text, jicofo.where)


def _muc_modules(room: MucComponent, config: ProsodyConfig) -> Iterator[Risk]:
    modules = () if isinstance(room.modules, Unknown) else room.modules
    option = "wait_for_host_disable_auto_owners"
    disabled = as_boolean(config.value(room.name, option))
    if "muc_wait_for_host" in modules and disabled is not True:
        state = "is not known" if isinstance(disabled, Unknown) else "is not true"
        text = (
            f"{room.name} loads muc_wait_for_host, and {option} {state}: every user with a token"
            " becomes a moderator; set it to true (docker: WAIT_FOR_HOST_DISABLE_AUTO_OWNERS=1)"
        )
        yield Risk("wait-for-host", text, str(room.location))
    if "muc_allowners" in modules:
        text = (
            f"{room.name} loads muc_allowners: every participant becomes a moderator, guests"
            " included; remove the module"
        )
        yield Risk("all-owners", text, str(room.location))
