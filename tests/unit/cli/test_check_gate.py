"""``check-gate``: its arguments, and the tokens that it makes of each kind of configuration."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.support.commands import Run
from tests.support.keys import RSA_PRIVATE_KEY, pem
from tests.support.tokens import SECRET, sign
from verifier.check_gate import Credential, Tokens
from verifier.cli.gate_tokens import KeyFileError, Plan, Signer, make_tokens, open_signer
from verifier.config import Settings, load

SECRETS = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET}
BAD = (
    Credential.OTHER_ROOM,
    Credential.OTHER_TENANT,
    Credential.EXPIRED,
    Credential.FORGED,
    Credential.UNSIGNED,
)
URL = "https://meet.example.org"


def tokens(
    settings: Settings | None, signer: Signer | None, given: str = "", room: str = "standup"
) -> Tokens:
    return make_tokens(Plan(room, "acme", settings, signer, given, time.time()))


def configured_tokens(**environ: str) -> Tokens:
    settings = load(SECRETS | environ)
    return tokens(settings, open_signer(settings, None, None))


def private_pem() -> bytes:
    return RSA_PRIVATE_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def public_settings(tmp_path: Path) -> Settings:
    """Return a configuration that has only a public key."""
    (tmp_path / "key.pem").write_text(pem(RSA_PRIVATE_KEY.public_key()))
    config = tmp_path / "verifier.toml"
    config.write_text(f'app_id = "app"\n[public_keys]\nk1 = "{tmp_path}/key.pem"\n')
    return load({}, config)


def test_secret_gives_every_token() -> None:
    made = configured_tokens(XMPP_DOMAIN="meet.example.org")
    assert [name for name, token in made.items() if token.missing] == []
    assert {made[name].code for name in BAD} == {
        "room-mismatch",
        "tenant-mismatch",
        "token-expired",
        "signature-invalid",
        "token-malformed",
    }
    assert made[Credential.GUEST].text == ""


@pytest.mark.parametrize(
    "options",
    [
        {"VERIFIER_POLICY_MAX_TOKEN_LIFETIME": "60", "VERIFIER_POLICY_REQUIRE_JTI": "true"},
        {"VERIFIER_POLICY_FORBID_WILDCARD_SUB": "true", "XMPP_DOMAIN": "meet.example.org"},
        {"VERIFIER_RULES": "strict", "XMPP_DOMAIN": "meet.example.org"},
        {"VERIFIER_LEEWAY": "60"},
        {"JWT_SIGN_TYPE": "HS512"},
        {"JWT_ACCEPTED_ISSUERS": "a,b", "JWT_ACCEPTED_AUDIENCES": "c"},
    ],
)
def test_good_token_fits_the_policy(options: dict[str, str]) -> None:
    made = configured_tokens(**options)
    for credential in (Credential.GOOD, Credential.SHARED, Credential.TENANT):
        assert made[credential].text
    assert made[Credential.EXPIRED].code == "token-expired"


def test_tenants_are_not_asked_about_where_they_are_not_compared() -> None:
    assert "allows" in configured_tokens()[Credential.OTHER_TENANT].missing


def test_forged_token_stands_for_guests_that_may_enter() -> None:
    made = configured_tokens(JWT_ALLOW_EMPTY="1")
    assert made[Credential.GUEST] == made[Credential.FORGED]
    assert made[Credential.GUEST].code == "signature-invalid"


def test_public_keys_alone_sign_nothing(public_settings: Settings) -> None:
    assert open_signer(public_settings, None, None) is None
    made = tokens(public_settings, None)
    assert made[Credential.GUEST].missing == ""
    for credential in (*BAD, Credential.GOOD, Credential.TENANT):
        assert "--key" in made[credential].missing


def test_private_key_signs_every_token(public_settings: Settings) -> None:
    made = tokens(public_settings, open_signer(public_settings, private_pem(), "k1"))
    assert made[Credential.GOOD].text
    assert made[Credential.EXPIRED].code == "token-expired"
    assert made[Credential.FORGED].code == "signature-invalid"


@pytest.mark.parametrize("private", [b"", b"x", b"-----BEGIN PRIVATE KEY-----\nAA==\n"])
def test_bad_private_key_is_an_error(public_settings: Settings, private: bytes) -> None:
    with pytest.raises(KeyFileError, match="RS256"):
        open_signer(public_settings, private, "k1")


def test_given_token_replaces_only_good_ones(public_settings: Settings) -> None:
    given = sign({"room": "standup"})
    made = tokens(public_settings, None, given)
    assert (made[Credential.GOOD].text, made[Credential.SHARED].text) == (given, given)
    assert made[Credential.FORGED].text.count(".") == 2
    assert made[Credential.FORGED].text != given
    assert made[Credential.UNSIGNED].text.endswith(".")
    assert "--key" in made[Credential.OTHER_ROOM].missing


def test_tokens_are_not_shown_by_repr() -> None:
    made = configured_tokens()
    assert "eyJ" not in repr(made)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a..b"], "https://HOST"),
        ([f"https://{'a' * 70}.example"], "https://HOST"),
        (["https://.example.org"], "https://HOST"),
        (["ftp://meet.example.org"], "https://HOST"),
        (["https://meet.example.org/standup"], "https://HOST"),
        (["https://meet.example.org:99999"], "https://HOST"),
        (["https://user@meet.example.org"], "https://HOST"),
        ([URL, "--connect-to", "192.0.2.7"], "HOST:PORT:HOST2:PORT2"),
        ([URL, "--connect-to", ":::99999"], "HOST:PORT:HOST2:PORT2"),
        ([URL, "--tenant", "a/b"], "--tenant: expected one segment"),
        ([URL, "--no-config", "--key", "x"], "--no-config excludes"),
        ([URL, "--ca", "/nonexistent"], "certificates"),
        ([URL, "--timeout", "soon"], "such as"),
        ([URL, "--ca", "x", "--insecure"], "not allowed with"),
        ([URL, "--token", "-"], "one token"),
    ],
)
def test_wrong_arguments_are_a_usage_error(run: Run, arguments: list[str], words: str) -> None:
    outcome = run("check-gate", *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert words in outcome.err


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("meet.invalid", "https://meet.invalid"),
        ("meet.invalid:8443", "https://meet.invalid:8443"),
        ("HTTP://Meet.invalid/", "http://meet.invalid"),
        ("https://bücher.invalid", "https://xn--bcher-kva.invalid"),
    ],
)
def test_host_is_asked_as_browsers_would(
    run: Run, configured: Callable[..., None], url: str, asked: str
) -> None:
    del configured  # it sets the configuration
    outcome = run("check-gate", url)
    assert (outcome.status, outcome.err.startswith(f"jitsi-verifier: {asked}: ")) == (1, True)


def test_bad_configuration_is_reported(run: Run, configured: Callable[..., None]) -> None:
    configured(JWT_APP_ID="app")
    assert run("check-gate", URL).status == 78


@pytest.mark.parametrize("option", ["--key", "--token"])
def test_file_that_does_not_exist_is_a_usage_error(run: Run, option: str) -> None:
    outcome = run("check-gate", URL, option, "/nonexistent")
    assert (outcome.status, outcome.out) == (2, "")
    assert f"{option} /nonexistent: No such file" in outcome.err


def test_token_with_a_room_that_cannot_be_read_is_a_usage_error(run: Run) -> None:
    outcome = run("check-gate", URL, "--token", "-", stdin=b"eyJhIjoxfQ.e30x.c2ln")
    assert outcome.status == 2
    assert "eyJ" not in outcome.err


def test_representation_of_a_plan_shows_no_token() -> None:
    token = sign({"room": "standup"})
    plan = Plan("standup", "acme", load(SECRETS), None, token, time.time())
    assert token not in repr(plan)
    assert SECRET not in repr(plan)
