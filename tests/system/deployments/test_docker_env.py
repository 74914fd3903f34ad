"""One .env has the same meaning for docker-jitsi-meet's template and for this program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from verifier.check_config import Deployment, compare_hosts, read_deployment
from verifier.config import ConfigError, load
from verifier.config.docker import MARKERS

SECRET: Final = "0123456789abcdef0123456789abcdef"
TOKENS: Final = {
    "ENABLE_AUTH": "1",
    "AUTH_TYPE": "jwt",
    "JWT_APP_ID": "my_app",
    "JWT_APP_SECRET": SECRET,
}

Render = Callable[[Mapping[str, str]], Path]


def disagreements(deployment: Deployment, environ: Mapping[str, str]) -> list[str]:
    """Return the options in which this program differs, with the same environment."""
    (comparison,) = compare_hosts(deployment, load(environ))
    assert len(comparison.rows) > 10, "options were compared"
    return [
        f"{row.option}: {row.prosody} there, {row.verifier} here"
        for row in comparison.rows
        if row.result in {"differs", "unknown"}
    ]


ENVIRONMENTS: Final = [
    {},
    {"XMPP_DOMAIN": "meet.example.org"},
    {"XMPP_DOMAIN": "meet.example.org", "XMPP_MUC_DOMAIN": "muc.meet.example.org"},
    {"XMPP_MUC_DOMAIN": "rooms.meet.jitsi", "JWT_ENABLE_DOMAIN_VERIFICATION": "true"},
    {"JWT_ENABLE_DOMAIN_VERIFICATION": "'1'", "JWT_ALLOW_EMPTY": '"t"'},
    {"JWT_ENABLE_DOMAIN_VERIFICATION": "yes", "JWT_ALLOW_EMPTY": "on"},
    {"JWT_ENABLE_DOMAIN_VERIFICATION": "F", "JWT_ALLOW_EMPTY": "FALSE"},
    {"JWT_ENABLE_DOMAIN_VERIFICATION": "", "JWT_ALLOW_EMPTY": "", "XMPP_DOMAIN": ""},
    {"JWT_ACCEPTED_ISSUERS": "my_app,,portal,", "JWT_ACCEPTED_AUDIENCES": "a"},
    {"JWT_ASAP_KEYSERVER": "https://keys.example.org", "JWT_SIGN_TYPE": "RS512"},
    {"JWT_ASAP_KEYSERVER": "https://keys.example.org"},
    {"JWT_SIGN_TYPE": "HS384", "ENABLE_GUESTS": "1", "ENABLE_LOBBY": "0"},
    {"ENABLE_AUTH": "true", "ENABLE_RECORDING": "1", "ENABLE_VISITORS": "1"},
]


@pytest.mark.parametrize("changed", ENVIRONMENTS, ids=lambda environ: ",".join(environ) or "none")
def test_the_rendered_template_agrees_with_the_environment(
    changed: dict[str, str], render: Render
) -> None:
    environ = {**TOKENS, **changed}
    assert disagreements(read_deployment([render(environ)], {}), environ) == []


@pytest.mark.parametrize("changed", ENVIRONMENTS, ids=lambda environ: ",".join(environ) or "none")
def test_check_config_reads_the_env_file_as_the_template_does(
    changed: dict[str, str], render: Render, tmp_path: Path
) -> None:
    environ = {**TOKENS, **changed}
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}={value}\n" for name, value in environ.items()))
    (rendered,) = read_deployment([render(environ)], {}).hosts
    (read,) = read_deployment([file], {}).hosts
    assert read.options == rendered.options


@pytest.mark.parametrize("word", ["no", "off", "fALSE", "none"])
def test_a_word_that_the_template_takes_for_true_is_refused(word: str, render: Render) -> None:
    environ = {**TOKENS, "JWT_ALLOW_EMPTY": word}
    assert "allow_empty_token = true" in render(environ).read_text()
    with pytest.raises(ConfigError, match="docker-jitsi-meet takes every other word for true"):
        load(environ)


def test_blanks_in_a_list_disagree_and_are_named(render: Render) -> None:
    environ = {**TOKENS, "JWT_ACCEPTED_ISSUERS": "my_app, portal"}
    assert len(disagreements(read_deployment([render(environ)], {}), environ)) == 1
    assert "docker-jitsi-meet's Prosody keeps them" in load(environ).notices[0]


def test_without_dockers_own_variables_the_defaults_differ(render: Render) -> None:
    environ = {name: value for name, value in TOKENS.items() if name not in MARKERS}
    environ["XMPP_DOMAIN"] = "meet.jitsi"
    found = disagreements(read_deployment([render({**TOKENS, **environ})], {}), environ)
    assert [line.partition(":")[0] for line in found] == [
        "enable_domain_verification",
        "muc_mapper_domain_prefix",
        "muc_mapper_domain",
    ]
