"""The ``[hosts]`` tables: inheritance, and the options that concern hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.config import ConfigError, Settings, load

SERVICE = """
app_id = "service"
app_secret = "a-secret-of-more-than-thirty-two-bytes"
asap_accepted_issuers = ["service", "partner"]
muc_mapper_domain_base = "meet.jitsi"
muc_mapper_domain = "muc.meet.jitsi"
"""


def configured(text: str, **environ: str) -> Settings:
    return load(environ, Path("/etc/v.toml"), read_file=lambda _path: text.encode())


def host(table: str, service: str = SERVICE) -> Settings:
    return configured(f'{service}[hosts."meet.example.org"]\n{table}').hosts["meet.example.org"]


def problems(table: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        host(table)
    return [str(problem) for problem in error.value.problems]


def test_host_inherits_options_that_it_does_not_replace() -> None:
    own = host("allow_empty_token = true")
    assert (own.allow_empty_token, own.app_id) == (True, "service")
    assert own.asap_accepted_issuers == ("service", "partner")
    assert own.muc_mapper_domain == "muc.meet.jitsi"


def test_host_with_its_own_app_id_inherits_no_issuers() -> None:
    assert host('app_id = "own"').asap_accepted_issuers == ("own",)


def test_host_with_its_own_key_inherits_no_other() -> None:
    own = host('asap_key_server = "https://keys.example.org"')
    assert (own.app_secret, own.signature_algorithm) == ((), "RS256")


def test_host_with_its_own_domain_inherits_no_muc_domain() -> None:
    assert host('muc_mapper_domain_base = "own.jitsi"').muc_mapper_domain == "conference.own.jitsi"


def test_environment_counts_for_every_host() -> None:
    text = '[hosts."b.example"]\nallow_empty_token = true\n'
    settings = configured(text, JWT_APP_ID="env", JWT_APP_SECRET="s" * 40)
    assert settings.hosts["b.example"].app_id == "env"


def test_problem_of_a_host_names_the_host() -> None:
    assert problems('app_secert = "x"')[0].startswith(
        'app_secert ([hosts."meet.example.org"] in /etc/v.toml): found an unknown option'
    )
    assert "it is the whole service's" in problems('listen = "127.0.0.1:1"')[0]
    assert (
        "muc_mapper_domain_base"
        in problems('app_secret = 5\nmuc_mapper_domain_base = "not a host"')[1]
    )


def test_problem_of_the_service_is_reported_once() -> None:
    with pytest.raises(ConfigError) as error:
        configured('app_id = ""\napp_secret = "x"\n[hosts."a.b"]\n[hosts."c.d"]\n')
    assert len(error.value.problems) == 1


@pytest.mark.parametrize(
    "text",
    [
        "hosts = 5",
        "[hosts]\nx = 5",
        '[hosts."a b"]',
        '[hosts."a:80"]',
        '[hosts."münchen.example"]',
        '[hosts."a|b"]',
        "[hosts.A]\n[hosts.a]",
    ],
)
def test_wrong_hosts_tables_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        configured(f'app_id = "a"\napp_secret = "{"s" * 40}"\n{text}')


def test_bypass_needs_a_trusted_proxy() -> None:
    with pytest.raises(ConfigError, match="trusted_proxies"):
        configured(SERVICE, VERIFIER_BYPASS="10.0.0.0/8")
    with pytest.raises(ConfigError, match="trusted_proxies"):
        configured(f"trusted_proxies = []\n{SERVICE}", VERIFIER_BYPASS="10.0.0.0/8")
    default = [str(proxy) for proxy in configured(SERVICE).trusted_proxies]
    assert default == ["127.0.0.0/8", "::1/128", "unix"]
    settings = configured(
        SERVICE, VERIFIER_BYPASS="10.0.0.0/8, fd00::1", VERIFIER_TRUSTED_PROXIES="127.0.0.1,unix"
    )
    assert [str(network) for network in settings.bypass] == ["10.0.0.0/8", "fd00::1/128"]
    assert [str(proxy) for proxy in settings.trusted_proxies] == ["127.0.0.1/32", "unix"]


def test_strict_hosts_need_a_host() -> None:
    with pytest.raises(ConfigError, match="every host would be refused"):
        configured(SERVICE, VERIFIER_STRICT_HOSTS="true")


@pytest.mark.parametrize(
    "networks", ["::ffff:10.0.0.0/104", "10.0.0.1/8", "meet.example.org", "unix", "300.0.0.1"]
)
def test_wrong_networks_are_refused(networks: str) -> None:
    with pytest.raises(ConfigError, match="bypass"):
        configured(SERVICE, VERIFIER_BYPASS=networks, VERIFIER_TRUSTED_PROXIES="unix")
