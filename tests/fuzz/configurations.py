"""Configuration files: this program's own, and Prosody's."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.fuzz.harness import Harness
from tests.support.tokens import SECRET
from verifier.check_config.prosody_reader import ProsodyReader
from verifier.check_config.token_hosts import find_token_hosts
from verifier.config import ConfigError, Settings, load

_FILE: Final = Path("/etc/fuzz/verifier.toml")
_BETWEEN: Final = b"\n--\n"
_SECONDS: Final = 2.0  # read once, and only an operator can write the file
_MAIN: Final = "/etc/prosody/prosody.cfg.lua"


def read_configuration(data: bytes) -> Settings | str:
    """Return the settings of a TOML file and environment lines after it, or the error."""
    toml, _, lines = data.partition(_BETWEEN)
    pairs = [line.partition("=") for line in lines.decode("utf-8", "replace").split("\n")]
    environ = {name: value for name, _, value in pairs if name and "\0" not in name}

    def read_file(path: Path) -> bytes:
        if path == _FILE:
            return toml
        raise FileNotFoundError(2, "No such file or directory")

    environ.pop("VERIFIER_CONFIG", None)
    try:
        return load({"JWT_APP_SECRET": SECRET} | environ, _FILE, read_file=read_file)
    except ConfigError as error:
        return str(error)


def check_configuration(_data: bytes, found: Settings | str) -> None:
    """Assert that neither settings nor errors show a secret."""
    assert SECRET not in (found if isinstance(found, str) else repr(found))
    assert found


def read_prosody(data: bytes) -> str:
    """Return what ``check-config`` finds in Prosody's configuration."""

    def read_file(name: str) -> bytes:
        if name == _MAIN:
            return data
        raise FileNotFoundError(2, "No such file or directory")

    reader = ProsodyReader(read_file, lambda _folder: ["a.cfg.lua"], lambda _name: None)
    reader.read(_MAIN)
    return repr((find_token_hosts(reader.config), reader.config.problems))


def check_prosody(_data: bytes, found: str) -> None:
    """Assert that the findings are bounded."""
    assert len(found) < 10_000_000


CONFIGURATION: Final = Harness(
    read_configuration,
    check_configuration,
    [
        b'app_id = "app"\nlisten = ["127.0.0.1:1", "unix:/a"]\n[policy]\nrequire_jti = true',
        b'app_id = "app"\n[hosts."a.test"]\napp_id = "b"\n[public_keys]\nk = "/a.pem"',
        b"\n--\nJWT_APP_ID=app\nXMPP_DOMAIN=meet.jitsi\nVERIFIER_LISTEN=[::]:80,unix:/x",
        b'app_id = 1\nmode = "x"\n--\nVERIFIER_MODE=report-only\nVERIFIER_LEEWAY=nan',
        b'cache_keys_url = "https://a/b"\nbypass = ["10.0.0.0/8"]\n--\nJWT_ALLOW_EMPTY=TRUE',
    ],
    _SECONDS,
)
PROSODY: Final = Harness(
    read_prosody,
    check_prosody,
    [
        b'VirtualHost "a.test"\n  authentication = "token"\n  app_id = "x"; app_secret = "y"\n',
        b'local a = { "b", c = 1 + 2 * 3 .. "d" }\nmodules_enabled = a\nInclude "conf.d/*.lua"',
        b'Component "conference.a.test" "muc"\n  modules_enabled = { "token_verification" }',
        b'if os.getenv("A") then b = #{1} else c = not nil end\nfor i = 1, 3 do d = i end',
        b"x = [[a\nb]] -- c\ny = '\\x41\\u{48}\\z  '\nreturn function(...) return ... end",
    ],
    _SECONDS,
    2_048,
)
