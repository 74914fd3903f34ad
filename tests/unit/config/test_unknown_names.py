"""Unknown names are named with the nearest known one, also beside other problems."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.config import docker
from verifier.config.load import load
from verifier.config.problems import ConfigError

SECRET = "0123456789abcdef0123456789abcdef"
CONFIG = Path("/etc/verifier.toml")
BASIC = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "JWT_ENABLE_DOMAIN_VERIFICATION": "0"}


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("JWT_APP_SECERT", "JWT_APP_SECRET"),
        ("JWT_SECRET", "JWT_APP_SECRET"),
        ("jwt_app_secret", "JWT_APP_SECRET"),
        ("JTW_APP_SECRET", "JWT_APP_SECRET"),
        ("VERIFER_LISTEN", "VERIFIER_LISTEN"),
        ("XMPP_MUC_DOMIAN", "XMPP_MUC_DOMAIN"),
        ("VERIFIER_APP_SECRET", "JWT_APP_SECRET"),
        ("VERIFIER_ASAP_ACCEPTED_ISSUERS", "JWT_ACCEPTED_ISSUERS"),
        ("JWT_ACCEPTED_ISSUER", "JWT_ACCEPTED_ISSUERS"),
        ("JWT_ALGORITHM", "JWT_SIGN_TYPE"),
        ("VERIFIER_REDIS_URL", "VERIFIER_REVOCATION_STORE"),
    ],
)
def test_unknown_variable_is_named_with_the_nearest(name: str, nearest: str) -> None:
    notice = f"{name}: not a known variable, ignored; the nearest is {nearest}"
    assert notice in load({**BASIC, name: "SUPERSECRETMARK"}).notices
    with pytest.raises(ConfigError) as error:
        load({"JWT_APP_ID": "app", name: "SUPERSECRETMARK"})
    assert notice in error.value.notices
    assert str(error.value).endswith(f"A misspelt name may be the cause:\n  {notice}")
    assert "SUPERSECRETMARK" not in str(error.value)


def test_variables_of_docker_and_of_other_programs_give_no_notice() -> None:
    names = [*docker.OTHER_VARIABLES, "XMPP_SERVER", "XMPP_PORT", "JAVA_HOME", "VIRTUAL_ENV"]
    assert load({**BASIC, **dict.fromkeys(names, "x")}).notices == ()


@pytest.mark.parametrize(
    ("line", "nearest"),
    [
        ('xmpp_domain = "meet.jitsi"', "muc_mapper_domain_base"),
        ('XMPP_MUC_DOMAIN = "muc.meet.jitsi"', "muc_mapper_domain"),
        ('jwt_app_id = "app"', "app_id"),
        ('JWT_SIGN_TYPE = "HS256"', "signature_algorithm"),
        ('app-secret = "x"', "app_secret"),
        ('appSecretFile = "/x"', "app_secret_file"),
        ('JWT_APP_SECRET_FILE = "/x"', "app_secret_file"),
        ("jwt_allow_empty = true", "allow_empty_token"),
        ("require_jti = true", "policy.require_jti"),
        ('verifier_listen = "x"', "listen"),
        ("port = 8090", "listen"),
        ('redis_url = "x"', "revocation_store"),
        ('issuer = "x"', "asap_accepted_issuers"),
        ('alg = "HS256"', "signature_algorithm"),
        ("enable_guests = true", "allow_empty_token"),
        ("debug = true", "log_level"),
    ],
)
def test_variables_are_spellings_of_their_key(line: str, nearest: str) -> None:
    assert only_problem(line).endswith(
        f"found an unknown option; expected the name of an option; the nearest is {nearest}"
    )


@pytest.mark.parametrize("line", ['tls_cert = "x"', 'prefix = "x"', "exp = 1", "x = 1"])
def test_option_unlike_all_others_has_no_nearest(line: str) -> None:
    assert only_problem(line).endswith(
        "the name of an option; none is similar: docs/configuration.md has all of them"
    )


@pytest.mark.parametrize(
    ("line", "nearest"),
    [
        ("[policies]\nrequire_jti = true", "[policy]"),
        ("[Policy]\nrequire_jti = true", "[policy]"),
        ('[host."meet.example.org"]\napp_id = "x"', '[hosts."NAME"]'),
        ('[vhosts."meet.example.org"]\napp_id = "x"', '[hosts."NAME"]'),
        ('[public-keys]\nk = "x"', "[public_keys]"),
    ],
)
def test_unknown_table_is_named_with_the_nearest_table(line: str, nearest: str) -> None:
    assert only_problem(line).endswith(
        f"found an unknown table; expected the name of a table; the nearest is {nearest}"
    )


def test_a_table_unlike_all_others_names_all_tables() -> None:
    assert only_problem("[jitsi]\nx = 1").endswith(
        'expected one of the tables [policy], [hosts."NAME"], [public_keys]'
    )


def test_a_host_has_no_hosts() -> None:
    text = '[hosts."a.example".hosts."b.example"]\napp_id = "x"'
    assert only_problem(text).endswith("expected one of the tables [policy], [public_keys]")


def test_a_dot_without_quotes_in_the_name_of_a_host_is_named() -> None:
    text = '[hosts.meet.example.org]\napp_id = "x"'
    quoted = '; a dot in a host\'s name needs quotes: [hosts."a.example"]'
    assert only_problem(text).endswith(quoted)


def test_policy_of_a_host_is_named_as_a_table() -> None:
    assert "the nearest is [policy]" in only_problem('[hosts."a.example".policies]\nx = 1')


def only_problem(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        load(BASIC, CONFIG, read_file=lambda _path: text.encode())
    assert len(error.value.problems) == 1, str(error.value)
    return str(error.value.problems[0])
