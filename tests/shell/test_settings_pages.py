"""Where refused readers are sent, as it is configured."""

from __future__ import annotations

import pytest

from verifier.shell.settings import ConfigError, Settings, load


def configured(**environ: str) -> Settings:
    return load({"JWT_APP_ID": "app", "JWT_APP_SECRET": "s" * 32} | environ)


def problems(**environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        configured(**environ)
    return str(caught.value)


def test_refused_readers_are_sent_nowhere_by_default() -> None:
    assert configured().denied_redirect_url is None


@pytest.mark.parametrize(
    "url",
    [
        "https://login.example.org",
        "https://login.example.org:8443/?why={code}&room={room}&to={url}",
        "https://login.example.org/{room}",
    ],
)
def test_an_https_address_with_known_placeholders_will_do(url: str) -> None:
    assert configured(VERIFIER_DENIED_REDIRECT_URL=url).denied_redirect_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.org/",
        "javascript:alert(1)",
        "//login.example.org/",
        "/login",
        "https://{room}/",
        "https://login.{room}/",
        "https://{url}",
        "{url}",
        "https://user:password@login.example.org/",
        "https://login.example.org/#{url}",
        "https://login.example.org/{url",
        "https://login.example.org/}",
        "https://login.example.org\\@evil.example/",
        "https://login.example.org/ü",
        "https://login.example.org/\r\nX-Evil: 1",
    ],
)
def test_any_other_address_is_a_problem(url: str) -> None:
    text = problems(VERIFIER_DENIED_REDIRECT_URL=url)
    assert "denied_redirect_url (VERIFIER_DENIED_REDIRECT_URL)" in text
    assert "expected an https:// URL" in text


def test_unknown_placeholders_are_named() -> None:
    text = problems(VERIFIER_DENIED_REDIRECT_URL="https://x.example/?{token}&{code}&{jwt}")
    assert '["{token}", "{jwt}"]; expected no placeholders but {code}, {room} and {url}' in text
