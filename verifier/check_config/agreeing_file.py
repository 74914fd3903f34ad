"""A TOML file for this program that agrees with Prosody's hosts.

The text holds secrets: it goes into a file that only its owner can read, and nowhere else.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from verifier.check_config.comparison import is_own_key_server
from verifier.check_config.deployment import Deployment
from verifier.check_config.lua_values import Unknown
from verifier.check_config.token_hosts import COMPARED, InForce, TokenHost
from verifier.config import OPTIONS, Settings, load

_HEAD: Final = """\
# Written by jitsi-verifier check-config from Prosody's configuration; holds secrets.
# Only what decides about tokens is here: add listen, admin_listen and the like.
"""
_DEFAULTS: Final[dict[str, InForce]] = {option.name: option.default for option in OPTIONS}
_NAMES_KEYS: Final = ("asap_key_server", "cache_keys_url")


def format_agreeing_file(deployment: Deployment, settings: Settings | None) -> str:
    """Give the text of a TOML file that agrees, which this program would start with.

    Raises:
        ConfigError: what Prosody's configuration says is not enough for one.
    """
    addresses = [] if settings is None else [str(address) for address in settings.listen]
    text = _agreeing_toml(deployment.compared, addresses)
    load({}, Path("the file to be written"), read_file=lambda _path: text.encode())
    return text


def write_private(path: Path, text: str, *, force: bool) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        OSError: it cannot be written, or is there and ``force`` is not given.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        if force:
            Path(name).replace(path)
        else:
            os.link(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def _agreeing_toml(hosts: list[TokenHost], own_addresses: Collection[str] = ()) -> str:
    """Write the file: the first host's options at the top, a table for each other.

    Args:
        hosts: At least one.
        own_addresses: Where this program serves keys itself, which are no source for it.
    """
    parts = [_HEAD, *_options(hosts[0], own_addresses, is_table=False)]
    for host in hosts[1:]:
        options = _options(host, own_addresses, is_table=True)
        parts += [f"\n[hosts.{_string(host.name)}]\n", *options]
    return "".join(parts)


def _options(host: TokenHost, own_addresses: Collection[str], *, is_table: bool) -> Iterator[str]:
    """Write one host's options; a table repeats defaults, or it would have those at the top."""
    for option in COMPARED:
        value = host.options[option]
        if not _is_text(value):
            yield f"# {option}: bytes that are not UTF-8, which TOML cannot hold\n"
        elif isinstance(value, Unknown):
            yield f"# {option}: not known, it is {_comment(value.reason)}\n"
        elif option in _NAMES_KEYS and is_own_key_server(value, own_addresses):
            yield f"# {option}: Prosody asks this program; say where its keys come from\n"
        elif value not in (None, "") and (is_table or not _is_default(option, value, host)):
            yield f"{option} = {_value(value)}\n"


def _is_text(value: InForce) -> bool:
    """Tell whether a value can be written: surrogates stand for bytes that are not UTF-8."""
    texts = value if isinstance(value, tuple) else (value,)
    return not any("\ud800" <= letter <= "\udfff" for text in texts for letter in str(text))


def _is_default(option: str, value: InForce, host: TokenHost) -> bool:
    if value == _DEFAULTS.get(option):
        return True
    return option == "asap_accepted_issuers" and value == (host.options["app_id"],)


def _value(value: InForce) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_string, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float | int) else _string(str(value))


def _string(text: str) -> str:
    """Write a TOML string: JSON's escapes are TOML's, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    return " ".join(text.split())
