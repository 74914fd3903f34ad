"""The time for a file grows with its size, not with the square of it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from verifier.check_config import compare_hosts, read_deployment
from verifier.check_config.interpolation import interpolate
from verifier.check_config.jicofo import read_jicofo
from verifier.check_config.lua_lexer import LuaSyntaxError
from verifier.check_config.lua_parser import parse
from verifier.check_config.prosody_config import Host, ProsodyConfig
from verifier.check_config.prosody_reader import ProsodyReader
from verifier.check_config.token_hosts import shares_rooms
from verifier.check_config.variables import read_env_file
from verifier.check_config.web_config import read_web_config
from verifier.check_config.yaml_tree import YamlError, read_yaml
from verifier.config import load

_SIZE: Final = 2000
_FACTOR: Final = 16
_LIMIT: Final = 64  # a square would be 256; the noise of a busy machine is far below 4


def _parse(text: str) -> None:
    with suppress(LuaSyntaxError):
        parse(text.encode())


def _evaluate(text: str) -> None:
    reader = ProsodyReader(lambda _file: b"", lambda _folder: [], lambda _name: None)
    reader.read_source("a.cfg.lua", text.encode())


def _append(text: str) -> None:
    _evaluate(f"m = {{ x = 1 }}\n{text}")


def _read_env(text: str) -> None:
    read_env_file(text, ".env", {}, ProsodyConfig())


def _read_yaml(text: str) -> None:
    with suppress(YamlError):
        read_yaml(text)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("read", "part"),
    [
        *((_evaluate, part) for part in ("a=1\n", "a=1 ", "a={'x';b=1}\n", "VirtualHost 'a'\n")),
        *((_append, part) for part in ("m:append{'a'}\n", "m:append{a=1}\n", "m:append(m)\n")),
        *((_evaluate, part) for part in ("local a=1\n", "if a then b=1 end\n", "a.b=1\n", ";")),
        *((_parse, part) for part in ("-- c\n", "--[[ x ]]", "x='\\z  ' ", '"\\z ', "'", "[=[ ")),
        *((_parse, part) for part in ("{", "1+", "a,", "a.b", "f'x'", "0xf", "1e", "\r", "if ")),
        *((_read_env, part) for part in ("a=1\n", "A=$A\n", "A='x\n", 'A="\\"', "\n", "A\n")),
        *((_read_env, part) for part in ("a='", "export ", "a=\\'", "'", " #", "a b", 'a="\\')),
        *((interpolate, part) for part in ("${A:-", "$A", "${A:-x}", "$$", "}")),
        *((read_jicofo, part) for part in ("a=1\n", "a{", "a=${a}\n", '"a"', "/", "a.b=", "$")),
        *((read_web_config, part) for part in ("/*", "//\n", "\n", "domain: 'a'\n", "config.")),
        *((_read_yaml, part) for part in ("a: 1\n", "- a\n", "[", "a: &b c\n", "'", "- ")),
    ],
)
def test_time_grows_with_the_size(read: Callable[..., object], part: str) -> None:
    times = [_time(read, part * (size // len(part))) for size in (_SIZE, _SIZE * _FACTOR)]
    assert times[1] < times[0] * _LIMIT, times


def test_a_configuration_may_have_hundreds_of_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = 'authentication = "token" app_id = "x" app_secret = "one secret of all hosts"'
    names = [f"h{number}" for number in range(100)]
    file = tmp_path / "prosody.cfg.lua"
    file.write_text("".join(f'VirtualHost "{name}" {options}\n' for name in names))
    deployment = read_deployment([file], {})
    hashed: list[bytes] = []
    listed: list[None] = []
    scrypt, components = hashlib.scrypt, ProsodyConfig.components

    def count_hash(raw: bytes, **options: Any) -> bytes:
        hashed.append(raw)
        return scrypt(raw, **options)

    def count_list(config: ProsodyConfig) -> list[Host]:
        listed.append(None)
        return components(config)

    monkeypatch.setattr(hashlib, "scrypt", count_hash)
    monkeypatch.setattr(ProsodyConfig, "components", count_list)
    settings = load({"JWT_APP_ID": "y", "JWT_APP_SECRET": "another secret"})
    assert len(compare_hosts(deployment, settings)) == len(names)
    assert len(hashed) <= 2
    assert all(
        not shares_rooms(host, deployment.config) for host in deployment.config.virtual_hosts()
    )
    assert len(listed) <= 3 * len(names)


def _time(read: Callable[..., object], text: str) -> float:
    extra: tuple[object, ...] = ()
    if read is interpolate:
        extra = ({"A": "x"}.get,)
    elif read in (read_jicofo, read_web_config):
        extra = ("a file",)
    best = float("inf")
    for _ in range(3):
        before = time.process_time()
        read(text, *extra)
        best = min(best, time.process_time() - before)
    # Shorter times are mostly the clock's and the machine's.
    return max(best, 0.0005)
