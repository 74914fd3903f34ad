"""docker-jitsi-meet's truth values, lists and defaults."""

from __future__ import annotations

import pytest

from verifier.config import docker


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
