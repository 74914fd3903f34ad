"""What options mean together."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from verifier.config.load import load
from verifier.config.problems import ConfigError
from verifier.config.settings import Settings
from verifier.keys.sources.settings import KeySourceSettings
from verifier.rules.policy import Policy

SECRET = "0123456789abcdef0123456789abcdef"
BASIC = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "JWT_ENABLE_DOMAIN_VERIFICATION": "0"}
CONFIG = Path("/etc/verifier.toml")


def from_env(**environ: str) -> Settings:
    return load({**BASIC, **environ})


def from_toml(text: str, environ: Mapping[str, str] = BASIC) -> Settings:
    return load(environ, CONFIG, read_file=lambda _path: text.encode())


def only_problem(error: pytest.ExceptionInfo[ConfigError]) -> str:
    assert len(error.value.problems) == 1, str(error.value)
    return str(error.value.problems[0])


def test_app_id_is_required() -> None:
    with pytest.raises(ConfigError) as error:
        from_env(JWT_APP_ID="")
    assert only_problem(error) == (
        "app_id (JWT_APP_ID): found nothing; expected the application id that tokens are issued for"
    )


def test_bad_app_id_is_reported_once() -> None:
    with pytest.raises(ConfigError) as error:
        from_toml("app_id = 5", {**BASIC, "JWT_APP_ID": ""})
    assert "found 5" in only_problem(error)


def test_notice_of_wildcard_issuers() -> None:
    notices = from_env(JWT_ACCEPTED_ISSUERS="*").notices
    assert notices == (
        (
            "asap_accepted_issuers (JWT_ACCEPTED_ISSUERS): any issuer is accepted:"
            " the holder of a key may sign for every issuer"
        ),
    )


def test_notice_of_guests() -> None:
    notices = from_env(JWT_ALLOW_EMPTY="1").notices
    assert notices == ("allow_empty_token (JWT_ALLOW_EMPTY): guests come in without a token",)


def test_notice_of_report_only() -> None:
    notices = from_env(VERIFIER_MODE="report-only").notices
    assert notices == (
        "mode (VERIFIER_MODE): every request is let in; what would be denied is logged and counted",
    )


def test_log_format_depends_on_the_terminal() -> None:
    assert load(BASIC, terminal=True).log_format == "console"
    assert load(BASIC, terminal=False).log_format == "json"
    assert load({**BASIC, "VERIFIER_LOG_FORMAT": "json"}, terminal=True).log_format == "json"


def test_muc_domain_is_prefix_and_base() -> None:
    settings = from_env(XMPP_DOMAIN="meet.example.org")
    assert settings.muc_mapper_domain == "conference.meet.example.org"
    assert settings.muc_mapper_domain_prefix == "conference"


def test_prefix_is_the_first_label_of_xmpp_muc_domain() -> None:
    settings = from_env(XMPP_DOMAIN="meet.jitsi", XMPP_MUC_DOMAIN="muc.meet.jitsi")
    assert settings.muc_mapper_domain == "muc.meet.jitsi"
    assert settings.muc_mapper_domain_prefix == "muc"


def test_muc_domain_in_file_leaves_the_prefix_unchanged() -> None:
    settings = from_toml('muc_mapper_domain = "muc.meet.jitsi"')
    assert settings.muc_mapper_domain == "muc.meet.jitsi"
    assert settings.muc_mapper_domain_prefix == "conference"


def test_given_prefix_wins_over_the_first_label() -> None:
    text = 'muc_mapper_domain_prefix = "rooms"'
    settings = from_toml(text, {**BASIC, "XMPP_MUC_DOMAIN": "muc.meet.jitsi"})
    assert settings.muc_mapper_domain_prefix == "rooms"


def test_no_muc_domain_without_a_base() -> None:
    assert from_env().muc_mapper_domain is None


def test_domains_are_verified_if_the_base_is_known() -> None:
    settings = from_toml(
        'muc_mapper_domain_base = "meet.example.org"',
        {**BASIC, "JWT_ENABLE_DOMAIN_VERIFICATION": ""},
    )
    assert settings.enable_domain_verification
    assert settings.notices == ()


def test_notice_of_verification_unlike_docker_jitsi_meet() -> None:
    settings = from_env(XMPP_DOMAIN="meet.jitsi", JWT_ENABLE_DOMAIN_VERIFICATION="")
    assert settings.enable_domain_verification
    assert settings.notices == (
        (
            "enable_domain_verification (JWT_ENABLE_DOMAIN_VERIFICATION): true, since XMPP_DOMAIN"
            " is set; docker-jitsi-meet itself has it false by default"
        ),
        (
            "muc_mapper_domain (XMPP_MUC_DOMAIN): conference.meet.jitsi, since XMPP_MUC_DOMAIN is"
            " not set; docker-jitsi-meet's own is muc.meet.jitsi"
        ),
    )


def test_notice_of_no_verification_without_a_base() -> None:
    settings = from_env(JWT_ENABLE_DOMAIN_VERIFICATION="")
    assert not settings.enable_domain_verification
    assert settings.notices == (
        (
            "enable_domain_verification (JWT_ENABLE_DOMAIN_VERIFICATION): false, since"
            " muc_mapper_domain_base is not known: sub and tenants are not compared"
        ),
    )


def test_verification_needs_the_base() -> None:
    with pytest.raises(ConfigError) as error:
        from_env(JWT_ENABLE_DOMAIN_VERIFICATION="true")
    assert only_problem(error) == (
        "enable_domain_verification (JWT_ENABLE_DOMAIN_VERIFICATION): found true without"
        " muc_mapper_domain_base; expected muc_mapper_domain_base (XMPP_DOMAIN) beside it, or false"
    )


def test_bad_base_is_reported_once() -> None:
    with pytest.raises(ConfigError) as error:
        from_env(JWT_ENABLE_DOMAIN_VERIFICATION="true", XMPP_DOMAIN="https://meet.jitsi")
    assert "muc_mapper_domain_base (XMPP_DOMAIN)" in only_problem(error)


def test_verification_turned_off_gives_no_notice() -> None:
    settings = from_env(XMPP_DOMAIN="meet.jitsi")
    assert not settings.enable_domain_verification
    assert settings.notices == ()


@pytest.mark.parametrize("address", ["[::]:8091", "192.0.2.1:8091", "admin.internal:8091"])
def test_admin_address_that_others_reach_needs_a_token(address: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_env(VERIFIER_ADMIN_LISTEN=address)
    assert only_problem(error).startswith(
        f"admin_listen (VERIFIER_ADMIN_LISTEN): found {address} without an admin_token;"
    )
    with_token = from_env(VERIFIER_ADMIN_LISTEN=address, VERIFIER_ADMIN_TOKEN="0123456789abcdef")
    assert str(with_token.admin_listen) == address


@pytest.mark.parametrize("address", ["127.1.2.3:8091", "[::1]:8091", "localhost:1", "unix:/run/a"])
def test_local_admin_address_needs_no_token(address: str) -> None:
    assert from_env(VERIFIER_ADMIN_LISTEN=address).admin_token is None


def test_bad_admin_token_is_reported_once() -> None:
    with pytest.raises(ConfigError) as error:
        from_env(VERIFIER_ADMIN_LISTEN="[::]:1", VERIFIER_ADMIN_TOKEN="two words")
    assert "admin_token" in only_problem(error)


def test_notice_of_a_weak_admin_token() -> None:
    notices = from_env(VERIFIER_ADMIN_TOKEN="guessme").notices
    assert notices == (
        "admin_token (VERIFIER_ADMIN_TOKEN): the token is weak: 7 bytes, expected 16 or more",
    )


def test_weak_admin_token_is_refused_where_others_reach_it() -> None:
    with pytest.raises(ConfigError) as error:
        from_env(VERIFIER_ADMIN_LISTEN="0.0.0.0:8091", VERIFIER_ADMIN_TOKEN="fifteen-letters")
    assert only_problem(error) == (
        "admin_token (VERIFIER_ADMIN_TOKEN): found a token of 15 bytes;"
        " expected 16 or more, since other machines can reach 0.0.0.0:8091"
    )
    for address in ("127.0.0.1:8091", "[::1]:8091", "localhost:8091", "unix:/run/admin"):
        weak = from_env(VERIFIER_ADMIN_LISTEN=address, VERIFIER_ADMIN_TOKEN="fifteen-letters")
        assert len(weak.notices) == 1


def test_an_address_cannot_be_listened_on_twice() -> None:
    with pytest.raises(ConfigError) as error:
        from_env(VERIFIER_LISTEN="127.0.0.1:1,127.0.0.1:2,127.0.0.1:1")
    assert "listen (VERIFIER_LISTEN): found 127.0.0.1:1 twice" in only_problem(error)


@pytest.mark.parametrize("text", [":8090", "*:8090", "8090"])
def test_address_without_a_host_is_told_how_to_name_every_address(text: str) -> None:
    with pytest.raises(ConfigError, match=r"\[::\]:PORT for every address"):
        from_env(VERIFIER_LISTEN=text)


def test_admin_address_must_differ_from_listen() -> None:
    with pytest.raises(ConfigError) as error:
        from_env(VERIFIER_LISTEN="127.0.0.1:8091")
    assert "admin_listen (VERIFIER_ADMIN_LISTEN): found 127.0.0.1:8091, as in listen" in (
        only_problem(error)
    )


def test_addresses_with_port_zero_are_different() -> None:
    settings = from_env(VERIFIER_LISTEN="127.0.0.1:0", VERIFIER_ADMIN_LISTEN="127.0.0.1:0")
    assert settings.listen == (settings.admin_listen,)


def test_policy_has_its_options() -> None:
    settings = from_env(
        JWT_SIGN_TYPE="HS512",
        JWT_ACCEPTED_ISSUERS="a,b",
        JWT_ACCEPTED_AUDIENCES="c",
        JWT_REQUIRE_ROOM_CLAIM="0",
        JWT_ALLOW_EMPTY="1",
        JWT_ENABLE_DOMAIN_VERIFICATION="1",
        XMPP_DOMAIN="meet.jitsi",
        XMPP_MUC_DOMAIN="muc.meet.jitsi",
    )
    assert settings.policy() == Policy(
        signature_algorithm="HS512",
        key_server=False,
        asap_accepted_issuers=("a", "b"),
        asap_accepted_audiences=("c",),
        asap_require_room_claim=False,
        allow_empty_token=True,
        enable_domain_verification=True,
        muc_mapper_domain_base="meet.jitsi",
        muc_mapper_domain_prefix="muc",
        muc_mapper_domain="muc.meet.jitsi",
    )


def test_policy_has_the_limits_of_patterns() -> None:
    text = (
        "token_regex_enabled = false\n"
        "token_regex_room_max_length = 7\n"
        "token_regex_max_quantifiers = 1\n"
    )
    policy = from_toml(text).policy()
    assert not policy.token_regex_enabled
    assert (policy.token_regex_room_max_length, policy.token_regex_max_quantifiers) == (7, 1)


def test_key_sources_have_their_settings() -> None:
    text = "key_fetch_timeout = 1\nkey_grace = 2\nkey_stale_grace = 3\nkey_lookup_rate = 4\n"
    assert from_toml(text).key_source_settings() == KeySourceSettings(
        key_fetch_timeout=1, key_grace=2, key_stale_grace=3, key_lookup_rate=4
    )
    assert from_env().key_source_settings() == KeySourceSettings()
