"""contrib/verifier.toml: every option as a comment, and each line is valid without its ``#``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.generated_pages import SAMPLE
from verifier.config import OPTIONS, Settings, load

TEXT = SAMPLE.read_text("utf-8")
_OPTION = re.compile(r"^#(?=[a-z_]+ = |\[)", re.MULTILINE)
SECRET = "0123456789abcdef0123456789abcdef"
BASE = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "XMPP_DOMAIN": "meet.jitsi"}
NO_SECRET = {"JWT_APP_SECRET": ""}
BESIDE: dict[str, dict[str, str]] = {
    "app_id": {"JWT_APP_ID": ""},
    "app_secret": NO_SECRET,
    "asap_key_server": NO_SECRET,
    "cache_keys_url": NO_SECRET,
    "signature_algorithm": {"JWT_CACHE_KEYS_URL": "https://keys.example.org"},
    "muc_mapper_domain_base": {"XMPP_DOMAIN": ""},
    "bypass": {"VERIFIER_TRUSTED_PROXIES": "127.0.0.1"},
}
"""What an option needs beside it, or in whose place it stands."""


def settings_of(text: str, environ: Mapping[str, str]) -> Settings:
    return load(environ, Path("/sample.toml"), read_file=lambda _path: text.encode())


def test_sample_is_valid_as_it_is() -> None:
    assert tomllib.loads(TEXT) == {}
    found, without = settings_of(TEXT, BASE), settings_of("", BASE)
    assert found == without


def test_sample_has_every_option_once() -> None:
    document = tomllib.loads(_OPTION.sub("", TEXT))
    del document["hosts"]
    assert _names(document) == {option.name for option in OPTIONS}


def test_sample_without_its_comments_is_valid_toml_in_each_table() -> None:
    document = tomllib.loads(_OPTION.sub("", TEXT))
    assert document["policy"]["require_jti"] is True
    assert document["hosts"]["meet.example.org"]["app_id"] == "another_app"


# It needs a table of a host, and the keys' file must exist: other tests read both.
ALONE = [option for option in OPTIONS if option.name not in {"strict_hosts", "public_keys"}]


@pytest.mark.parametrize("option", ALONE, ids=lambda option: option.name)
def test_each_line_is_valid_without_its_comment_sign(option: Any) -> None:
    key = option.name.rpartition(".")[2]
    line = f"\n{key} = {option.example}\n"
    assert TEXT.count(f"\n#{line[1:]}") == 1
    text = TEXT.replace(f"\n#{line[1:]}", line)
    if option.table:
        text = text.replace(f"\n#[{option.table}]", f"\n[{option.table}]")
    settings = settings_of(text, BASE | BESIDE.get(option.name, {}))
    expected = option.type.from_toml(tomllib.loads(line)[key])
    found = settings.value(option.name)
    assert found in (expected, (expected,))  # a value may be a dict


def test_the_table_of_a_host_is_valid() -> None:
    start = TEXT.index("#[hosts.")
    text = TEXT[:start] + _OPTION.sub("", TEXT[start:])
    text = text.replace("#strict_hosts = true", "strict_hosts = true")
    settings = settings_of(text, BASE)
    assert settings.strict_hosts
    assert settings.hosts["meet.example.org"].app_id == "another_app"


def _names(document: Mapping[str, Any]) -> set[str]:
    tables = {option.table for option in OPTIONS} - {""}
    top = {key for key in document if key not in tables}
    return top | {f"{table}.{key}" for table in tables for key in document[table]}
