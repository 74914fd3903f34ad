"""docker-jitsi-meet's truth values, lists and defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.config import docker
from verifier.config.load import load
from verifier.config.problems import ConfigError
from verifier.config.settings import Settings


@pytest.mark.parametrize("text", ["", '""', "0", "f", "F", "false", "False", "FALSE", "'0'"])
def test_words_of_parse_bool_are_false(text: str) -> None:
    assert docker.is_true(text) is False
    assert docker.clear_boolean(text) is False


@pytest.mark.parametrize("text", ["1", "t", "T", "true", "True", "TRUE", '"1"', "yes", "On"])
def test_words_meant_as_true_are_true(text: str) -> None:
    assert docker.is_true(text) is True
    assert docker.clear_boolean(text) is True


@pytest.mark.parametrize("text", ["no", "off", "fALSE", "disabled", "none", "2", " ", "nein"])
def test_other_words_are_true_for_docker_but_not_clear(text: str) -> None:
    assert docker.is_true(text) is True
    with pytest.raises(ValueError, match="true or false"):
        docker.clear_boolean(text)


def test_lists_lose_empty_items_and_keep_blanks() -> None:
    assert docker.split_list("a,,b, c,") == ["a", "b", " c"]


@pytest.mark.parametrize(
    ("environ", "required"),
    [
        ({"ENABLE_AUTH": "1", "AUTH_TYPE": "jwt"}, True),
        ({"ENABLE_AUTH": "no", "AUTH_TYPE": "jwt"}, True),
        ({"ENABLE_AUTH": "1", "AUTH_TYPE": "ldap", "PROSODY_AUTH_TYPE": "jwt"}, True),
        ({"ENABLE_AUTH": "1", "AUTH_TYPE": "hybrid_matrix_token"}, True),
        ({"ENABLE_AUTH": "1"}, False),
        ({"AUTH_TYPE": "jwt"}, False),
        ({"ENABLE_AUTH": "0", "AUTH_TYPE": "jwt"}, False),
    ],
)
def test_tokens_are_required_by_two_variables(environ: dict[str, str], required: bool) -> None:
    assert docker.requires_tokens(environ) is required


def test_either_marker_shows_dockers_environment() -> None:
    assert docker.is_docker_environment({"ENABLE_AUTH": "0"})
    assert docker.is_docker_environment({"AUTH_TYPE": "jwt"})
    assert not docker.is_docker_environment({"AUTH_TYPE": "", "XMPP_DOMAIN": "meet.jitsi"})


ENV = {
    "ENABLE_AUTH": "1",
    "AUTH_TYPE": "jwt",
    "JWT_APP_ID": "app",
    "JWT_APP_SECRET": "0123456789abcdef0123456789abcdef",
}
LEFT_OUT = "ENABLE_AUTH is set, so docker-jitsi-meet's defaults hold for what its .env leaves out: "


def domains(settings: Settings) -> tuple[bool, str | None, str, str | None]:
    return (
        settings.enable_domain_verification,
        settings.muc_mapper_domain_base,
        settings.muc_mapper_domain_prefix,
        settings.muc_mapper_domain,
    )


def test_dockers_defaults_hold_for_what_is_left_out() -> None:
    settings = load(ENV)
    assert domains(settings) == (False, "meet.jitsi", "muc", "muc.meet.jitsi")
    assert settings.notices == (
        LEFT_OUT + "muc_mapper_domain_base = meet.jitsi, muc_mapper_domain = muc.meet.jitsi,"
        " enable_domain_verification = false",
    )


def test_muc_domain_follows_the_xmpp_domain_as_in_prosody() -> None:
    settings = load({**ENV, "XMPP_DOMAIN": "meet.example.org"})
    assert domains(settings) == (False, "meet.example.org", "muc", "muc.meet.example.org")


def test_given_values_win_over_dockers_defaults() -> None:
    given = {
        "XMPP_DOMAIN": "meet.example.org",
        "XMPP_MUC_DOMAIN": "rooms.meet.example.org",
        "JWT_ENABLE_DOMAIN_VERIFICATION": "true",
    }
    settings = load({**ENV, **given})
    assert domains(settings) == (True, "meet.example.org", "rooms", "rooms.meet.example.org")
    assert settings.notices == ()


def test_the_file_wins_over_dockers_defaults() -> None:
    text = (
        b'muc_mapper_domain_base = "a.example"\nmuc_mapper_domain_prefix = "conference"\n'
        b"enable_domain_verification = true\n"
    )
    settings = load(ENV, Path("/c.toml"), read_file=lambda _path: text)
    assert domains(settings) == (True, "a.example", "conference", "conference.a.example")


def test_without_dockers_own_variables_its_defaults_do_not_hold() -> None:
    environ = {name: value for name, value in ENV.items() if name.startswith("JWT_")}
    settings = load({**environ, "XMPP_DOMAIN": "meet.jitsi"})
    assert domains(settings) == (True, "meet.jitsi", "conference", "conference.meet.jitsi")


@pytest.mark.parametrize("name", docker.BOOLEANS)
@pytest.mark.parametrize(
    ("word", "value"), [("yes", True), ("on", True), ("'1'", True), ("0", False)]
)
def test_clear_words_are_read_as_docker_reads_them(name: str, word: str, value: bool) -> None:
    settings = load({**ENV, name: word})
    found = {
        "JWT_ALLOW_EMPTY": settings.allow_empty_token,
        "JWT_ENABLE_DOMAIN_VERIFICATION": settings.enable_domain_verification,
    }
    assert found[name] is value


@pytest.mark.parametrize("name", docker.BOOLEANS)
@pytest.mark.parametrize("word", ["no", "off", "fALSE", "2"])
def test_words_that_docker_reads_as_true_are_refused(name: str, word: str) -> None:
    with pytest.raises(ConfigError) as error:
        load({**ENV, name: word})
    assert len(error.value.problems) == 1
    assert f'({name}): found "{word}"; expected true or false: docker-jitsi-meet takes' in (
        str(error.value)
    )


def test_notice_of_a_deployment_without_tokens() -> None:
    for changed in ({"ENABLE_AUTH": "0"}, {"AUTH_TYPE": "internal"}, {"ENABLE_AUTH": ""}):
        assert any("asks for no token" in each for each in load({**ENV, **changed}).notices)


@pytest.mark.parametrize("form", ['"{}"', "'{}'", "{}\r", "{}\n"])
def test_quotes_and_line_breaks_around_dockers_switches_do_not_count(form: str) -> None:
    changed = {name: form.format(ENV[name]) for name in docker.MARKERS}
    notices = load({**ENV, **changed}).notices
    assert not any("asks for no token" in notice for notice in notices)
    assert any(notice.startswith(LEFT_OUT) for notice in notices)
    empty = dict.fromkeys(docker.MARKERS, form.format(""))
    assert not any(" is set, so docker" in notice for notice in load({**ENV, **empty}).notices)


def test_notice_says_that_docker_keeps_blanks_in_lists() -> None:
    settings = load({**ENV, "JWT_ACCEPTED_ISSUERS": "a, b,"})
    assert settings.asap_accepted_issuers == ("a", "b")
    assert settings.notices[0] == (
        "JWT_ACCEPTED_ISSUERS: blanks beside a comma are not part of a value;"
        " docker-jitsi-meet's Prosody keeps them: remove them"
    )
