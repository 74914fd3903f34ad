"""docker-jitsi-meet's .env has the effect that the templates give it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from verifier.check_config import Deployment, read_deployment
from verifier.check_config.lua_values import Unknown

Read = Callable[[str], Deployment]

TOKENS = "ENABLE_AUTH=1\nAUTH_TYPE=jwt\nJWT_APP_ID=my_app\n"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that writes a .env and reads it."""

    def write(text: str) -> Deployment:
        file = tmp_path / ".env"
        file.write_text(text)
        return read_deployment([file], {})

    return write


def test_templates_defaults_are_in_force(read: Read) -> None:
    (host,) = read(TOKENS + "JWT_APP_SECRET=0123456789abcdef0123456789abcdef\n").hosts
    assert host.name == "meet.jitsi"
    assert host.options == {
        "app_id": "my_app",
        "app_secret": "0123456789abcdef0123456789abcdef",
        "asap_accepted_issuers": ("my_app",),
        "asap_accepted_audiences": ("*",),
        "asap_key_server": None,
        "cache_keys_url": None,
        "signature_algorithm": "HS256",
        "asap_require_room_claim": True,
        "allow_empty_token": False,
        "enable_domain_verification": False,
        "muc_mapper_domain_base": "meet.jitsi",
        "muc_mapper_domain_prefix": "muc",
        "muc_mapper_domain": "muc.meet.jitsi",
        "token_regex_enabled": True,
        "token_regex_room_max_length": 128,
        "token_regex_max_quantifiers": 3,
    }
    assert host.lobby is True
    assert [(room.name, room.verifies) for room in host.rooms] == [("muc.meet.jitsi", True)]


def test_each_variable_has_its_effect_and_its_line(read: Read, tmp_path: Path) -> None:
    deployment = read(
        TOKENS + "JWT_ACCEPTED_ISSUERS=a,b\nJWT_ACCEPTED_AUDIENCES=c\n"
        "JWT_ASAP_KEYSERVER=https://keys.test/\nJWT_SIGN_TYPE=RS512\nJWT_ALLOW_EMPTY=True\n"
        "JWT_ENABLE_DOMAIN_VERIFICATION=1\nXMPP_DOMAIN=xmpp.test\nXMPP_MUC_DOMAIN=rooms.xmpp.test\n"
        "ENABLE_LOBBY=0\nXMPP_CONFIGURATION=asap_require_room_claim = false,cache_keys_url='http://k'\n"
    )
    (host,) = deployment.hosts
    options = host.options
    assert options["asap_accepted_issuers"] == ("a", "b")
    assert options["asap_accepted_audiences"] == ("c",)
    assert options["asap_key_server"] == "https://keys.test/"
    assert options["signature_algorithm"] == "RS512"
    assert options["allow_empty_token"] is True
    assert options["enable_domain_verification"] is True
    assert options["muc_mapper_domain"] == "rooms.xmpp.test"
    assert options["asap_require_room_claim"] is False
    assert options["cache_keys_url"] == "http://k"
    assert host.lobby is False
    assert str(host.locations["allow_empty_token"]) == f"{tmp_path / '.env'}:8"
    assert str(host.locations["asap_require_room_claim"]) == f"{tmp_path / '.env'}:13"


def test_default_names_its_variable(read: Read, tmp_path: Path) -> None:
    (host,) = read(TOKENS).hosts
    location = host.locations["enable_domain_verification"]
    assert str(location) == f"{tmp_path / '.env'} (default of JWT_ENABLE_DOMAIN_VERIFICATION)"


def test_value_is_read_as_a_lua_string(read: Read) -> None:
    (host,) = read(TOKENS + "JWT_APP_SECRET='back\\nslash'\n").hosts
    assert host.options["app_secret"] == "back\nslash"


@pytest.mark.parametrize(
    ("line", "character"),
    [
        ("JWT_APP_SECRET='s3cret\"quote'", 'JWT_APP_SECRET contains a quotation mark (")'),
        ("JWT_APP_SECRET='s3cret\" x = \"'", 'JWT_APP_SECRET contains a quotation mark (")'),
        ("JWT_APP_ID='s3cret\\quote'", "JWT_APP_ID contains a backslash (\\)"),
        ("JWT_APP_ID=s3cret\\", "JWT_APP_ID contains a backslash (\\)"),
        ("JWT_ACCEPTED_ISSUERS='a,s3cret\nb'", "JWT_ACCEPTED_ISSUERS contains a line break"),
        ("XMPP_MUC_MODULES='a\"s3cret'", 'XMPP_MUC_MODULES contains a quotation mark (")'),
        ("XMPP_DOMAIN='m\"s3cret'", 'XMPP_DOMAIN contains a quotation mark (")'),
        (
            "XMPP_CONFIGURATION=app_secret={'s3cret','b'}",
            "XMPP_CONFIGURATION contains a comma (,)",
        ),
        ("XMPP_MUC_CONFIGURATION=s3cret", "XMPP_MUC_CONFIGURATION is not Lua"),
        ("GLOBAL_CONFIG='x = s3cret oops'", "GLOBAL_CONFIG is not Lua"),
    ],
)
def test_value_that_breaks_the_lua_is_named_not_quoted(
    read: Read, tmp_path: Path, line: str, character: str
) -> None:
    deployment = read(f"{TOKENS}{line}\n")
    (problem,) = deployment.config.problems
    assert str(problem).startswith(f"{tmp_path / '.env'}:4: {character}")
    assert "Prosody would not start: " in str(problem)
    assert "s3cret" not in str(problem)
    assert deployment.hosts == []


@pytest.mark.parametrize(
    "line",
    [
        "JWT_APP_SECRET=a'b",
        "JWT_APP_ID='50% {x} [y] -- z'",
        "XMPP_CONFIGURATION=a = { 'x'; 'y' },b = 1",
        "TURN_PASSWORD='\"'",
        "JWT_APP_ID=",
    ],
)
def test_other_values_break_nothing(read: Read, line: str) -> None:
    config = read(f"{TOKENS}{line}\n").config
    assert (config.problems, config.notes) == ([], [])


def test_escape_sequence_in_a_value_is_noted(read: Read) -> None:
    deployment = read(TOKENS + "JWT_APP_SECRET='back\\nslash'\n")
    (note,) = deployment.config.notes
    assert "JWT_APP_SECRET contains a backslash" in str(note)
    assert deployment.hosts


@pytest.mark.parametrize(
    ("word", "allowed"),
    [
        *((word, False) for word in ("", "0", "f", "F", "false", "False", "FALSE", '"0"', "'f'")),
        *((word, True) for word in ("1", "t", "true", "TRUE", "yes", "on", "'true'")),
        *((word, True) for word in ("no", "off", "n", "None", "fALSE", "disabled", "00", "-")),
    ],
)
def test_booleans_are_those_of_the_templates(read: Read, word: str, allowed: bool) -> None:
    (host,) = read(f"{TOKENS}JWT_ALLOW_EMPTY={word}\n").hosts
    assert host.options["allow_empty_token"] is allowed


def test_words_that_mean_no_to_people_are_noted(read: Read) -> None:
    config = read(f"{TOKENS}JWT_ALLOW_EMPTY=no\nENABLE_GUESTS=off\nENABLE_LOBBY=yes\n").config
    assert "guest.meet.jitsi" in config.hosts
    allow, guests = sorted(map(str, config.notes), key=len)
    assert "JWT_ALLOW_EMPTY=no means true to docker-jitsi-meet, so that guests without" in allow
    assert "ENABLE_GUESTS=off means true" in guests


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a,b,", ("a", "b")),
        (",a,,b", ("a", "b")),
        ("jitsi, portal", ("jitsi", " portal")),
        (",", ("",)),
    ],
)
def test_lists_are_those_of_the_templates(read: Read, text: str, items: tuple[str, ...]) -> None:
    (host,) = read(f"{TOKENS}JWT_ACCEPTED_ISSUERS='{text}'\n").hosts
    assert host.options["asap_accepted_issuers"] == items


@pytest.mark.parametrize("name", ["JWT_ACCEPTED_ISSUERS", "XMPP_MUC_MODULES", "GLOBAL_MODULES"])
def test_blanks_beside_a_comma_are_noted(read: Read, name: str) -> None:
    (note,) = map(str, read(f"{TOKENS}{name}=a, b\n").config.notes)
    assert note.endswith(f"{name}: the blanks beside a comma are part of the items; remove them")
    assert read(f"{TOKENS}{name}=a,b,\n").config.notes == []


def test_matrix_branch_has_hs256_and_no_key_server(read: Read) -> None:
    text = TOKENS.replace("jwt", "hybrid_matrix_token")
    more = "JWT_SIGN_TYPE=RS256\nJWT_ASAP_KEYSERVER=https://k.test\nJWT_ACCEPTED_ISSUERS=x\n"
    deployment = read(text + more + "MATRIX_UVS_ISSUER=uvs\n")
    (host,) = deployment.hosts
    assert host.options["signature_algorithm"] == "HS256"
    assert host.options["asap_key_server"] is None
    assert host.options["asap_accepted_issuers"] == ("my_app", "uvs")
    assert [note.text.partition(" ")[0] for note in deployment.config.notes] == [
        *("JWT_SIGN_TYPE", "JWT_ASAP_KEYSERVER")
    ]
    (host,) = read(text).hosts
    assert host.options["asap_accepted_issuers"] == ("my_app", "*")


@pytest.mark.parametrize("secret", ["", "0", "false"])
def test_secret_that_reads_as_false_is_left_out(read: Read, secret: str) -> None:
    (host,) = read(f"{TOKENS}JWT_APP_SECRET={secret}\n").hosts
    assert host.options["app_secret"] is None


def test_other_prosodys_of_docker_are_refused(read: Read) -> None:
    (problem,) = read(f"{TOKENS}PROSODY_MODE=visitors\n").config.problems
    assert "PROSODY_MODE is visitors" in str(problem)


@pytest.mark.parametrize(
    "text",
    [
        "AUTH_TYPE=jwt\nJWT_APP_ID=a\n",
        "ENABLE_AUTH=1\nJWT_APP_ID=a\n",
        TOKENS.replace("jwt", "ldap"),
    ],
)
def test_no_host_accepts_tokens_without_token_authentication(read: Read, text: str) -> None:
    assert read(text).hosts == []


def test_guest_domain_is_a_separate_host(read: Read) -> None:
    hosts = read(TOKENS + "ENABLE_GUESTS=1\n").config.hosts
    assert hosts["guest.meet.jitsi"].options["authentication"].value == "jitsi-anonymous"


def test_global_lines_are_read_before_the_hosts(read: Read) -> None:
    (host,) = read(TOKENS + 'GLOBAL_CONFIG=asap_require_room_claim = false\\nx = "y"\n').hosts
    assert host.options["asap_require_room_claim"] is False


def test_quotes_comments_and_references_are_read(read: Read) -> None:
    (host,) = read(
        '# a comment\n\nexport BASE=example.test # why\nXMPP_DOMAIN="meet.${BASE}"\n' + TOKENS
    ).hosts
    assert host.name == "meet.example.test"


def test_dollar_sign_for_compose_is_noted(read: Read, tmp_path: Path) -> None:
    deployment = read(
        f"{TOKENS}JWT_APP_SECRET=pa$word\nTURN_CREDENTIALS='a$b'\nJWT_CACHE_KEYS_URL=x\n"
    )
    (first,) = map(str, deployment.config.not_evaluated)
    (second,) = map(str, deployment.config.notes)
    assert first.startswith(f"{tmp_path / '.env'}:4: JWT_APP_SECRET has a $, which Docker Compose")
    assert second.startswith(f"{tmp_path / '.env'}:6: JWT_CACHE_KEYS_URL is not read by docker")
    assert "word" not in first


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (TOKENS + "what is this\n", ":4", "a line that is not NAME=VALUE"),
        ("OTHER=1\n", "", "none of docker-jitsi-meet's variables"),
        ("", "", "none of docker-jitsi-meet's variables"),
    ],
)
def test_other_files_are_problems(
    read: Read, tmp_path: Path, text: str, line: str, reason: str
) -> None:
    (problem,) = read(text).config.problems
    assert str(problem).startswith(f"{tmp_path / '.env'}{line}: {reason}")


def test_env_beside_lua_is_the_environment_of_getenv(tmp_path: Path) -> None:
    env, lua = tmp_path / "docker.env", tmp_path / "meet.cfg.lua"
    env.write_text(TOKENS)
    lua.write_text(
        'VirtualHost "a.test" authentication = "token" app_id = os.getenv "JWT_APP_ID"\n'
        "app_secret = ENV_NOT_KNOWN"
    )
    (host,) = read_deployment([lua, env], {"OTHER": "1"}).hosts
    assert host.options["app_id"] == "my_app"
    secret = host.options["app_secret"]
    assert secret == Unknown("the environment variable NOT_KNOWN, not set here")


def test_jicofo_switches_are_read_from_the_environment(read: Read) -> None:
    jicofo = read(TOKENS).jicofo
    assert jicofo is not None
    assert (jicofo.auto_owner, jicofo.authentication) == (None, True)
    jicofo = read(TOKENS + "ENABLE_AUTO_OWNER=0\nJICOFO_ENABLE_AUTH=false\n").jicofo
    assert jicofo is not None
    assert (jicofo.auto_owner, jicofo.authentication) == (False, False)
