"""``check-config --show``: every option in force, and where its value came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from verifier.config import OPTIONS, Settings
from verifier.config.option import Option
from verifier.config.value_types import STORE

_FOLLOWS = "follows from other options"


@dataclass(frozen=True, slots=True)
class OptionInForce:
    """An option.

    Attributes:
        option: Its name.
        value: Its value as text; a secret is shown as its fingerprint.
        origin: The variable or the place in a file that sets it, or why it has this value.
    """

    option: str
    value: str
    origin: str


def list_options(settings: Settings) -> list[OptionInForce]:
    """Return all options of the service."""
    return [_in_force(option, settings) for option in OPTIONS]


def list_host_options(host: Settings, service: Settings) -> list[OptionInForce]:
    """Return the options of a host that are not those of the service."""
    return [
        _in_force(option, host)
        for option in OPTIONS
        if option.per_host
        and (
            host.value(option.name) != service.value(option.name)
            or host.origins.get(option.name) != service.origins.get(option.name)
        )
    ]


def format_options(options: list[OptionInForce]) -> Iterator[str]:
    """Yield a table of options as lines."""
    names = max((len(found.option) for found in options), default=0)
    values = min(max((len(found.value) for found in options), default=0), 40)
    for found in options:
        yield f"  {found.option:{names}}  {found.value:{values}}  {found.origin}"


def _in_force(option: Option, settings: Settings) -> OptionInForce:
    value = settings.value(option.name)
    origin = settings.origins.get(option.name)
    if origin is None:
        origin = "default" if value == option.default or value in (None, ()) else _FOLLOWS
    return OptionInForce(option.name, _show(option, value), origin)


def _show(option: Option, value: Any) -> str:
    if value in (None, (), ""):
        return "none"
    if not option.type.secret:
        return option.type.show(value) or "none"
    if option.type is STORE:
        return _hide_credentials(str(value))
    # Imported here: scrypt is slow on purpose, and only this command shows fingerprints.
    from verifier.check_config.comparison import fingerprint  # noqa: PLC0415

    secrets = value if isinstance(value, tuple) else (value,)
    return ", ".join(f"fingerprint {fingerprint(str(secret))}" for secret in secrets)


def _hide_credentials(url: str) -> str:
    """Return the URL of a store without its user name, password and query."""
    address, mark, _query = url.partition("?")
    scheme, slashes, rest = address.partition("://")
    before, at, host = rest.rpartition("@")
    shown = f"{scheme}{slashes}{'***' if before else ''}{at}{host}"
    return f"{shown}?***" if mark else shown
