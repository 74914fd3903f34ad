"""Hosts without rooms of their own: no table, and the users that they let in."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.check_config import (
    Deployment,
    compare_hosts,
    find_entrances,
    find_risks,
    format_agreeing_file,
    read_deployment,
)
from verifier.config import Settings, load

SECRET = "0123456789abcdef0123456789abcdef"
MAIN = f"""
muc_mapper_domain_base = "m.test"
VirtualHost "m.test"
    authentication = "token"
    app_id = "app"
    app_secret = "{SECRET}"
Component "conference.m.test" "muc"
    modules_enabled = {{ "token_verification" }}
Component "focus.m.test" "client_proxy"
    target_address = "focus@service.m.test"
"""
GUESTS = f'authentication = "token" app_id = "app" app_secret = "{SECRET}" allow_empty_token = true'


def read(tmp_path: Path, *more: str) -> Deployment:
    file = tmp_path / "a.cfg.lua"
    file.write_text("\n".join((MAIN, *more)))
    return read_deployment([file], {})


def ours(**environ: str) -> Settings:
    base = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "XMPP_DOMAIN": "m.test"}
    return load(base | environ)


@pytest.mark.parametrize(
    ("host", "environ", "text"),
    [
        (f'VirtualHost "guest.m.test" {GUESTS}', {}, "users without a token"),
        ('VirtualHost "guest.m.test" authentication = "anonymous"', {}, "users without a token"),
        (
            'VirtualHost "g.test" authentication = "anonymous" main_muc = "conference.m.test"',
            {"JWT_ALLOW_EMPTY": "0"},
            "users without a token",
        ),
        (
            f'VirtualHost "jigasi.m.test" {GUESTS.replace("true", "false")} app_id = "jaas"',
            {},
            'other tokens (asap_accepted_issuers "jaas")',
        ),
        (
            'VirtualHost "j.test" authentication = "token" asap_key_server = "https://k.test"',
            {},
            "other tokens",
        ),
        (
            'VirtualHost "recorder.m.test" authentication = "internal_hashed"',
            {},
            "accounts with a password",
        ),
        (
            'VirtualHost "h.test" recorder_prefixes = { "r@h.test" } authentication = "ldap"',
            {},
            "accounts with a password",
        ),
    ],
)
def test_users_of_a_host_without_rooms_are_named(
    tmp_path: Path, host: str, environ: dict[str, str], text: str
) -> None:
    deployment = read(tmp_path, host)
    assert [main.name for main in deployment.hosts] == ["m.test"]
    (entrance,) = find_entrances(deployment, ours(**environ))
    assert text in entrance.text
    assert entrance.host == host.split('"')[1]
    assert len(compare_hosts(deployment, ours())) == 1
    assert find_risks(deployment, ours(**environ)) == []  # nothing is told twice
    assert "[hosts" not in format_agreeing_file(deployment, None)


@pytest.mark.parametrize(
    ("host", "certain"),
    [
        ('VirtualHost "recorder.m.test" authentication = "internal_hashed"', False),
        ('VirtualHost "r.test" main_muc = "conference.m.test" authentication = "ldap"', False),
        ('VirtualHost "r.test" recorder_prefixes = { "x@r.test" } authentication = "ldap"', True),
    ],
)
def test_only_named_accounts_are_certain(tmp_path: Path, host: str, certain: bool) -> None:
    (entrance,) = find_entrances(read(tmp_path, host), ours())
    assert entrance.certain is certain


@pytest.mark.parametrize(
    ("host", "environ"),
    [
        ('VirtualHost "guest.m.test" authentication = "anonymous"', {"JWT_ALLOW_EMPTY": "1"}),
        (f'VirtualHost "guest.m.test" {GUESTS}', {"JWT_ALLOW_EMPTY": "1"}),
        (f'VirtualHost "x.m.test" {GUESTS.replace("true", "false")}', {}),
        ('VirtualHost "x.m.test" authentication = "jitsi_verifier"', {}),
        (
            'VirtualHost "recorder.m.test" authentication = "internal_hashed"',
            {"VERIFIER_BYPASS": "10.0.0.0/8", "VERIFIER_TRUSTED_PROXIES": "127.0.0.1"},
        ),
        ('VirtualHost "service.m.test" authentication = "internal_hashed"', {}),
        ('VirtualHost "auth.m.test" authentication = "internal_hashed"', {}),
        ('VirtualHost "localhost"', {}),
        ('VirtualHost "recorder.m.test" enabled = false', {}),
    ],
)
def test_users_whom_the_verifier_lets_in_are_no_entrance(
    tmp_path: Path, host: str, environ: dict[str, str]
) -> None:
    assert find_entrances(read(tmp_path, host), ours(**environ)) == []


@pytest.mark.parametrize("host", ['authentication = "anonymous"', GUESTS])
def test_guests_of_a_host_of_their_own_agree(tmp_path: Path, host: str) -> None:
    deployment = read(tmp_path, f'VirtualHost "guest.m.test" {host}')
    (comparison,) = compare_hosts(deployment, ours(JWT_ALLOW_EMPTY="1"))
    (row,) = (row for row in comparison.rows if row.option == "allow_empty_token")
    assert (row.prosody, row.verifier, row.result) == ("false", "true", "no-effect")
    assert row.where == "guests log in to guest.m.test"
    (comparison,) = compare_hosts(read(tmp_path), ours(JWT_ALLOW_EMPTY="1"))
    assert "differs" in {row.result for row in comparison.rows if row.option == "allow_empty_token"}


def test_host_with_rooms_of_its_own_keeps_its_table(tmp_path: Path) -> None:
    other = MAIN.replace("m.test", "n.test").replace("muc_mapper_domain_base", "-- ")
    deployment = read(tmp_path, other.replace('app_id = "app"', 'app_id = "n"'))
    assert [host.name for host in deployment.hosts] == ["m.test", "n.test"]
    assert deployment.sharing == []
    assert '[hosts."n.test"]' in format_agreeing_file(deployment, None)


def test_table_of_the_main_host_counts_for_its_guests(tmp_path: Path) -> None:
    toml = tmp_path / "v.toml"
    toml.write_text(
        f'app_id = "app"\napp_secret = "{SECRET}"\n[hosts."m.test"]\nallow_empty_token = true\n'
    )
    deployment = read(tmp_path, 'VirtualHost "guest.m.test" authentication = "anonymous"')
    assert find_entrances(deployment, load({}, toml)) == []


def test_host_that_shares_rooms_is_never_the_main_host(tmp_path: Path) -> None:
    file = tmp_path / "a.cfg.lua"
    text = MAIN.replace('"token"', '"internal_hashed"')
    file.write_text(f'{text}VirtualHost "jigasi.m.test" {GUESTS}')
    deployment = read_deployment([file], {})
    assert deployment.hosts == []
    assert [host.name for host in deployment.sharing] == ["jigasi.m.test"]


def test_only_host_of_the_files_is_the_main_host(tmp_path: Path) -> None:
    file = tmp_path / "a.cfg.lua"
    file.write_text(
        f'VirtualHost "m.test" {GUESTS}\n'
        'VirtualHost "auth.m.test"\nComponent "internal.auth.m.test" "muc"\n'
    )
    assert [host.name for host in read_deployment([file], {}).hosts] == ["m.test"]
