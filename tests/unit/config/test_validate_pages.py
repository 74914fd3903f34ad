"""Redirect, hand-off and origins: the options of pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.keys import RSA_KEY, pem
from verifier.config import ConfigError, Settings, load


def configured(**environ: str) -> Settings:
    return load({"JWT_APP_ID": "app", "JWT_APP_SECRET": "s" * 32} | environ)


def problems(**environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        configured(**environ)
    return str(caught.value)


def test_no_redirect_by_default() -> None:
    assert configured().denied_redirect_url is None


@pytest.mark.parametrize(
    "url",
    [
        "https://login.example.org",
        "https://login.example.org:8443/?why={code}&room={room}&to={url}",
        "https://login.example.org/{room}",
    ],
)
def test_https_url_with_known_placeholders_is_accepted(url: str) -> None:
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
def test_other_redirect_urls_are_refused(url: str) -> None:
    text = problems(VERIFIER_DENIED_REDIRECT_URL=url)
    assert "denied_redirect_url (VERIFIER_DENIED_REDIRECT_URL)" in text
    assert "expected an https:// URL" in text


def test_problem_names_unknown_placeholders() -> None:
    text = problems(VERIFIER_DENIED_REDIRECT_URL="https://x.example/?{token}&{code}&{jwt}")
    assert '["{token}", "{jwt}"]; expected no placeholders but {code}, {room} and {url}' in text


def test_handoff_is_off_by_default() -> None:
    settings = configured()
    assert settings.handoff is False
    assert settings.cookie_secrets() == ()


def test_shared_secrets_sign_and_verify_cookies(tmp_path: Path) -> None:
    assert configured(VERIFIER_HANDOFF="true").cookie_secrets() == ("s" * 32,)
    file = tmp_path / "secrets"
    file.write_text("n" * 32 + "\n" + "s" * 32)
    secrets = {"JWT_APP_SECRET": "", "JWT_APP_SECRET_FILE": str(file)}
    settings = configured(VERIFIER_HANDOFF="true", **secrets)
    assert settings.cookie_secrets() == ("n" * 32, "s" * 32)


def test_handoff_secret_signs_cookies_where_it_is_given(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("h" * 40 + "\n")
    for given in ({"HANDOFF_SECRET": "h" * 40}, {"HANDOFF_SECRET_FILE": str(file)}):
        environ = {f"VERIFIER_{name}": value for name, value in given.items()}
        settings = configured(VERIFIER_HANDOFF="true", **environ)
        assert settings.cookie_secrets() == ("h" * 40,)
        assert "h" * 40 not in repr(settings)


@pytest.mark.parametrize(
    "keys",
    [
        {"JWT_APP_SECRET": "", "JWT_ASAP_KEYSERVER": "https://keys.example.org"},
        {"JWT_APP_SECRET": pem(RSA_KEY), "JWT_SIGN_TYPE": "RS256"},
    ],
)
def test_public_keys_cannot_sign_cookies(keys: dict[str, str]) -> None:
    text = problems(VERIFIER_HANDOFF="true", **keys)
    assert "handoff (VERIFIER_HANDOFF): found true without a secret that signs cookies" in text
    assert "VERIFIER_HANDOFF_SECRET" in text
    secret = {"VERIFIER_HANDOFF_SECRET": "h" * 40}
    assert configured(VERIFIER_HANDOFF="true", **keys, **secret).cookie_secrets() == ("h" * 40,)


def test_notices_for_weak_and_unused_handoff_secrets() -> None:
    short = {"VERIFIER_HANDOFF_SECRET": "short"}
    weak = "\n".join(configured(VERIFIER_HANDOFF="true", **short).notices)
    assert "the secret is weak: 5 bytes, expected 32 or more" in weak
    idle = "\n".join(configured(**short).notices)
    assert "not used: handoff is false" in idle
    assert "short" not in weak + idle


BY_URL = {"JWT_APP_SECRET": "s" * 31, "JWT_ASAP_KEYSERVER": "https://keys.example.org"}


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"VERIFIER_HANDOFF_SECRET": "h" * 31}, "handoff_secret"),
        # It verifies no token, but signs the cookies.
        (BY_URL, "app_secret"),
    ],
)
def test_strict_rules_refuse_a_weak_secret_that_signs_cookies(
    given: dict[str, str], option: str
) -> None:
    strict = {"VERIFIER_RULES": "strict", "XMPP_DOMAIN": "meet.jitsi"}
    text = problems(VERIFIER_HANDOFF="true", **strict, **given)
    assert "1 problem" in text
    assert f"{option} (" in text
    assert "found a secret of 31 bytes; expected 32 or more" in text
    assert configured(**strict, **given).strict
    assert any(
        option in notice and "31 bytes" in notice
        for notice in configured(VERIFIER_HANDOFF="true", **given).notices
    )


def test_weak_secret_for_cookies_and_tokens_is_reported_once() -> None:
    strict = {"VERIFIER_RULES": "strict", "XMPP_DOMAIN": "meet.jitsi"}
    assert "1 problem" in problems(VERIFIER_HANDOFF="true", JWT_APP_SECRET="s" * 31, **strict)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("https://Portal.example.org:443", "https://portal.example.org"),
        ("http://portal.example.org:8080", "http://portal.example.org:8080"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("http://[2001:DB8:0:0::1]:8080", "http://[2001:db8::1]:8080"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"),
        ("app://.", "app://."),
    ],
)
def test_origin_is_kept_as_browsers_send_it(text: str, sent: str) -> None:
    assert configured(VERIFIER_CORS_ORIGINS=text).cors_origins == (sent,)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "null",
            "*",
            "https://*.example.org",
            "portal.example.org",
            "https://portal.example.org/",
        ),
        *("https://user@portal.example.org", "https://bücher.example", "https://a.example:70000"),
        *("file://", "file:///", "capacitor://", "capacitor://localhost/", "capacitor://*"),
        *("HTTPS:///x", "http://", "capacitor://a b", "capacitor://a@b"),
    ],
)
def test_other_texts_are_no_origins(text: str) -> None:
    assert "expected an origin such as" in problems(VERIFIER_CORS_ORIGINS=text)


def test_international_name_of_an_origin_is_asked_for_in_ascii() -> None:
    """Browsers send it so, and the option is compared with what they send."""
    assert "xn--" in problems(VERIFIER_CORS_ORIGINS="https://bücher.example")
