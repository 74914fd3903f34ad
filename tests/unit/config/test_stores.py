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


def test_tokens_can_be_used_again_unless_somebody_says_otherwise() -> None:
    settings = read()
    assert (settings.single_use, settings.single_use_window) == ("off", 60)
    assert settings.operator_policy is None


def test_tokens_for_one_use_need_a_name_and_an_end() -> None:
    settings = read(**ONCE, VERIFIER_SINGLE_USE_WINDOW="5")
    assert (settings.single_use, settings.single_use_window) == ("jti", 5)
    assert settings.operator_policy is not None
    assert (settings.operator_policy.require_jti, settings.operator_policy.require_expiry) == (
        True,
        True,
    )
    assert settings.policy().single_use == "jti"


def test_one_host_can_have_tokens_for_one_use(tmp_path: Path) -> None:
    config = tmp_path / "verifier.toml"
    config.write_text('[hosts."once.example.org"]\nsingle_use = "jti"\n', encoding="utf-8")
    settings = load(BASE, config)
    own = settings.hosts["once.example.org"]
    assert (settings.single_use, own.single_use) == ("off", "jti")
    assert own.operator_policy is not None
    assert settings.operator_policy is None


def test_what_one_use_does_not_reach_is_said() -> None:
    notices = read(**ONCE).notices
    text = "without handoff, reloads and BOSH are refused 60 s after the first entry"
    assert any(text in each for each in notices)
    assert any("a restart forgets which tokens have been used" in each for each in notices)
    quiet = read(**ONCE, VERIFIER_HANDOFF="true", VERIFIER_REVOCATION_STORE=REDIS).notices
    assert not any(each.startswith("single_use") for each in quiet)


def test_in_a_pod_it_is_said_that_no_other_pod_hears_of_a_revocation() -> None:
    pod = {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}
    told = "memory: a revocation reaches this pod only, and is lost when the pod ends"
    assert any(told in each for each in read(**pod).notices)
    assert not any(told in each for each in read().notices)
    assert not any(told in each for each in read(**pod, VERIFIER_REVOCATION_STORE=REDIS).notices)


def test_a_redis_is_a_store_whose_password_is_shown_nowhere() -> None:
    settings = read(VERIFIER_REVOCATION_STORE=REDIS)
    assert settings.revocation_store == REDIS
    assert "pass-word" not in repr(settings)


@pytest.mark.parametrize("wrong", ["redis://:pass-word@", "redis://:pass/word@a", "http://a"])
def test_another_url_is_refused_and_not_repeated(wrong: str) -> None:
    told = refusal({"VERIFIER_REVOCATION_STORE": wrong})
    assert "VERIFIER_REVOCATION_STORE" in told
    assert "expected memory:, sqlite:///absolute/path, redis://" in told
    assert wrong not in told
    assert "word" not in told.replace("PASSWORD", "")


def test_a_redis_needs_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    told = refusal({"VERIFIER_REVOCATION_STORE": REDIS})
    assert "(VERIFIER_REVOCATION_STORE): found redis:// without a client for it" in told
    assert "expected the package redis: pip install 'jitsi-verifier[redis]'" in told
    assert read(VERIFIER_REVOCATION_STORE="memory:").revocation_store == "memory:"


def test_spans_need_what_sends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(VERIFIER_TRACING="true").tracing
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    told = refusal({"VERIFIER_TRACING": "true"})
    assert "tracing (VERIFIER_TRACING): found true without the packages that send spans" in told
    assert "pip install 'jitsi-verifier[otel]'" in told
    assert not read().tracing


@pytest.mark.parametrize(
    "environ",
    [
        {"VERIFIER_SINGLE_USE": "yes"},
        {"VERIFIER_SINGLE_USE_WINDOW": "-1"},
        {"VERIFIER_SINGLE_USE_WINDOW": "90000"},
    ],
)
def test_what_is_no_option_is_refused(environ: dict[str, str]) -> None:
    assert next(iter(environ)) in refusal(environ)
