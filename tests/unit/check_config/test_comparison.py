"""Differences that are disagreements, risks of either side, and the agreeing file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from verifier.check_config import (
    Deployment,
    HostComparison,
    compare_hosts,
    find_risks,
    format_agreeing_file,
    read_deployment,
)
from verifier.check_config.comparison import Result, fingerprint
from verifier.check_config.risks import find_weakness
from verifier.config import Settings, load

SECRET = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"
PEM = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
-----END PUBLIC KEY-----"""
MUC = 'Component "conference.m.test" "muc" { modules_enabled = { "token_verification" } }'
PLAIN = f'app_id = "app" app_secret = "{SECRET}"'
DOMAIN = 'muc_mapper_domain_base = "m.test"'

Deploy = Callable[[str], Deployment]


@pytest.fixture
def deploy(tmp_path: Path) -> Deploy:
    """Return a function that writes a token host with these options, and reads it."""

    def make(options: str, rest: str = MUC) -> Deployment:
        file = tmp_path / "meet.cfg.lua"
        host = f'VirtualHost "m.test" authentication = "token" {options}'
        file.write_text(f"{DOMAIN}\n{host}\n{rest}")
        return read_deployment([file], {})

    return make


def ours(**environ: str) -> Settings:
    base = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "XMPP_DOMAIN": "m.test"}
    return load(base | environ)


def rows(deployment: Deployment, settings: Settings) -> dict[str, Result]:
    (comparison,) = compare_hosts(deployment, settings)
    return {row.option: row.result for row in comparison.rows}


def names(deployment: Deployment, settings: Settings | None = None) -> list[str]:
    return [risk.name for risk in find_risks(deployment, settings)]


def test_equal_options_agree(deploy: Deploy) -> None:
    assert set(rows(deploy(PLAIN), ours()).values()) == {"same"}
    assert names(deploy(PLAIN), ours()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prosody", "environ", "option", "result"),
    [
        ('asap_accepted_issuers = { "app", "x" }', {}, "asap_accepted_issuers", "differs"),
        ('asap_accepted_issuers = "app"', {}, "asap_accepted_issuers", "same"),
        ("", {"JWT_ACCEPTED_ISSUERS": "*"}, "asap_accepted_issuers", "differs"),
        (
            'asap_accepted_issuers = "*"',
            {"JWT_ACCEPTED_ISSUERS": "*,a"},
            "asap_accepted_issuers",
            "same",
        ),
        (
            'asap_accepted_audiences = { "b", "a" }',
            {"JWT_ACCEPTED_AUDIENCES": "a,b"},
            "asap_accepted_audiences",
            "same",
        ),
        ('asap_accepted_audiences = "a"', {}, "asap_accepted_audiences", "differs"),
        ('asap_accepted_audiences = require "x"', {}, "asap_accepted_audiences", "unknown"),
        ('signature_algorithm = "HS512"', {}, "signature_algorithm", "differs"),
        (f'app_secret = "{OTHER}"', {}, "app_secret", "differs"),
        ('app_secret = FileLine "x"', {}, "app_secret", "unknown"),
        ("allow_empty_token = true", {}, "allow_empty_token", "differs"),
        ('allow_empty_token = "true"', {"JWT_ALLOW_EMPTY": "1"}, "allow_empty_token", "same"),
        ('allow_empty_token = "yes"', {}, "allow_empty_token", "same"),
        ("asap_require_room_claim = 0", {}, "asap_require_room_claim", "differs"),
        ("asap_require_room_claim = false", {}, "asap_require_room_claim", "differs"),
        ("enable_domain_verification = false", {}, "enable_domain_verification", "differs"),
        ('muc_mapper_domain_prefix = "muc"', {}, "muc_mapper_domain", "differs"),
        ('muc_mapper_domain = "CONFERENCE.m.test"', {}, "muc_mapper_domain", "same"),
        ('app_id = "other" asap_accepted_issuers = "app"', {}, "app_id", "no-effect"),
        ('app_id = "other"', {}, "asap_accepted_issuers", "differs"),
        ("", {"VERIFIER_LEEWAY": "5"}, "leeway", "differs"),
        ("", {"VERIFIER_RULES": "strict"}, "rules", "stricter"),
        ("", {"VERIFIER_POLICY_REQUIRE_JTI": "1"}, "policy.require_jti", "stricter"),
        ("", {"VERIFIER_SINGLE_USE": "jti"}, "single_use", "stricter"),
        (
            "",
            {"VERIFIER_POLICY_MAX_TOKEN_LIFETIME": "60"},
            "policy.max_token_lifetime",
            "stricter",
        ),
        (
            "",
            {"VERIFIER_RULES": "strict", "JWT_SIGN_TYPE": "HS256,HS384"},
            "signature_algorithm",
            "differs",
        ),
        ("token_regex_max_quantifiers = 9", {}, "token_regex_max_quantifiers", "differs"),
        ('asap_key_server = "https://k.test"', {}, "asap_key_server", "differs"),
        (
            'enable_domain_verification = false muc_mapper_domain_prefix = "muc"',
            {"JWT_ENABLE_DOMAIN_VERIFICATION": "0"},
            "muc_mapper_domain",
            "no-effect",
        ),
        (
            'asap_key_server = "https://k.test/"',
            {"JWT_ASAP_KEYSERVER": "https://k.test", "JWT_APP_SECRET": ""},
            "app_secret",
            "no-effect",
        ),
        (
            'asap_key_server = "https://k.test/"',
            {"JWT_ASAP_KEYSERVER": "https://k.test", "JWT_APP_SECRET": ""},
            "asap_key_server",
            "same",
        ),
        (
            'asap_key_server = "http://127.0.0.1:8090/asap"',
            {"JWT_CACHE_KEYS_URL": "https://k.test/certs", "JWT_APP_SECRET": ""},
            "cache_keys_url",
            "no-effect",
        ),
        (
            'asap_key_server = "http://127.0.0.1:8090/asap" cache_keys_url = "https://other.test/"',
            {"JWT_CACHE_KEYS_URL": "https://k.test/certs", "JWT_APP_SECRET": ""},
            "cache_keys_url",
            "differs",
        ),
        (
            'cache_keys_url = "https://k.test/certs/"',
            {"JWT_CACHE_KEYS_URL": "https://k.test/certs", "JWT_APP_SECRET": ""},
            "cache_keys_url",
            "differs",
        ),
    ],
)
def test_only_effective_differences_are_disagreements(
    deploy: Deploy, prosody: str, environ: dict[str, str], option: str, result: Result
) -> None:
    assert rows(deploy(f"{PLAIN} {prosody}"), ours(**environ))[option] == result


def test_additional_secret_is_a_disagreement(deploy: Deploy, tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text(f"{OTHER}\n{SECRET}\n")
    settings = load({"JWT_APP_ID": "app", "JWT_APP_SECRET_FILE": str(tmp_path / "secrets")})
    assert rows(deploy(PLAIN), settings)["app_secret"] == "differs"


def test_each_host_is_compared_with_its_table(tmp_path: Path) -> None:
    lua, toml = tmp_path / "a.cfg.lua", tmp_path / "v.toml"
    hosts = ("one.test", "two.test", "three.test", "four.test")
    lua.write_text("\n".join(f'VirtualHost "{host}" authentication = "token"' for host in hosts))
    toml.write_text(
        f'app_id = "app"\napp_secret = "{SECRET}"\nmuc_mapper_domain_base = "one.test"\n'
        '[hosts."two.test"]\n[hosts."public.test"]\nmuc_mapper_domain_base = "three.test"\n'
    )
    comparisons = compare_hosts(read_deployment([lua], {}), load({}, toml))
    found = {comparison.host.name: comparison.table for comparison in comparisons}
    assert found == {
        "one.test": "",
        "two.test": "two.test",
        "three.test": "public.test",
        "four.test": "",
    }


def test_host_that_asks_this_verifier_cannot_differ(tmp_path: Path) -> None:
    file = tmp_path / "a.cfg.lua"
    file.write_text('VirtualHost "m.test" authentication = "jitsi_verifier"\n' + MUC)
    deployment = read_deployment([file], {})
    (comparison,) = compare_hosts(deployment, ours())
    assert comparison.rows == ()
    assert names(deployment, ours()) == []


@pytest.mark.parametrize(
    ("options", "rest", "risk"),
    [
        ("allow_empty_token = true", MUC, "guests-without-lobby"),
        ('asap_accepted_issuers = { "a", "*" }', MUC, "wildcard-issuer"),
        ('app_secret = "example_app_secret"', MUC, "weak-secret"),
        ('app_secret = "0123456789012345678901234567890"', MUC, "weak-secret"),
        ('app_secret = ""', MUC, "weak-secret"),
        ("", 'Component "conference.m.test" "muc"', "rooms-not-verified"),
        (
            "",
            MUC.replace("modules", "modules_disabled = {'token_verification'}, modules"),
            "rooms-not-verified",
        ),
        ('muc_mapper_domain_prefix = "muc"', MUC, "no-such-muc"),
        (DOMAIN.replace("m.test", "n.test"), MUC, "component-without-domain"),
        ("", MUC.replace("modules", "app_id = 'x', modules"), "option-without-effect"),
        ("", f'{MUC} VirtualHost "guest.m.test" authentication = "anonymous"', "guest-host"),
    ],
)
def test_risk_is_named(
    deploy: Callable[..., Deployment], options: str, rest: str, risk: str
) -> None:
    assert risk in names(deploy(f"{PLAIN} {options}", rest))
    assert set(names(deploy(f"{PLAIN} {options}", rest))) <= {risk, "no-such-muc"}


@pytest.mark.parametrize(
    "options",
    [
        'allow_empty_token = true modules_enabled = { "muc_lobby_rooms" }',
        'allow_empty_token = true modules_enabled = { require "x" }',
        f'signature_algorithm = "RS256" app_secret = [[{PEM}]]',
        'asap_key_server = "https://k.test" app_secret = ""',
    ],
)
def test_safe_options_name_no_risk(deploy: Deploy, options: str) -> None:
    assert names(deploy(f"{PLAIN} {options}")) == []


def test_own_risks_are_named(deploy: Deploy) -> None:
    settings = ours(JWT_APP_SECRET="changeme", JWT_ACCEPTED_ISSUERS="*")
    found = [(risk.name, risk.where) for risk in find_risks(deploy(PLAIN), settings)]
    assert found == [("weak-secret", "this verifier"), ("wildcard-issuer", "this verifier")]


@pytest.mark.parametrize(
    ("conf", "expected"),
    [
        ("", ["auto-owner"]),
        ("jicofo.conference.enable-auto-owner = true", ["auto-owner"]),
        ("jicofo.conference.enable-auto-owner = false", []),
        (
            "jicofo { authentication.enabled = true, conference.enable-auto-owner = false }",
            ["jicofo-authentication"],
        ),
    ],
)
def test_jicofo_switches_are_risks(
    deploy: Deploy, tmp_path: Path, conf: str, expected: list[str]
) -> None:
    deploy(PLAIN)
    (tmp_path / "jicofo.conf").write_text(conf)
    deployment = read_deployment([tmp_path / "meet.cfg.lua", tmp_path / "jicofo.conf"], {})
    assert names(deployment) == expected


def test_component_belongs_to_the_host_that_jitsi_finds(tmp_path: Path) -> None:
    file = tmp_path / "a.cfg.lua"
    muc = MUC.replace("conference.", "internal-muc.conference.")
    file.write_text(f'VirtualHost "m.test" authentication = "token" {PLAIN}\n{muc}')
    (host,) = read_deployment([file], {}).hosts
    assert host.rooms == ()


def test_agreeing_file_agrees(deploy: Deploy, tmp_path: Path) -> None:
    deployment = deploy(
        f"""{PLAIN} asap_accepted_issuers = {{ 'a"b', "\\127" }}
        app_secret = "q'\\\\ \\u{{20AC}} {SECRET}" asap_require_room_claim = false
        allow_empty_token = true token_regex_enabled = false"""
    )
    toml = tmp_path / "written.toml"
    toml.write_text(format_agreeing_file(deployment, None))
    assert set(rows(deployment, load({}, toml)).values()) == {"same"}


def test_agreeing_file_agrees_for_every_host(tmp_path: Path) -> None:
    several = Path(__file__).parent / "deployments" / "several" / "prosody.cfg.lua"
    deployment = read_deployment([several], {})
    toml = tmp_path / "written.toml"
    toml.write_text(format_agreeing_file(deployment, None))
    comparisons: list[HostComparison] = compare_hosts(deployment, load({}, toml))
    assert [comparison.table for comparison in comparisons] == ["", "talk.example.net"]
    results = {row.option: row.result for comparison in comparisons for row in comparison.rows}
    assert set(results.values()) == {"same"}, results


def test_agreeing_file_leaves_out_what_toml_cannot_contain(deploy: Deploy) -> None:
    deployment = deploy(f'{PLAIN} asap_accepted_issuers = {{ "\\255" }}')
    assert "# asap_accepted_issuers: bytes that are not UTF-8" in format_agreeing_file(
        deployment, None
    )


def test_credentials_and_control_characters_are_hidden(deploy: Deploy) -> None:
    url = "https://user:s3cret@k.test/x?key=s3cret"
    deployment = deploy(f'{PLAIN} asap_key_server = "{url}" app_id = "\\27[31mred"')
    (comparison,) = compare_hosts(deployment, ours())
    shown = {row.option: row.prosody for row in comparison.rows}
    assert shown["asap_key_server"] == "https://***@k.test/x?***"
    assert "\x1b" not in shown["app_id"]


def test_fingerprints_differ_and_are_stable() -> None:
    assert fingerprint(SECRET) == "ea30c629"
    assert fingerprint(SECRET) != fingerprint(OTHER)


@pytest.mark.parametrize(
    ("secret", "weakness"),
    [
        ("", "is empty"),
        ("ChangeMe", "is a secret from a published example"),
        ("app", "is the app_id"),
        ("x" * 31, "is weak: 31 bytes"),
        ("é" * 16, ""),
        ("x" * 32, ""),
    ],
)
def test_weakness_is_described_without_the_secret(secret: str, weakness: str) -> None:
    found = find_weakness(secret, "app")
    assert found.startswith(weakness)
    assert bool(found) == bool(weakness)
