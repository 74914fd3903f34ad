"""Compose files: which variables reach Prosody and Jicofo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from verifier.check_config import Deployment, read_deployment

Read = Callable[..., Deployment]
DOTENV = "ENABLE_AUTH=1\nAUTH_TYPE=jwt\nJWT_APP_ID=my_app\nJWT_APP_SECRET=s3cret\n"
PASSED = "[ENABLE_AUTH, AUTH_TYPE, JWT_APP_ID, JWT_APP_SECRET]"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that writes files, and reads the Compose file with an environment."""

    def write(compose: str, dotenv: str = DOTENV, **environ: str) -> Deployment:
        (tmp_path / "docker-compose.yml").write_text(compose)
        (tmp_path / ".env").write_text(dotenv)
        return read_deployment([tmp_path / "docker-compose.yml"], environ)

    return write


def service(environment: str, more: str = "") -> str:
    return f"services:\n  prosody:\n    environment: {environment}\n{more}"


def test_names_without_a_value_are_passed_on(read: Read, tmp_path: Path) -> None:
    deployment = read(service(PASSED))
    (host,) = deployment.hosts
    assert (host.options["app_id"], host.options["app_secret"]) == ("my_app", "s3cret")
    assert str(host.locations["app_id"]) == f"{tmp_path / '.env'}:3"
    assert deployment.taken_for == {
        str(tmp_path / "docker-compose.yml"): "a Compose file, services prosody",
        str(tmp_path / ".env"): "docker-jitsi-meet's .env",
    }


def test_variable_that_is_not_passed_on_has_no_effect(read: Read, tmp_path: Path) -> None:
    deployment = read(service(PASSED), f"{DOTENV}JWT_ALLOW_EMPTY=1\nTZ=UTC\n")
    (host,) = deployment.hosts
    assert host.options["allow_empty_token"] is False
    (note,) = map(str, deployment.config.notes)
    assert note.startswith(
        f"{tmp_path / '.env'}:5: JWT_ALLOW_EMPTY has no effect: the Compose file"
    )


@pytest.mark.parametrize(
    "environment",
    [
        "{ENABLE_AUTH: 1, AUTH_TYPE: jwt, JWT_APP_ID: '${APP:-my_app}', JWT_ALLOW_EMPTY: true}",
        "[ENABLE_AUTH=1, AUTH_TYPE=jwt, 'JWT_APP_ID=${APP-my_app}', JWT_ALLOW_EMPTY=yes]",
        '[ENABLE_AUTH=1, AUTH_TYPE=jwt, JWT_APP_ID=$JWT_APP_ID, JWT_ALLOW_EMPTY="no"]',
        "\n      ENABLE_AUTH: 1\n      AUTH_TYPE: jwt\n      JWT_APP_ID:\n      JWT_ALLOW_EMPTY: 1",
    ],
)
def test_lists_and_maps_are_read(read: Read, environment: str) -> None:
    (host,) = read(service(environment)).hosts
    assert host.options["app_id"] == "my_app"
    assert host.options["allow_empty_token"] is True


def test_quotes_in_a_list_belong_to_the_value(read: Read) -> None:
    text = '\n      - ENABLE_AUTH=1\n      - AUTH_TYPE=jwt\n      - JWT_ALLOW_EMPTY="0"'
    (host,) = read(service(f"{text}\n      - JWT_APP_ID")).hosts
    assert host.options["allow_empty_token"] is False
    (problem,) = read(service(f'{text}\n      - JWT_APP_ID="app"')).config.problems
    assert "JWT_APP_ID contains a quotation mark" in str(problem)


def test_merged_mappings_and_extended_services_are_read(read: Read) -> None:
    (host,) = read(
        "x-a: &a {ENABLE_AUTH: 1, AUTH_TYPE: jwt, JWT_APP_ID: other}\n"
        "x-b: &b {JWT_APP_ID: my_app, JWT_SIGN_TYPE: HS384}\n"
        "services:\n"
        "  base: {environment: {<<: [*b, *a], JWT_SIGN_TYPE: HS512}}\n"
        "  xmpp: {image: '${NOT_SET:-jitsi/prosody:stable@sha256:0}', extends: {service: base}}\n"
    ).hosts
    assert host.options["app_id"] == "my_app"
    assert host.options["signature_algorithm"] == "HS512"


def test_service_that_is_built_is_known_by_its_name(read: Read) -> None:
    text = service("{ENABLE_AUTH: 1, AUTH_TYPE: jwt, JWT_APP_ID: my_app}")
    (host,) = read(text.replace("  prosody:", "  my-xmpp:\n    build: ./prosody")).hosts
    assert host.options["app_id"] == "my_app"


def test_environment_replaces_the_files_of_a_service(read: Read, tmp_path: Path) -> None:
    (tmp_path / "one.env").write_text(DOTENV + "JWT_ALLOW_EMPTY=1\n")
    files = "    env_file:\n      - one.env\n      - {path: none.env, required: false}\n"
    (host,) = read(service("{JWT_ALLOW_EMPTY: 0}", files), "").hosts
    assert host.options["app_id"] == "my_app"
    assert host.options["allow_empty_token"] is False
    deployment = read(service("{}", "    env_file: missing.env\n"))
    assert "env_file" in str(deployment.config.problems[0])


def test_files_of_a_service_may_name_the_variables_beside_it(read: Read, tmp_path: Path) -> None:
    (tmp_path / "one.env").write_text("ENABLE_AUTH=1\nAUTH_TYPE=jwt\nJWT_APP_ID=${ID}\n")
    (host,) = read(service("{}", "    env_file: one.env\n"), "ID=my_app\n").hosts
    assert host.options["app_id"] == "my_app"


def test_override_beside_the_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(DOTENV)
    (tmp_path / "compose.yaml").write_text(service(PASSED))
    override = "services: {prosody: {environment: {JWT_ALLOW_EMPTY: 1}}}"
    (tmp_path / "compose.override.yaml").write_text(override)
    (host,) = read_deployment([tmp_path], {}).hosts
    assert host.options["allow_empty_token"] is True


def test_jicofo_has_the_environment_of_its_own_service(read: Read) -> None:
    own = "  jicofo: {environment: {ENABLE_AUTH: 1, AUTH_TYPE: jwt, JICOFO_ENABLE_AUTH: 0}}\n"
    jicofo = read(service(PASSED, own), f"{DOTENV}ENABLE_AUTO_OWNER=0\n").jicofo
    assert jicofo is not None
    assert (jicofo.auto_owner, jicofo.authentication) == (None, False)


def test_env_file_precedes_the_environment_of_the_command(read: Read) -> None:
    (host,) = read(service(PASSED), JWT_APP_ID="of the command").hosts
    assert host.options["app_id"] == "my_app"
    (host,) = read(service(PASSED), "ENABLE_AUTH=1\nAUTH_TYPE=jwt", JWT_APP_ID="other").hosts
    assert host.options["app_id"] == "other"


@pytest.mark.parametrize(
    ("compose", "problem"),
    [
        ("services: [", ": not YAML"),
        ("services:\n  web: {}\n\ta: b", ":3: not YAML"),
        ("volumes: {}", ": no services, expected a Compose file"),
        ("services: {db: {image: postgres}}", ": no service of docker-jitsi-meet"),
        ("services: {web: {image: nginx}}", ": no service of docker-jitsi-meet"),
        ("services: {prosody: {environment: {JWT_APP: 1}}}", ": none of docker-jitsi-meet's"),
        ("[" * 100_000, ": not YAML"),
        ("services:\n  " + "- " * 50_000, ": not YAML"),
    ],
)
def test_other_files_are_problems(read: Read, compose: str, problem: str) -> None:
    assert problem in str(read(compose).config.problems[0])


@pytest.mark.parametrize(
    "text",
    [
        "include: [other.yml]\n" + service(PASSED),
        "services:\n  prosody: {extends: {file: x.yml, service: y}}",
        service("{JWT_APP_ID: 'a${'}"),
    ],
)
def test_what_is_not_followed_does_not_agree(read: Read, text: str) -> None:
    assert read(text).config.not_evaluated


def test_doubling_aliases_are_not_copied(read: Read) -> None:
    lines = ["x0: &a0 {A: 1}"]
    lines += [f"x{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], B{n}: 1}}" for n in range(1, 60)]
    text = "\n".join(lines) + f"\n{service('{<<: *a59, ENABLE_AUTH: 1, JWT_APP_ID: }')}"
    assert read(text).config.problems == []
