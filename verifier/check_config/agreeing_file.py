"""A TOML file for this program that agrees with Prosody's hosts.

The text contains secrets, so ``write_private`` makes a file that only its owner can read.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from verifier.check_config.comparison import is_own_key_server
from verifier.check_config.deployment import Deployment
from verifier.check_config.lua_values import Unknown
from verifier.check_config.muc_modules import find_policies
from verifier.check_config.token_hosts import COMPARED, OptionValue, TokenHost
from verifier.config import OPTIONS, Problem, Settings, load
from verifier.config.key_checks import KEY_URL_OPTIONS

_HEAD: Final = """\
# Written by jitsi-verifier check-config from Prosody's configuration. Contains secrets.
# Only options about tokens are here: add listen, admin_listen and so on.
"""
_DEFAULTS: Final[dict[str, OptionValue]] = {option.name: option.default for option in OPTIONS}


def format_agreeing_file(deployment: Deployment, settings: Settings | None) -> str:
    """Return the text of a TOML file that agrees, and that this program starts with.

    Raises:
        ConfigError: Prosody's configuration does not set every option that this program needs.
    """
    addresses = [] if settings is None else [str(address) for address in settings.listen]
    text = _format_toml(deployment.compared, addresses)
    load({}, Path("the file to be written"), read_file=lambda _path: text.encode())
    return text


def explain_missing(deployment: Deployment, problem: Problem) -> str:
    """Return why the file cannot have an option that this program needs."""
    value = deployment.compared[0].options.get(problem.option)
    if isinstance(value, Unknown):
        return f"{problem.option} is not known here: it is {_format_comment(value.reason)}"
    if not _is_utf8(value):
        return f"{problem.option} has bytes that are not UTF-8"
    return f"Prosody's files do not set {problem.option}: expected {problem.expected}"


def write_private(path: Path, text: str, *, force: bool) -> None:
    """Write a file that only its owner can read, completely or not at all.

    A file that replaces another one keeps its owner and group, and its mode for these two, so that
    a service that could read the file still can.

    Args:
        path: The file.
        text: The file's content.
        force: Whether to replace an existing file. A file that has only comments, as the Debian
            package installs it, is always replaced.

    Raises:
        OSError: The file cannot be written, or it exists and ``force`` is false.
    """
    force = force or _has_only_comments(path)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            if force:
                _copy_access(path, descriptor)
        if force:
            Path(name).replace(path)
        else:
            os.link(name, path)  # fails if the file exists, even if it appeared just now
    finally:
        Path(name).unlink(missing_ok=True)


def _has_only_comments(path: Path) -> bool:
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return False
    return all(not line.strip() or line.lstrip().startswith(b"#") for line in lines)


def _copy_access(source: Path, descriptor: int) -> None:
    with contextlib.suppress(FileNotFoundError, PermissionError):
        status = source.stat()
        os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fchmod(descriptor, status.st_mode & 0o660)


def _format_toml(hosts: list[TokenHost], own_addresses: Collection[str]) -> str:
    """Return the first host's options at the top, and a ``[hosts]`` table for each other host.

    Args:
        hosts: At least one host.
        own_addresses: The addresses where this program itself serves keys.
    """
    parts = [_HEAD, *_option_lines(hosts[0], own_addresses, is_table=False)]
    parts += _policy_lines(hosts[0], "policy")
    for host in hosts[1:]:
        table = f"hosts.{_format_string(host.name)}"
        parts += [f"\n[{table}]\n", *_option_lines(host, own_addresses, is_table=True)]
        parts += _policy_lines(host, f"{table}.policy", inherited=find_policies(hosts[0]))
    return "".join(parts)


def _policy_lines(host: TokenHost, table: str, inherited: Collection[str] = ()) -> Iterator[str]:
    """Yield the policies of the host's modules; a table inherits those at the top."""
    found = find_policies(host)
    if not found and not inherited:
        return
    yield f"\n[{table}]\n"
    for name in dict.fromkeys((*found, *inherited)):
        if name in found:
            yield f"{name} = true  # Prosody's module {found[name]}\n"
        else:
            yield f"{name} = false\n"


def _option_lines(
    host: TokenHost, own_addresses: Collection[str], *, is_table: bool
) -> Iterator[str]:
    """Yield a host's options. A table repeats defaults, or the options at the top would apply."""
    for option in COMPARED:
        value = host.options[option]
        if not _is_utf8(value):
            yield f"# {option}: bytes that are not UTF-8, which TOML cannot contain\n"
        elif isinstance(value, Unknown):
            yield f"# {option}: not known, it is {_format_comment(value.reason)}\n"
        elif option in KEY_URL_OPTIONS and is_own_key_server(value, own_addresses):
            # Prosody's keys come from this program, so they are no source for this program.
            yield f"# {option}: Prosody asks this program, so set here where its keys come from\n"
        elif value not in (None, "") and (is_table or not _is_default(option, value, host)):
            yield f"{option} = {_format_value(value)}\n"


def _is_utf8(value: OptionValue) -> bool:
    """Return whether TOML can contain a value; surrogates stand for bytes that are not UTF-8."""
    texts = value if isinstance(value, tuple) else (value,)
    return not any("\ud800" <= letter <= "\udfff" for text in texts for letter in str(text))


def _is_default(option: str, value: OptionValue, host: TokenHost) -> bool:
    if value == _DEFAULTS.get(option):
        return True
    return option == "asap_accepted_issuers" and value == (host.options["app_id"],)


def _format_value(value: OptionValue) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_format_string, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float | int) else _format_string(str(value))


def _format_string(text: str) -> str:
    """Return a TOML string: TOML has JSON's escapes, and one more character needs one."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _format_comment(text: str) -> str:
    return " ".join(text.split())
