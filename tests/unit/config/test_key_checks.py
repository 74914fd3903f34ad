"""Configured keys, and whether they fit the algorithm."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from jwt.algorithms import ECAlgorithm

from tests.support.keys import RSA_KEY, pem, rsa_jwk
from verifier.config.load import load
from verifier.config.problems import ConfigError
from verifier.config.settings import Settings

SECRET = "0123456789abcdef0123456789abcdef"
CONFIG = Path("/etc/verifier.toml")
KEY_SERVER = "https://keys.example.org/asap"


@pytest.fixture(scope="module")
def rsa_pem() -> str:
    return pem(RSA_KEY)


@pytest.fixture(scope="module")
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def from_env(**environ: str) -> Settings:
    return load({"JWT_APP_ID": "app", "JWT_ENABLE_DOMAIN_VERIFICATION": "0", **environ})


def from_toml(text: str, files: Mapping[str, bytes] | None = None) -> Settings:
    base = 'app_id = "app"\nenable_domain_verification = false\n'
    disk = {str(CONFIG): (base + text).encode(), **(files or {})}

    def read_file(path: Path) -> bytes:
        if str(path) not in disk:
            raise FileNotFoundError(2, "No such file or directory")
        return disk[str(path)]

    return load({}, CONFIG, read_file=read_file)


def public_keys(**keys: str) -> str:
    return "[public_keys]\n" + "".join(f"{kid} = '''{key}'''\n" for kid, key in keys.items())


def only_problem(error: pytest.ExceptionInfo[ConfigError]) -> str:
    assert len(error.value.problems) == 1, str(error.value)
    return str(error.value.problems[0])


def test_a_key_is_required() -> None:
    with pytest.raises(ConfigError) as error:
        from_env()
    assert only_problem(error) == (
        "app_secret (JWT_APP_SECRET): found nothing; expected a key: one of app_secret,"
        " asap_key_server, cache_keys_url, public_keys"
    )


def test_missing_keys_and_a_bad_algorithm_are_both_reported() -> None:
    with pytest.raises(ConfigError) as error:
        from_env(JWT_SIGN_TYPE="none")
    assert [problem.option for problem in error.value.problems] == [
        "signature_algorithm",
        "app_secret",
    ]


def test_bad_algorithm_is_reported_once() -> None:
    with pytest.raises(ConfigError) as error:
        from_env(JWT_SIGN_TYPE="none", JWT_APP_SECRET=SECRET)
    assert 'found "none"' in only_problem(error)


@pytest.mark.parametrize("name", ["JWT_ASAP_KEYSERVER", "JWT_CACHE_KEYS_URL"])
def test_bad_key_option_is_reported_once(name: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_env(**{name: "nonsense"})
    assert name in only_problem(error)


def test_a_secret_means_hs256() -> None:
    settings = from_env(JWT_APP_SECRET=SECRET)
    assert settings.signature_algorithm == "HS256"
    assert not settings.policy().key_server
    assert settings.notices == ()


@pytest.mark.parametrize("name", ["JWT_ASAP_KEYSERVER", "JWT_CACHE_KEYS_URL"])
def test_a_key_url_means_rs256(name: str) -> None:
    settings = from_env(**{name: KEY_SERVER})
    assert settings.signature_algorithm == "RS256"
    assert settings.policy().key_server
    assert settings.notices == ()


def test_both_key_urls_can_be_used_together() -> None:
    settings = from_env(JWT_ASAP_KEYSERVER=KEY_SERVER, JWT_CACHE_KEYS_URL=KEY_SERVER + "/jwks")
    assert settings.asap_key_server == KEY_SERVER
    assert settings.cache_keys_url == KEY_SERVER + "/jwks"


def test_only_public_keys_mean_rs256(rsa_pem: str) -> None:
    settings = from_toml(public_keys(main=rsa_pem))
    assert settings.signature_algorithm == "RS256"
    assert dict(settings.public_keys) == {"main": rsa_pem}
    assert not settings.policy().key_server


def test_public_keys_and_a_secret_mean_hs256(rsa_pem: str) -> None:
    settings = from_toml(f'app_secret = "{SECRET}"\n' + public_keys(main=rsa_pem))
    assert settings.signature_algorithm == "HS256"
    assert settings.notices == (
        "public_keys (/etc/verifier.toml): not used: HS256 needs app_secret",
    )


def test_public_key_can_be_in_a_file(rsa_pem: str) -> None:
    settings = from_toml(public_keys(main="/keys/main.pem"), {"/keys/main.pem": rsa_pem.encode()})
    assert dict(settings.public_keys) == {"main": Path("/keys/main.pem")}
    assert settings.watched_files == (Path("/keys/main.pem"),)


@pytest.mark.parametrize(
    ("variable", "path", "words"),
    [
        ("JWT_CACHE_KEYS_URL", "/realms/meet/.well-known/openid-configuration", "to its jwks_uri"),
        ("JWT_CACHE_KEYS_URL", "/.well-known/oauth-authorization-server/meet", "to its jwks_uri"),
        ("JWT_ASAP_KEYSERVER", "/.well-known/openid-configuration", "to its jwks_uri"),
        ("JWT_ASAP_KEYSERVER", "/.well-known/jwks.json", "set cache_keys_url to it"),
        (
            "JWT_ASAP_KEYSERVER",
            "/realms/meet/protocol/openid-connect/certs",
            "cache_keys_url to it",
        ),
        ("JWT_ASAP_KEYSERVER", "/keys/", ""),
        ("JWT_CACHE_KEYS_URL", "/.well-known/jwks.json", ""),
    ],
)
def test_notice_names_the_right_address_of_keys(variable: str, path: str, words: str) -> None:
    notices = from_env(**{variable: f"https://sso.example.org{path}"}).notices
    assert [notice.endswith(words) for notice in notices] == ([True] if words else [])
    assert all(variable in notice for notice in notices)


def test_key_file_of_a_windows_editor_is_read(rsa_pem: str) -> None:
    content = b"\xef\xbb\xbf" + rsa_pem.replace("\n", "\r\n").encode()
    settings = from_toml(public_keys(main="/keys/main.pem"), {"/keys/main.pem": content})
    assert settings.notices == ()
    assert from_toml(public_keys(main="\ufeff" + rsa_pem)).notices == ()


def test_notice_names_unused_keys_of_a_file() -> None:
    entries = [rsa_jwk(), rsa_jwk(kid="enc", use="enc"), 5]
    settings = from_toml(
        public_keys(main="/keys/set.json"),
        {"/keys/set.json": json.dumps({"keys": entries}).encode()},
    )
    assert settings.notices == (
        (
            'public_keys (/etc/verifier.toml): not all keys in "/keys/set.json" are used:'
            " 'enc': expected use to be sig, or absent, found 'enc';"
            " an entry: expected a JWK, found a number"
        ),
    )


def test_key_id_may_have_a_key_for_each_algorithm(ec_key: ec.EllipticCurvePrivateKey) -> None:
    entries = [ECAlgorithm.to_jwk(ec_key.public_key(), as_dict=True) | {"kid": "k"}]
    files = {"/set": json.dumps({"keys": [*entries, rsa_jwk(kid="k")]}).encode()}
    for algorithm in ("RS256", "ES256"):
        text = f'signature_algorithm = "{algorithm}"\n' + public_keys(main="/set")
        assert from_toml(text, files).signature_algorithm == algorithm


def test_notice_names_a_secret_unused_beside_a_key_url() -> None:
    settings = from_env(JWT_APP_SECRET=SECRET, JWT_ASAP_KEYSERVER=KEY_SERVER)
    assert settings.signature_algorithm == "RS256"
    assert settings.notices == (
        "app_secret (JWT_APP_SECRET): not used for tokens: RS256 needs public keys",
    )


def test_hs256_beside_a_key_url_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        from_env(JWT_APP_SECRET=SECRET, JWT_ASAP_KEYSERVER=KEY_SERVER, JWT_SIGN_TYPE="HS256")
    assert "found HS256 with a key URL, where Jitsi accepts RS tokens only" in only_problem(error)


def test_hs256_with_only_a_key_url_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        from_env(JWT_ASAP_KEYSERVER=KEY_SERVER, JWT_SIGN_TYPE="HS256")
    assert only_problem(error).startswith(
        "signature_algorithm (JWT_SIGN_TYPE): found HS256;"
        " expected what the configured keys can verify: ES256,"
    )


def test_rs256_with_only_a_secret_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        from_env(JWT_APP_SECRET=SECRET, JWT_SIGN_TYPE="RS256")
    assert only_problem(error) == (
        "signature_algorithm (JWT_SIGN_TYPE): found RS256;"
        " expected what the configured keys can verify: HS256, HS384, HS512"
    )


def test_algorithm_without_a_fitting_public_key_is_refused(
    ec_key: ec.EllipticCurvePrivateKey,
) -> None:
    with pytest.raises(ConfigError) as error:
        from_toml(public_keys(main=pem(ec_key.public_key())))
    assert only_problem(error) == (
        "signature_algorithm (JWT_SIGN_TYPE): found RS256 by default;"
        " expected what the configured keys can verify: ES256"
    )


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "PS256", "RS512"])
def test_key_url_works_with_every_public_key_algorithm(algorithm: str) -> None:
    settings = from_env(JWT_CACHE_KEYS_URL=KEY_SERVER, JWT_SIGN_TYPE=algorithm)
    assert settings.policy().signature_algorithm == algorithm
    assert settings.policy().key_server


def test_notice_names_a_key_for_another_algorithm(
    rsa_pem: str, ec_key: ec.EllipticCurvePrivateKey
) -> None:
    settings = from_toml(public_keys(main=rsa_pem, other=pem(ec_key.public_key())))
    assert settings.notices == (
        (
            "public_keys (/etc/verifier.toml): key id 'other' is not used:"
            " it is for ES256, and RS256 is accepted"
        ),
    )


def test_public_key_in_app_secret_serves_an_rs_algorithm(rsa_pem: str) -> None:
    settings = from_env(JWT_APP_SECRET=rsa_pem, JWT_SIGN_TYPE="RS256")
    assert settings.app_secret == (rsa_pem,)
    assert not settings.policy().key_server


def test_public_key_may_have_escaped_newlines(rsa_pem: str) -> None:
    escaped = rsa_pem.replace("\n", "\\n")
    settings = from_env(JWT_APP_SECRET=f'"{escaped}"', JWT_SIGN_TYPE="RS256")
    assert settings.app_secret == (rsa_pem,)


def test_public_key_in_a_secret_file_is_one_value(rsa_pem: str) -> None:
    text = 'app_secret_file = "/keys"\nsignature_algorithm = "RS256"\n'
    content = (rsa_pem + rsa_pem).replace("\n", "\r\n").encode()
    assert from_toml(text, {"/keys": content}).app_secret == (rsa_pem.strip(),) * 2


@pytest.mark.parametrize("algorithm", ["", "HS256"])
def test_public_key_is_not_a_shared_secret(rsa_pem: str, algorithm: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_env(JWT_APP_SECRET=rsa_pem, JWT_SIGN_TYPE=algorithm)
    assert only_problem(error) == (
        "app_secret (JWT_APP_SECRET): found a public key, which is not secret;"
        " expected a shared secret for HS256, or an algorithm for public keys"
    )


def test_notice_names_public_key_unused_beside_key_url(rsa_pem: str) -> None:
    settings = from_env(JWT_APP_SECRET=rsa_pem, JWT_ASAP_KEYSERVER=KEY_SERVER)
    assert settings.notices == (
        (
            "app_secret (JWT_APP_SECRET): not used: with a key URL, keys are found by their key ids"
            " only"
        ),
    )


def test_private_key_is_refused(ec_key: ec.EllipticCurvePrivateKey) -> None:
    private = ec_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(ConfigError) as error:
        from_toml(public_keys(main=private))
    assert "found a private key" in only_problem(error)
    assert private.splitlines()[1] not in str(error.value)


def test_broken_public_key_is_refused_by_its_key_id() -> None:
    with pytest.raises(ConfigError) as error:
        from_toml(public_keys(main="-----BEGIN PUBLIC KEY-----\nxxx\n"))
    assert only_problem(error).startswith(
        "public_keys (/etc/verifier.toml): found no usable key for key id 'main': expected one PEM"
    )


def test_broken_public_key_in_app_secret_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        from_env(JWT_APP_SECRET="-----BEGIN SUPERSECRETMARK", JWT_SIGN_TYPE="RS256")
    assert "app_secret (JWT_APP_SECRET): found no usable key" in only_problem(error)


def test_every_broken_key_is_reported() -> None:
    broken = "-----BEGIN PUBLIC KEY-----"
    text = f'app_secret = ["{broken}", "{broken}"]\n' + public_keys(one=broken, two=broken)
    with pytest.raises(ConfigError) as error:
        from_toml(text)
    options = [problem.option for problem in error.value.problems]
    assert options == ["app_secret", "app_secret", "public_keys", "public_keys"]
    assert {problem.origin for problem in error.value.problems} == {str(CONFIG)}


def test_missing_key_file_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        from_toml(public_keys(main="/keys/main.pem"))
    assert only_problem(error).startswith(
        'public_keys (/etc/verifier.toml): found no usable key in "/keys/main.pem" for key id'
        " 'main': No such file or directory; expected one PEM public key"
    )


def test_notice_gives_the_size_of_a_weak_secret() -> None:
    settings = from_env(JWT_APP_SECRET="short")
    assert settings.notices == (
        "app_secret (JWT_APP_SECRET): the secret is weak: 5 bytes, expected 32 or more",
    )


def test_notice_gives_the_position_of_a_weak_secret() -> None:
    settings = from_toml(f'app_secret = ["{SECRET}", "ключ"]')
    assert settings.notices == (
        "app_secret (/etc/verifier.toml): secret 2 of 2 is weak: 8 bytes, expected 32 or more",
    )


@pytest.mark.parametrize("url", ["http://keys:8080/jwks", "http://192.0.2.1/jwks"])
def test_notice_warns_of_keys_over_plain_http(url: str) -> None:
    notices = from_env(JWT_CACHE_KEYS_URL=url).notices
    assert notices == (
        (
            "cache_keys_url (JWT_CACHE_KEYS_URL): keys are fetched over plain http:"
            " an attacker on the way can replace them"
        ),
    )


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/", "http://[::1]/", "http://localhost/"])
def test_plain_http_on_this_machine_gives_no_notice(url: str) -> None:
    assert from_env(JWT_CACHE_KEYS_URL=url).notices == ()
