"""MUC modules: as options of the operator policy, and what makes every user a moderator."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.check_config import (
    Deployment,
    compare_hosts,
    find_risks,
    format_agreeing_file,
    read_deployment,
)
from verifier.config import load

SECRET = "0123456789abcdef0123456789abcdef"
OURS = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "XMPP_DOMAIN": "m.test"}
WILDCARDS = ("forbid_wildcard_room", "forbid_wildcard_sub", "forbid_room_patterns")


def read(tmp_path: Path, modules: str, options: str = "", kind: str = "token") -> Deployment:
    file = tmp_path / "a.cfg.lua"
    file.write_text(
        f'muc_mapper_domain_base = "m.test" VirtualHost "m.test" authentication = "{kind}"'
        f' app_id = "app" app_secret = "{SECRET}" Component "conference.m.test" "muc"'
        f' modules_enabled = {{ "token_verification", {modules} }} {options}'
    )
    return read_deployment([file], {})


def policies(deployment: Deployment, **environ: str) -> dict[str, str]:
    (comparison,) = compare_hosts(deployment, load(OURS | environ))
    rows = {row.option: str(row.result) for row in comparison.rows if row.result != "same"}
    return {name.removeprefix("policy."): result for name, result in rows.items()}


@pytest.mark.parametrize(
    ("modules", "names"),
    [
        ('"token_no_wildcard"', WILDCARDS),
        ('"token_owner_party"', ("moderators_create_rooms",)),
        ('"token_owner_restricted"', ("moderators_create_rooms",)),
        (
            '"token_owner_party", "token_no_wildcard"',
            (*WILDCARDS, "moderators_create_rooms"),
        ),
        ('"token_affiliation", "token_lobby_bypass", "muc_lobby"', ()),
    ],
)
def test_modules_are_compared_with_the_policy(
    tmp_path: Path, modules: str, names: tuple[str, ...]
) -> None:
    deployment = read(tmp_path, modules)
    assert policies(deployment) == dict.fromkeys(names, "differs")
    switched = {f"VERIFIER_POLICY_{name.upper()}": "1" for name in names}
    assert policies(deployment, **switched) == {}
    toml = tmp_path / "v.toml"
    toml.write_text(format_agreeing_file(deployment, None))
    (comparison,) = compare_hosts(deployment, load({}, toml))
    assert {row.result for row in comparison.rows} == {"same"}


def test_module_that_is_not_known_cannot_be_compared(tmp_path: Path) -> None:
    assert policies(read(tmp_path, '"token_of_ours"')) == {"module token_of_ours": "unknown"}


def test_table_does_not_inherit_the_policy_of_another_host(tmp_path: Path) -> None:
    deployment = read(tmp_path, '"token_no_wildcard"')
    file = tmp_path / "a.cfg.lua"
    other = file.read_text().replace("m.test", "n.test").replace('"token_no_wildcard"', "")
    other = other.removeprefix('muc_mapper_domain_base = "n.test"')
    second = tmp_path / "b.cfg.lua"
    second.write_text(other)
    deployment = read_deployment([file, second], {})
    toml = tmp_path / "v.toml"
    toml.write_text(format_agreeing_file(deployment, None))
    settings = load({}, toml)
    policy = settings.hosts["n.test"].operator_policy
    assert policy is None or not policy.forbid_wildcard_room
    results = {row.result for found in compare_hosts(deployment, settings) for row in found.rows}
    assert results == {"same"}


@pytest.mark.parametrize(
    ("modules", "options", "kind", "risks"),
    [
        ('"muc_wait_for_host"', "", "token", ["wait-for-host"]),
        (
            '"muc_wait_for_host"',
            "wait_for_host_disable_auto_owners = false",
            "token",
            ["wait-for-host"],
        ),
        ('"muc_wait_for_host"', "wait_for_host_disable_auto_owners = true", "token", []),
        ("", "wait_for_host_disable_auto_owners = false", "token", []),
        ('"muc_allowners"', "", "jitsi_verifier", ["all-owners"]),
        ('"muc_resource_validate"', "anonymous_strict = true", "jitsi_verifier", ["free-nicks"]),
        (
            '"muc_resource_validate"',
            'anonymous_strict = true anonymous_auth_methods = { "token" }',
            "jitsi_verifier",
            ["free-nicks"],
        ),
        (
            '"muc_resource_validate"',
            'anonymous_strict = true anonymous_auth_methods = { "token", "jitsi_verifier" }',
            "jitsi_verifier",
            [],
        ),
        ('"muc_resource_validate"', "", "jitsi_verifier", []),
        ('"muc_resource_validate"', "anonymous_strict = true", "token", []),
        ("", "anonymous_strict = true", "jitsi_verifier", []),
        ("", "", "hybrid_matrix_token", ["wildcard-issuer", "matrix-users"]),
    ],
)
def test_dangers_of_modules_are_risks(
    tmp_path: Path, modules: str, options: str, kind: str, risks: list[str]
) -> None:
    found = find_risks(read(tmp_path, modules, options, kind), None)
    assert [risk.name for risk in found] == risks


def test_web_client_of_another_host_is_a_risk(tmp_path: Path) -> None:
    read(tmp_path, "")
    web = tmp_path / "config.js"
    for text, names in (
        ("config.hosts.domain = 'm.test';", []),
        ("config.hosts.domain = 'other.test';", ["no-such-host"]),
        ("var config = {\n  hosts: {\n    anonymousdomain: 'guest.m.test'\n}}", ["no-such-host"]),
        ("/* config.hosts.domain = 'other.test'; */ var config = {}", []),
    ):
        web.write_text(text)
        deployment = read_deployment([tmp_path / "a.cfg.lua", web], {})
        assert [risk.name for risk in find_risks(deployment, None)] == names, text
