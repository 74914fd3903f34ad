"""Line breaks, blanks and lists around a secret and around other values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from verifier.config.load import load
from verifier.config.problems import ConfigError
from verifier.config.settings import Settings

SECRET = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"
CONFIG = Path("/etc/verifier.toml")
BASIC = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "JWT_ENABLE_DOMAIN_VERIFICATION": "0"}
CUT = "the line break at the end is not part of the value"


def from_env(files: dict[str, bytes] | None = None, **environ: str) -> Settings:
    return load({**BASIC, **environ}, read_file=lambda path: (files or {})[str(path)])


def from_toml(text: str) -> Settings:
    head = 'app_id = "app"\nenable_domain_verification = false\n'
    return load({}, CONFIG, read_file=lambda _path: f"{head}{text}".encode())


def problem(error: pytest.ExceptionInfo[ConfigError]) -> str:
    assert len(error.value.problems) == 1, str(error.value)
    for secret in (SECRET, OTHER):
        assert secret not in str(error.value)
    return str(error.value.problems[0])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("variable", "attribute", "value"),
    [
        ("JWT_APP_SECRET", "app_secret", SECRET),
        ("VERIFIER_ADMIN_TOKEN", "admin_token", SECRET),
        ("VERIFIER_REVOCATION_STORE", "revocation_store", "sqlite:///var/revocations"),
        ("JWT_CACHE_KEYS_URL", "cache_keys_url", "https://keys.example.org/jwks"),
        ("JWT_ASAP_KEYSERVER", "asap_key_server", "https://keys.example.org"),
        ("JWT_APP_ID", "app_id", "other"),
        ("VERIFIER_MODE", "mode", "report-only"),
        ("VERIFIER_DECISION_TTL", "decision_ttl", "7"),
    ],
)
def test_one_line_break_is_taken_off_with_notice(
    variable: str, attribute: str, value: str, end: str
) -> None:
    public = {"JWT_SIGN_TYPE": "RS256"} if "keys" in attribute or "key_" in attribute else {}
    settings = from_env(None, **{variable: value + end}, **public)
    expected = (value,) if attribute == "app_secret" else value
    assert str(getattr(settings, attribute)) == str(expected)
    assert f"{variable}: {CUT}" in settings.notices
    assert value not in str(settings.notices)


@pytest.mark.parametrize("text", [f'"{SECRET}"\n', f'"{SECRET}\n"', f"'{SECRET}'\r\n"])
def test_line_break_inside_and_behind_quotes_is_taken_off(text: str) -> None:
    settings = from_env(JWT_APP_SECRET=text)
    assert settings.app_secret == (SECRET,)
    assert f"JWT_APP_SECRET: {CUT}" in settings.notices


def test_line_break_behind_a_file_name_is_taken_off() -> None:
    settings = from_env(
        {"/run/secret": SECRET.encode()}, JWT_APP_SECRET="", JWT_APP_SECRET_FILE="/run/secret\n"
    )
    assert settings.app_secret == (SECRET,)
    assert settings.notices == (f"JWT_APP_SECRET_FILE: {CUT}",)


def test_line_break_in_the_file_is_taken_off_with_notice() -> None:
    settings = from_toml(f'app_secret = """{SECRET}\n"""\nadmin_token = "{OTHER}\\r\\n"\n')
    assert settings.app_secret == (SECRET,)
    assert settings.admin_token == OTHER
    assert settings.notices == (
        f"app_secret ({CONFIG}): {CUT}",
        f"admin_token ({CONFIG}): {CUT}",
    )
    assert from_toml(f'app_secret = ["{SECRET}\\n", "{OTHER}"]\n').app_secret == (SECRET, OTHER)


def test_line_end_of_a_secret_file_gives_no_notice() -> None:
    for end in (b"\n", b"\r\n", b"\n\n", b""):
        settings = from_env(
            {"/s": SECRET.encode() + end}, JWT_APP_SECRET="", JWT_APP_SECRET_FILE="/s"
        )
        assert (settings.app_secret, settings.notices) == ((SECRET,), ())


@pytest.mark.parametrize(
    ("variable", "value", "form"),
    [
        ("JWT_APP_SECRET", f"{SECRET}\n\n", "ends with a line break"),
        ("JWT_APP_SECRET", f"{SECRET}\n\n\n", "ends with several line breaks"),
        ("JWT_APP_SECRET", f"\n{SECRET}", "begins with a line break"),
        ("JWT_APP_SECRET", f"{SECRET}\n{OTHER}", "has 2 lines"),
        ("JWT_APP_SECRET", f"{SECRET}\udcff", "contains bytes that are not UTF-8"),
        ("VERIFIER_ADMIN_TOKEN", f" {SECRET}", "begins with a blank"),
        ("VERIFIER_ADMIN_TOKEN", f"{SECRET}\t", "ends with a tab"),
        ("VERIFIER_ADMIN_TOKEN", f"{SECRET}\r\n\r\n", "ends with a line break"),
        ("VERIFIER_HANDOFF_SECRET", f"\t{SECRET} ", "begins with a tab and ends with a blank"),
        ("VERIFIER_REVOCATION_STORE", " redis://:pw@host/0", "begins with a blank"),
    ],
)
def test_error_names_the_form_of_a_secret(variable: str, value: str, form: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_env(None, **{variable: value})
    assert f"({variable}): found a string (not shown) that {form}; expected " in problem(error)


def test_error_names_a_nul_in_the_file() -> None:
    with pytest.raises(ConfigError) as error:
        from_toml(f'app_secret = "{SECRET}\\u0000"\n')
    assert "found a string (not shown) that contains a NUL character" in problem(error)


@pytest.mark.parametrize("value", ["a\nb", "a\0b"])
def test_line_break_within_an_id_is_a_problem(value: str) -> None:
    with pytest.raises(ConfigError) as error:
        load({**BASIC, "JWT_APP_ID": value})
    assert "app_id (JWT_APP_ID)" in problem(error)


@pytest.mark.parametrize("edges", [" {}", "{}\t", " {} "])
def test_notice_of_blanks_that_are_part_of_a_secret(edges: str) -> None:
    secret = edges.format(SECRET)
    text = "the blanks around the value are part of the secret"
    settings = from_env(JWT_APP_SECRET=secret)
    assert (settings.app_secret, settings.notices) == ((secret,), (f"JWT_APP_SECRET: {text}",))
    assert from_toml(f"app_secret = '{secret}'").notices == (f"app_secret ({CONFIG}): {text}",)


@pytest.mark.parametrize(
    "text",
    [
        f'["{SECRET}", "{OTHER}"]',
        f"['{SECRET}','{OTHER}',]",
        f"'[\"{SECRET}\"]'",
        f'[\n  "{SECRET}",\n  "{OTHER}"\n]\n',
    ],
)
def test_array_in_the_variable_is_a_problem(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_env(JWT_APP_SECRET=text)
    assert problem(error) == (
        "app_secret (JWT_APP_SECRET): found an array in brackets (not shown); expected one secret;"
        " several are one a line in the file that JWT_APP_SECRET_FILE names, or an array in the"
        " configuration file"
    )


def test_array_in_a_secret_file_is_a_problem() -> None:
    for text in (f'["{SECRET}", "{OTHER}"]\n', f'[\n"{SECRET}",\n"{OTHER}"\n]\n'):
        with pytest.raises(ConfigError) as error:
            from_env({"/s": text.encode()}, JWT_APP_SECRET="", JWT_APP_SECRET_FILE="/s")
        assert "expected one secret a line, without brackets and quotes" in problem(error)


def test_array_within_a_string_of_the_file_is_a_problem() -> None:
    with pytest.raises(ConfigError) as error:
        from_toml(f"""app_secret = '["{SECRET}", "{OTHER}"]'""")
    assert "or an array of secrets without quotes around the array" in problem(error)


@pytest.mark.parametrize("text", [f"[{SECRET}]", f"{{{SECRET}", f"{SECRET},x", f'{SECRET}"]'])
def test_brackets_and_commas_may_be_part_of_a_secret(text: str) -> None:
    settings = from_env(JWT_APP_SECRET=text)
    assert (settings.app_secret, settings.notices) == ((text,), ())


def test_notice_of_two_secrets_between_commas() -> None:
    settings = from_env(JWT_APP_SECRET=f"{SECRET},{OTHER}")
    assert settings.app_secret == (f"{SECRET},{OTHER}",)
    text = "the comma is part of the secret; several are one a line in JWT_APP_SECRET_FILE"
    assert settings.notices == (f"JWT_APP_SECRET: {text}",)


@pytest.mark.parametrize("character", ["\u00a0", "\ufeff", "\u200b", "\v", "\x85", "\x1b"])
def test_notice_of_characters_that_cannot_be_seen(character: str) -> None:
    text = f"characters that cannot be seen (U+{ord(character):04X}) are part of the value"
    secret = SECRET[:5] + character + SECRET
    settings = from_env(JWT_APP_SECRET=secret)
    assert (settings.app_secret, settings.notices) == ((secret,), (f"JWT_APP_SECRET: {text}",))
    settings = from_env({"/s": secret.encode()}, JWT_APP_SECRET="", JWT_APP_SECRET_FILE="/s")
    assert settings.notices == (f"JWT_APP_SECRET_FILE: {text}",)
    if character not in "\v\x1b":  # TOML has no control characters
        notices = from_toml(f'app_secret = "{secret}"').notices
        assert notices == (f"app_secret ({CONFIG}): {text}",)


@pytest.mark.parametrize(
    "line", ["JWT_APP_SECRET={}", "export JWT_APP_SECRET={}", "app_secret: {}"]
)
def test_assignment_in_a_secret_file_is_a_problem(line: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_env(
            {"/s": f"{line.format(SECRET)}\n".encode()}, JWT_APP_SECRET="", JWT_APP_SECRET_FILE="/s"
        )
    assert "found a line that begins with the name of an option (not shown)" in problem(error)


def test_equals_sign_may_be_part_of_a_secret_in_a_file() -> None:
    for secret in (f"SECRET={SECRET}", f"a={SECRET}", f"{SECRET}=="):
        settings = from_env({"/s": secret.encode()}, JWT_APP_SECRET="", JWT_APP_SECRET_FILE="/s")
        assert (settings.app_secret, settings.notices) == ((secret,), ())


def test_notice_of_base64_that_is_broken_into_lines() -> None:
    # As of openssl rand -base64 64, and of base64 -w76.
    for lines in (["Ab/9" * 16, "x+Y7" * 6], ["Ab/9" * 19, "Cd/9" * 19, "x+Y7" * 12]):
        content = "\n".join(lines).encode()
        settings = from_env({"/s": content}, JWT_APP_SECRET="", JWT_APP_SECRET_FILE="/s")
        assert settings.app_secret == tuple(lines)
        text = "each line is a secret of its own: join lines that a base64 program has broken"
        assert f"JWT_APP_SECRET_FILE: {text}" in settings.notices
    for lines in ([SECRET * 2, OTHER * 2], ["Ab/9" * 11, "x+Y7" * 11]):  # rotations
        content = "\n".join(lines).encode()
        settings = from_env({"/s": content}, JWT_APP_SECRET="", JWT_APP_SECRET_FILE="/s")
        assert settings.notices == ()


@pytest.mark.parametrize(
    "written",
    [
        '["a", "b"]',
        "['a','b']",
        '{ "a", "b" }',
        '"a","b"',
        "'a', 'b'",
        "[a, b]",
        'a,"b"',
        '[ "a" ]',
    ],
)
def test_list_in_another_notation_is_a_problem(written: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_env(JWT_ACCEPTED_ISSUERS=written)
    assert "expected values between commas, without quotes and brackets" in problem(error)
    with pytest.raises(ConfigError) as error:
        from_toml(f"app_secret = '{SECRET}'\nasap_accepted_issuers = {json.dumps(written)}")
    assert "expected a string, or an array of strings without quotes around" in problem(error)


@pytest.mark.parametrize("written", ["{a1-b2}", "it's", "a[1]", "urn:a:{b}", "https://a/?b=[c]"])
def test_brackets_and_apostrophes_may_be_parts_of_an_issuer(written: str) -> None:
    assert from_env(JWT_ACCEPTED_ISSUERS=written).asap_accepted_issuers == (written,)


def test_commas_in_a_string_of_the_file_are_noticed() -> None:
    text = f"app_secret = '{SECRET},{OTHER}'\nasap_accepted_issuers = 'a,b'"
    found = [notice for notice in from_toml(text).notices if "the comma is part" in notice]
    assert [notice.partition(" ")[0] for notice in found] == ["app_secret", "asap_accepted_issuers"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("“app”", "the typographic quotes around the value are part of it"),
        ("app # why", "# and what follows it are part of the value, and no comment"),
        ("app\\n", "\\n at the end is part of the value: a backslash and a letter, no line break"),
        ("\ufeffapp", "characters that cannot be seen (U+FEFF) are part of the value"),
    ],
)
def test_what_people_overlook_in_a_value_is_noticed(value: str, text: str) -> None:
    assert f"JWT_APP_ID: {text}" in from_env(JWT_APP_ID=value).notices
    secret = SECRET + value if value.startswith("app") else value + SECRET
    assert f"JWT_APP_SECRET: {text}" in from_env(JWT_APP_SECRET=secret).notices
    told = from_toml(f"app_secret = {json.dumps(secret)}").notices
    assert f"app_secret ({CONFIG}): {text}" in told


@pytest.mark.parametrize(
    "written", [f'{{"app": "{SECRET}"}}', f'{{\n "a" : "{SECRET}",\n "b": 1 }}']
)
def test_object_of_a_secret_store_is_a_problem(written: str) -> None:
    found = "found an object in braces (not shown)"
    with pytest.raises(ConfigError) as error:
        from_env(JWT_APP_SECRET=written)
    assert found in problem(error)
    with pytest.raises(ConfigError) as error:
        from_env({"/s": written.encode()}, JWT_APP_SECRET="", JWT_APP_SECRET_FILE="/s")
    assert found in problem(error)
    with pytest.raises(ConfigError) as error:
        from_toml(f"app_secret = {json.dumps(written)}")
    assert found in problem(error)


def test_value_with_very_many_blanks_is_read() -> None:
    blanks = " " * 100_000
    secret = f"['{SECRET}'{blanks}x]"
    settings = from_env(JWT_APP_SECRET=secret, JWT_ACCEPTED_ISSUERS=f"a,{blanks}b")
    assert settings.app_secret == (secret,)
    assert settings.asap_accepted_issuers == ("a", "b")
