"""Published secrets are refused where other machines reach the service, else named."""

from __future__ import annotations

import base64
import random
import re
import secrets

import pytest

from tests.support.paths import CONTRIB, DOCS, ROOT
from verifier.config.load import load
from verifier.config.options import OPTIONS
from verifier.config.problems import ConfigError
from verifier.config.published_secrets import is_published
from verifier.config.value_types import STORE

SECRET = "0123456789abcdef0123456789abcdef"
BASIC = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "JWT_ENABLE_DOMAIN_VERIFICATION": "0"}
DEMO = "demo-secret-for-trials-on-one-machine"
PUBLIC = {"VERIFIER_LISTEN": "0.0.0.0:8090"}

_NAMES = "|".join(
    re.escape(name)
    for option in OPTIONS
    if option.type.secret and option.type is not STORE
    for name in option.names[:2]
)
_KUBERNETES_NAMES = "app-secret|admin-token"
_VALUES = r"""(?:\[?"([^"\n]+)"(?:, "([^"\n]+)")*|([^\s\["#`$]+))"""
_ASSIGNED = re.compile(rf"\b(?:{_NAMES}|{_KUBERNETES_NAMES}) ?[=:] ?{_VALUES}", re.IGNORECASE)


def published_here() -> set[str]:
    """Return each secret that a document or a file of this repository assigns."""
    paths = [ROOT / "Makefile", *ROOT.glob("*.md"), *DOCS.rglob("*.md"), *CONTRIB.rglob("*.*")]
    found: set[str] = set()
    for path in paths:
        if path.is_file() and path.suffix not in {".pyc", ".lua", ".1"}:
            for match in _ASSIGNED.finditer(path.read_text("utf-8", errors="replace")):
                found |= {value for value in match.groups() if value and not _stands_for_any(value)}
    return found


def _stands_for_any(value: str) -> bool:
    """Return whether a value of a document is a gap or a regular expression."""
    return value == "…" or ".*" in value


def test_every_secret_of_documents_and_files_is_known() -> None:
    found = published_here()
    assert {DEMO, "change-me-to-32-random-bytes-or-more", "a-long-random-token"} <= found
    assert [value for value in sorted(found) if not is_published(value)] == []


@pytest.mark.parametrize(
    "secret",
    [
        *("your_app_secret", "my_app_secret", "secret", "my_jitsi_app_secret"),
        *("example_app_secret", "jwt-secret-here", "<generate-a-secret>", "app_secret"),
        *("your-256-bit-secret", "your-384-bit-secret", "a-string-secret-at-least-256-bits-long"),
        *("changeme", "CHANGE_ME", "ChangeMe123", "change-me-please", "replace-with-your-secret"),
        *("demo-secret-that-everybody-knows", "passw0rd", "Passw0rd", "keepthissecret"),
        *("MySuperSecretKey", "supersecret", "test", "password", "your secret key", "jitsi"),
        *("s3cr3t", "S3cr3t!", "p@ssw0rd", "keyboard cat", "shhhhh", "moodle_secret"),
        "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
        "my-32-character-ultra-secure-and-ultra-long-secret",
        *("insecure-secret-do-not-use", "do_not_use_in_production", "openssl rand -hex 32"),
        *("undefined", "None", "null"),
        *("${JWT_SECRET}", "{{ .Values.jwt.appSecret }}", "%(jwt_secret)s"),
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    ],
)
def test_examples_of_guides_are_known(secret: str) -> None:
    assert is_published(secret)


def test_random_secrets_are_not_known() -> None:
    chance = random.Random(7)  # noqa: S311  # the same secrets in every run
    for _ in range(200):
        octets = chance.randbytes(32)
        for text in (octets.hex(), base64.b64encode(octets).decode(), octets.hex()[:8]):
            assert not is_published(text)
    assert not is_published(secrets.token_urlsafe(16))


@pytest.mark.parametrize(
    "secret",
    [
        SECRET,
        "123456789012345678901234567890",
        "correct horse battery staple",
        "тайна",
        "---",
        "${x} and more",
        "s" * 40,
    ],
)
def test_other_texts_are_not_known(secret: str) -> None:
    assert not is_published(secret)


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"JWT_APP_SECRET": DEMO}, "app_secret (JWT_APP_SECRET)"),
        (
            {"VERIFIER_HANDOFF": "1", "VERIFIER_HANDOFF_SECRET": DEMO},
            "handoff_secret (VERIFIER_HANDOFF_SECRET)",
        ),
    ],
)
def test_published_secret_is_refused_where_others_reach_it(
    environ: dict[str, str], name: str
) -> None:
    for listen in ("0.0.0.0:8090", "[::]:8090", "192.0.2.1:80", "unix:/run/a,10.0.0.1:8090"):
        with pytest.raises(ConfigError) as error:
            load({**BASIC, **environ, "VERIFIER_LISTEN": listen})
        assert len(error.value.problems) == 1
        assert str(error.value.problems[0]).startswith(
            f"{name}: found a published example (not shown); expected a random secret of your own"
        )
        assert DEMO not in str(error.value)
    for listen in ("127.0.0.1:8090", "[::1]:8090", "localhost:1", "unix:/run/a"):
        notices = load({**BASIC, **environ, "VERIFIER_LISTEN": listen}).notices
        text = "a published example: every reader of its document knows it; use it for trials only"
        assert [notice for notice in notices if "published" in notice] == [f"{name}: {text}"]


def test_published_admin_token_is_refused_where_others_reach_it() -> None:
    environ = {**BASIC, "VERIFIER_ADMIN_TOKEN": "change-me-to-32-random-bytes-too"}
    with pytest.raises(ConfigError, match=r"admin_token .*: found a published example"):
        load({**environ, "VERIFIER_ADMIN_LISTEN": "0.0.0.0:8091"})
    assert "a published example" in load({**environ, **PUBLIC}).notices[0]


def test_published_redis_password_is_refused_where_others_reach_the_service() -> None:
    url = "redis://:change-me-to-32-random-letters@redis.internal:6379/0"
    environ = {**BASIC, "VERIFIER_REVOCATION_STORE": url}
    with pytest.raises(ConfigError, match=r"revocation_store .*: found a published example"):
        load({**environ, **PUBLIC})
    assert "a published example" in load(environ).notices[0]
    manifest = (CONTRIB / "kubernetes/redis.yaml").read_text("utf-8")
    assert url.partition("@")[0] in manifest


def test_secret_of_a_host_is_checked_too() -> None:
    text = '[hosts."a.example"]\napp_secret = ["change-me"]\n'
    with pytest.raises(ConfigError, match=r'app_secret \(\[hosts."a.example"\]'):
        load({**BASIC, **PUBLIC, "VERIFIER_CONFIG": "/c"}, read_file=lambda _path: text.encode())


def test_secret_that_verifies_no_token_is_not_checked() -> None:
    keys = {"JWT_ASAP_KEYSERVER": "https://keys.example.org", "JWT_APP_SECRET": "my_app_secret"}
    assert load({**BASIC, **PUBLIC, **keys}).signature_algorithm == "RS256"
