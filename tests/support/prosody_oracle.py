"""The values that the real Prosody and this program read from a file, in one form."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from verifier.check_config.lua_values import LuaFunction, LuaTable, Unknown, Value
from verifier.check_config.prosody_config import ProsodyConfig
from verifier.check_config.prosody_reader import ProsodyReader
from verifier.check_config.sources import read_bytes

SCRIPT = Path(__file__).with_suffix(".lua")
# Prosody adds these to a host's options; here they are attributes of the host. Prosody also keeps
# the list items of a host's table, which no module ever reads.
ADDED = {"defined", "component_module", "load_global_modules"}


@dataclass(frozen=True)
class Answer:
    """Prosody's result for one file: the options by host, or the line of the error."""

    ok: bool
    config: Mapping[str, Mapping[str, Any]]
    line: int | None


def ask_prosody(*files: Path) -> list[Answer]:
    """Let the installed Prosody read files, each on its own."""
    command: list[str | Path] = ["lua5.4", SCRIPT, *files]
    done = subprocess.run(
        command, capture_output=True, check=True, env={"PATH": os.environ["PATH"]}
    )
    return [_answer(json.loads(line)) for line in done.stdout.splitlines()]


def read(file: Path, environ: Mapping[str, str] | None = None) -> ProsodyConfig:
    """Read a file as ``check-config`` does."""
    variables = environ or {}
    reader = ProsodyReader(read_bytes, os.listdir, variables.get)
    reader.read(str(file))
    return reader.config


def is_known(config: ProsodyConfig) -> bool:
    """Return whether everything in a configuration could be evaluated."""
    options = [host.options.values() for host in config.hosts.values()]
    values = [option.value for option in chain.from_iterable(options)]
    return not config.not_evaluated and all(_is_known(value, 0) for value in values)


def _is_known(value: Value, depth: int) -> bool:
    if isinstance(value, LuaTable) and depth < 6:
        return all(_is_known(item, depth + 1) for item in value.items.values())
    return not isinstance(value, Unknown)


def in_prosodys_form(config: ProsodyConfig) -> dict[str, dict[str, Any]]:
    """Return what this program read, in the form of ``prosody_oracle.lua``."""
    return {
        host.name: {
            name: _written(option.value)
            for name, option in host.options.items()
            if option.value is not None
        }
        for host in config.hosts.values()
    }


def _answer(answer: dict[str, Any]) -> Answer:
    config = {
        _text(host): {
            _text(name): value
            for name, value in options.items()
            if _text(name) not in ADDED and not _text(name).isdigit()
        }
        for host, options in answer.get("config", {}).items()
    }
    return Answer(answer["ok"], config, answer.get("line"))


def _text(hexadecimal: str) -> str:
    return bytes.fromhex(hexadecimal).decode("utf-8", "surrogateescape")


def _hex(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").hex()


def _written(value: Value, depth: int = 2) -> Any:
    if depth > 6:  # a table may hold itself
        return "deep"
    assert not isinstance(value, Unknown | LuaFunction), value
    if isinstance(value, LuaTable):
        items = value.items.items()
        return {
            _hex(str(_key(key))): _written(item, depth + 1)
            for key, item in items
            if item is not None
        }
    if isinstance(value, str):
        return f"s{_hex(value)}"
    if isinstance(value, bool):
        return value
    return f"i{value}" if isinstance(value, int) else _float(value or 0.0)


def _key(key: object) -> object:
    if isinstance(key, float):
        return int(key) if key.is_integer() else _float(key)
    return key


def _float(value: float) -> str:
    """Return a float in the form of C's ``%a``."""
    mantissa, _, exponent = value.hex().partition("p")
    whole, _, fraction = mantissa.partition(".")
    fraction = fraction.rstrip("0")
    return f"f{whole}{'.' if fraction else ''}{fraction}p{exponent}" if exponent else f"f{value}"
