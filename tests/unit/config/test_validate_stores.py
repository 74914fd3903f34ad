"""Revocation store, single use and tracing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from verifier.config import ConfigError, Settings, load

BASE = {"JWT_APP_ID": "app", "JWT_APP_SECRET": "s" * 32}
ONCE = {"VERIFIER_SINGLE_USE": "jti"}
REDIS = "redis://:pass-word@cache.internal/2"


def read(**environ: str) -> Settings:
    return load(BASE | environ)


def refusal(environ: Mapping[str, str]) -> str:
    with pytest.raises(ConfigError) as error:
        load({**BASE, **environ})
    return str(error.value)


def test_single_use_is_off_by_default() -> None:
    settings = read()
    assert (settings.single_use, settings.single_use_window) == ("off", 60)
    assert settings.operator_policy is None


def test_single_use_requires_jti_and_expiry() -> None:
    settings = read(**ONCE, VERIFIER_SINGLE_USE_WINDOW="5")
    assert (settings.single_use, settings.single_use_window) == ("jti", 5)
    assert settings.operator_policy is not None
    assert (settings.operator_policy.require_jti, settings.operator_policy.require_expiry) == (
        True,
        True,
    )
    assert settings.policy().single_use == "jti"


def test_one_host_can_have_single_use(tmp_path: Path) -> None:
    config = tmp_path / "verifier.toml"
    config.write_text('[hosts."once.example.org"]\nsingle_use = "jti"\n', encoding="utf-8")
    settings = load(BASE, config)
    own = settings.hosts["once.example.org"]
    assert (settings.single_use, own.single_use) == ("off", "jti")
    assert own.operator_policy is not None
    assert settings.operator_policy is None


def test_notices_for_the_limits_of_single_use() -> None:
    notices = read(**ONCE).notices
    text = "without handoff, reloads and BOSH are refused 60 s after the first entry"
    assert any(text in notice for notice in notices)
    assert any("a restart forgets which tokens have been used" in notice for notice in notices)
    quiet = read(**ONCE, VERIFIER_HANDOFF="true", VERIFIER_REVOCATION_STORE=REDIS).notices
    assert not any(notice.startswith("single_use") for notice in quiet)


def test_notice_of_a_memory_store_in_a_pod() -> None:
    pod = {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}
    text = "memory: a revocation reaches this pod only, and is lost when the pod ends"
    assert any(text in notice for notice in read(**pod).notices)
    assert not any(text in notice for notice in read().notices)
    shared = read(**pod, VERIFIER_REVOCATION_STORE=REDIS)
    assert not any(text in notice for notice in shared.notices)


def test_password_of_a_redis_url_is_not_shown() -> None:
    settings = read(VERIFIER_REVOCATION_STORE=REDIS)
    assert settings.revocation_store == REDIS
    assert "pass-word" not in repr(settings)


@pytest.mark.parametrize("wrong", ["redis://:pass-word@", "redis://:pass/word@a", "http://a"])
def test_wrong_store_url_is_refused_and_not_quoted(wrong: str) -> None:
    text = refusal({"VERIFIER_REVOCATION_STORE": wrong})
    assert "VERIFIER_REVOCATION_STORE" in text
    assert "expected memory:, sqlite:///absolute/path, redis://" in text
    assert wrong not in text
    assert "word" not in text.replace("PASSWORD", "")


def test_redis_needs_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    text = refusal({"VERIFIER_REVOCATION_STORE": REDIS})
    assert "(VERIFIER_REVOCATION_STORE): found redis:// without a client for it" in text
    assert "expected the extra redis: the image has it; in the source tree, pip install" in text
    assert read(VERIFIER_REVOCATION_STORE="memory:").revocation_store == "memory:"


def test_tracing_needs_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(VERIFIER_TRACING="true").tracing
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    text = refusal({"VERIFIER_TRACING": "true"})
    assert "tracing (VERIFIER_TRACING): found true without the packages that send spans" in text
    assert "pip install '.[otel]'" in text
    assert not read().tracing


@pytest.mark.parametrize(
    "environ",
    [
        {"VERIFIER_SINGLE_USE": "yes"},
        {"VERIFIER_SINGLE_USE_WINDOW": "-1"},
        {"VERIFIER_SINGLE_USE_WINDOW": "90000"},
    ],
)
def test_wrong_single_use_options_are_refused(environ: dict[str, str]) -> None:
    assert next(iter(environ)) in refusal(environ)
