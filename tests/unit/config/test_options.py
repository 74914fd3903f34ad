"""Declarations of options, and the settings that follow from them."""

from dataclasses import fields

from verifier.config.hosts import PER_HOST
from verifier.config.load import load
from verifier.config.options import OPTIONS
from verifier.config.settings import Settings
from verifier.rules.policy import OperatorPolicy

DERIVED = {"file", "source", "hosts", "notices", "watched_files", "origins", "other_algorithms"}


def test_every_field_of_settings_is_an_option_or_derived() -> None:
    declared = {option.attribute for option in OPTIONS}
    assert {field.name for field in fields(Settings)} == declared | DERIVED


def test_policy_table_and_operator_policy_have_the_same_parts() -> None:
    names = [option.name for option in OPTIONS if option.table == "policy"]
    assert names == [f"policy.{rule.name}" for rule in fields(OperatorPolicy)]
    assert set(names) <= set(PER_HOST)


def test_names_and_variables_are_used_once() -> None:
    names = [name for option in OPTIONS for name in (option.name, option.file_key) if name]
    variables = [
        name for option in OPTIONS for name in (option.variable, option.file_variable) if name
    ]
    assert len(names) == len(set(names))
    assert len(variables) == len(set(variables))


def test_only_secrets_can_be_in_their_own_files() -> None:
    files = [(option.file_key, option.file_variable) for option in OPTIONS if option.file_key]
    assert files == [
        ("app_secret_file", "JWT_APP_SECRET_FILE"),
        ("admin_token_file", "VERIFIER_ADMIN_TOKEN_FILE"),
        ("revocation_store_file", "VERIFIER_REVOCATION_STORE_FILE"),
        ("handoff_secret_file", "VERIFIER_HANDOFF_SECRET_FILE"),
    ]


def test_every_option_has_one_line_of_help() -> None:
    for option in OPTIONS:
        assert option.help.endswith(".")
        assert len(option.help) < 100
        assert option.default_text
        assert option.type.expected


def test_declared_default_is_in_force() -> None:
    settings = load({"JWT_APP_ID": "app", "JWT_APP_SECRET": "secret"})
    for option in OPTIONS:
        if option.default is not None and not option.type.secret:
            assert settings.value(option.name) == option.default
