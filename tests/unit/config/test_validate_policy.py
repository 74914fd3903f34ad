"""The ``[policy]`` table: of the whole service and of one host."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.config import ConfigError, Settings, load
from verifier.rules.policy import OperatorPolicy

BASIC = """
app_id = "app"
app_secret = "a-secret-of-more-than-thirty-two-bytes"
muc_mapper_domain_base = "meet.jitsi"
"""
HOST = "meet.example.org"


def configured(text: str, **environ: str) -> Settings:
    return load(environ, Path("/etc/v.toml"), read_file=lambda _path: (BASIC + text).encode())


def problem(text: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as error:
        configured(text, **environ)
    assert len(error.value.problems) == 1, str(error.value)
    return str(error.value.problems[0])


def test_operator_policy_is_off_by_default() -> None:
    assert configured("").policy().operator_policy is None
    assert configured("[policy]\nrequire_jti = false\n").policy().operator_policy is None


@pytest.mark.parametrize(
    ("line", "operator_policy"),
    [
        ("forbid_wildcard_room = true", OperatorPolicy(forbid_wildcard_room=True)),
        ("forbid_wildcard_sub = true", OperatorPolicy(forbid_wildcard_sub=True)),
        ("forbid_room_patterns = true", OperatorPolicy(forbid_room_patterns=True)),
        ("max_token_lifetime = 3600", OperatorPolicy(max_token_lifetime=3600)),
        ("require_jti = true", OperatorPolicy(require_jti=True)),
        ("require_expiry = true", OperatorPolicy(require_expiry=True)),
        ("require_user_id = true", OperatorPolicy(require_user_id=True)),
        ("moderators_create_rooms = true", OperatorPolicy(moderators_create_rooms=True)),
    ],
)
def test_each_policy_option_works_alone(line: str, operator_policy: OperatorPolicy) -> None:
    name, value = line.split(" = ")
    assert configured(f"[policy]\n{line}\n").policy().operator_policy == operator_policy
    assert configured(f"policy.{line}\n").policy().operator_policy == operator_policy
    assert (
        configured("", **{f"VERIFIER_POLICY_{name.upper()}": value}).policy().operator_policy
        == operator_policy
    )


def test_environment_wins_over_the_policy_table() -> None:
    text = "[policy]\nmax_token_lifetime = 60\nrequire_jti = true\n"
    operator_policy = (
        configured(text, VERIFIER_POLICY_MAX_TOKEN_LIFETIME="90.5").policy().operator_policy
    )
    assert operator_policy == OperatorPolicy(max_token_lifetime=90.5, require_jti=True)


def test_host_inherits_policy_options_that_it_does_not_replace() -> None:
    text = f"""
[policy]
require_jti = true
max_token_lifetime = 60
[hosts."{HOST}".policy]
require_jti = false
require_user_id = true
[hosts."other.example.org"]
"""
    settings = configured(text)
    operator_policy = settings.hosts[HOST].policy().operator_policy
    assert operator_policy == OperatorPolicy(max_token_lifetime=60, require_user_id=True)
    assert settings.hosts["other.example.org"].operator_policy == settings.operator_policy
    assert settings.operator_policy == OperatorPolicy(max_token_lifetime=60, require_jti=True)
    service = settings.hosts[HOST]
    assert service.value("policy.require_user_id") is True


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("require_jti = 1", "policy.require_jti (/etc/v.toml): found 1; expected true or false"),
        ("max_token_lifetime = 0", "expected a number greater than 0"),
        ("max_token_lifetime = -5", "expected a number greater than 0"),
        ("max_token_lifetime = inf", "expected a number greater than 0"),
        ('max_token_lifetime = "1h"', "expected a number greater than 0"),
        ("requires_jti = true", "the nearest is policy.require_jti"),
    ],
)
def test_problem_names_a_wrong_policy_option(line: str, words: str) -> None:
    assert words in problem(f"[policy]\n{line}\n")
    assert words.rsplit("found", maxsplit=1)[-1] in problem(f'[hosts."{HOST}".policy]\n{line}\n')


def test_policy_must_be_a_table() -> None:
    assert problem("policy = true\n") == (
        "policy (/etc/v.toml): found a boolean; expected a table of options"
    )
    assert "policy" in problem(f'[hosts."{HOST}"]\npolicy = []\n')


def test_notices_for_policies_that_other_options_weaken() -> None:
    notices = configured(
        "enable_domain_verification = false\n[policy]\nforbid_wildcard_sub = true\n"
    ).notices
    assert "no sub is compared" in notices[-1]
    wildcard = "[policy]\nforbid_wildcard_room = true\n"
    assert "forbid_room_patterns" in configured(wildcard).notices[-1]
    both = configured(f"{wildcard}forbid_room_patterns = true\n")
    assert not any("policy." in notice for notice in both.notices)
    off = configured(f"token_regex_enabled = false\n{wildcard}")
    assert not any("policy." in notice for notice in off.notices)
