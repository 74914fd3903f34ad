"""Neither settings nor errors show a secret or the user part of a URL."""

import traceback
from pathlib import Path

import pytest

from verifier.config.load import load
from verifier.config.problems import ConfigError
from verifier.config.settings import Settings

MARK = "SUPERSECRETMARK"
CONFIG = Path("/etc/verifier.toml")
GOOD = {"JWT_APP_ID": "app", "JWT_APP_SECRET": MARK}


def configured(environ: dict[str, str], toml: str = "", secret_file: bytes = b"") -> Settings:
    files = {CONFIG: toml.encode(), Path("/secret"): secret_file}

    def read_file(path: Path) -> bytes:
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return files[path]

    return load(environ, CONFIG, read_file=read_file)


@pytest.mark.parametrize(
    ("environ", "toml", "secret_file"),
    [
        (GOOD, "", b""),
        (GOOD | {"JWT_APP_SECRET": f"'{MARK}'"}, "", b""),
        (GOOD | {"VERIFIER_ADMIN_TOKEN": MARK, "VERIFIER_ADMIN_TOKENS": MARK}, "", b""),
        ({"JWT_APP_ID": "app", "JWT_APP_SECRET_FILE": "/secret"}, "", MARK.encode()),
        ({}, f'app_id = "app"\napp_secret = ["{MARK}", "{MARK}2"]\nadmin_token = "{MARK}"', b""),
    ],
)
def test_settings_never_show_secrets(
    environ: dict[str, str], toml: str, secret_file: bytes
) -> None:
    settings = configured(environ, toml, secret_file)
    assert any(MARK in secret for secret in settings.app_secret)
    assert MARK not in repr(settings)
    assert MARK not in str(settings.notices)
    assert MARK not in repr(settings.policy())


@pytest.mark.parametrize(
    ("environ", "toml", "secret_file"),
    [
        (GOOD | {"JWT_SIGN_TYPE": "RS256"}, "", b""),
        (GOOD | {"JWT_APP_SECRET": f"-----BEGIN {MARK}"}, "", b""),
        (GOOD | {"JWT_APP_SECRET": f"{MARK}\udcff"}, "", b""),
        (GOOD | {"JWT_APP_SECRET_FILE": "/secret"}, "", MARK.encode()),
        (GOOD | {"JWT_APP_SECRET": "", "JWT_APP_SECRET_FILE": MARK}, "", b""),
        (GOOD | {"VERIFIER_ADMIN_TOKEN": f"{MARK} two"}, "", b""),
        (GOOD | {"VERIFIER_ADMIN_TOKEN_FILE": "/secret"}, "", f"{MARK}\n{MARK}".encode()),
        (GOOD | {"VERIFIER_ADMIN_TOKEN_FILE": "/secret"}, "", MARK.encode() + b"\xff"),
        (GOOD | {"JWT_ASAP_KEYSERVER": f"https://me:{MARK}@keys.example.org/"}, "", b""),
        (GOOD | {"JWT_ASAP_KEYSERVER": f"https://{MARK}@keys.example.org:x/"}, "", b""),
        (GOOD | {"JWT_CACHE_KEYS_URL": f"me:{MARK}@keys.example.org/"}, "", b""),
        (GOOD | {"JWT_CACHE_KEYS_URL": f"https://me:a/{MARK}?#@keys.example.org/"}, "", b""),
        (GOOD | {"JWT_CACHE_KEYS_URL": f"ftp://keys.example.org/?key={MARK}"}, "", b""),
        ({}, f'app_secret = {{ a = "{MARK}" }}', b""),
        ({}, f'app_secret = ["{MARK}", 1]', b""),
        ({}, f'app_secert = "{MARK}"', b""),
        ({}, f"app_secret = {MARK}", b""),
        ({}, f'app_secret = """\n{MARK}', b""),
        ({}, f'admin_token = "{MARK} {MARK}"', b""),
        ({}, f'admin_token = ["{MARK}"]', b""),
        ({}, f'app_secret_file = ["{MARK}"]', b""),
        ({}, f'app_secret = "{MARK}"\napp_secret_file = "/secret"', MARK.encode()),
        ({}, f'[app_id]\nsecret = "{MARK}"', b""),
        ({}, f'[public_keys]\nkid = "{MARK}"', b""),
        ({}, f'[public_keys]\nkid = "-----BEGIN PRIVATE KEY-----\\n{MARK}"', b""),
    ],
)
def test_errors_never_show_secrets(environ: dict[str, str], toml: str, secret_file: bytes) -> None:
    with pytest.raises(ConfigError) as error:
        configured(environ, toml, secret_file)
    assert MARK not in str(error.value)
    assert MARK not in repr(error.value)
    assert MARK not in repr(error.value.problems)
    assert MARK not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize("name", ["Zx9kQ2mP7vR4tL8wN3bY6cH1", "c0ffee0-12ab-34cd", "x" * 21])
def test_names_that_may_be_a_secret_are_not_shown(name: str) -> None:
    environ = {"JWT_APP_ID": "app"}
    for variable in (f"JWT_{name}", f"VERIFIER_POLICY_{name}", f"JWT_APP_SECRET_{name}"):
        with pytest.raises(ConfigError) as error:
            load({**environ, variable: "x"})
        assert name not in str(error.value)
        assert f"a name of {len(variable)} characters (not shown)" in str(error.value)
    for toml in (
        f'{name} = "app_secret"',
        f'"{name}==" = 1',
        f"[{name}]\n",
        f"[policy]\n{name} = 1",
    ):
        with pytest.raises(ConfigError) as error:
            configured(GOOD, toml)
        assert name not in str(error.value)


def test_key_in_place_of_the_table_of_keys_is_not_shown() -> None:
    with pytest.raises(ConfigError) as error:
        configured(GOOD, f'public_keys = "-----BEGIN PRIVATE KEY-----{MARK}"')
    assert MARK not in str(error.value)
    assert "public_keys (/etc/verifier.toml): found a string; expected" in str(error.value)
