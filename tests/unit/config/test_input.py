"""The TOML file and the environment, one value at a time."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from verifier.config.addresses import TcpAddress, UnixAddress
from verifier.config.load import load
from verifier.config.options import OPTIONS
from verifier.config.problems import ConfigError
from verifier.config.settings import Settings

SECRET = "0123456789abcdef0123456789abcdef"
CONFIG = Path("/etc/verifier.toml")
BASIC = f'app_id = "app"\napp_secret = "{SECRET}"\nenable_domain_verification = false\n'


class Files:
    """A file system with a few files."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)

    def __call__(self, path: Path) -> bytes:
        if str(path) not in self.files:
            raise FileNotFoundError(2, "No such file or directory")
        return self.files[str(path)]


def from_toml(text: str, environ: Mapping[str, str] | None = None, **files: bytes) -> Settings:
    disk = {f"/{name}": content for name, content in files.items()}
    return load(environ or {}, CONFIG, read_file=Files({str(CONFIG): text.encode(), **disk}))


def from_env(files: Mapping[str, bytes] | None = None, **environ: str) -> Settings:
    base = {"JWT_APP_ID": "app", "JWT_ENABLE_DOMAIN_VERIFICATION": "0"}
    if "JWT_APP_SECRET_FILE" not in environ:
        base["JWT_APP_SECRET"] = SECRET
    return load({**base, **environ}, read_file=Files(files or {}))


def only_problem(error: pytest.ExceptionInfo[ConfigError]) -> str:
    assert len(error.value.problems) == 1, str(error.value)
    return str(error.value.problems[0])


def test_defaults_are_in_force() -> None:
    settings = from_toml(BASIC)
    assert settings.asap_accepted_issuers == ("app",)
    assert settings.asap_accepted_audiences == ("*",)
    assert settings.listen == (TcpAddress("127.0.0.1", 8090),)
    assert settings.admin_listen == TcpAddress("127.0.0.1", 8091)
    assert settings.token_cookie is None
    assert settings.decision_ttl == 30
    assert settings.notices == ()
    assert (settings.key_fetch_timeout, settings.key_lookup_rate) == (5, 10)
    assert (settings.key_grace, settings.key_stale_grace) == (5400, 86400)


def test_every_option_of_the_file_is_read() -> None:
    settings = from_toml(
        BASIC.replace(f'"{SECRET}"', f'["{SECRET}", "{SECRET}2"]').replace("false", "true")
        + """
        signature_algorithm = "HS512"
        asap_accepted_issuers = ["a", "b"]
        asap_accepted_audiences = "c"
        asap_require_room_claim = false
        allow_empty_token = true
        muc_mapper_domain_base = "meet.example.org"
        muc_mapper_domain_prefix = "rooms"
        muc_mapper_domain = "muc.example.org"
        token_regex_enabled = false
        token_regex_room_max_length = 64
        token_regex_max_quantifiers = 0
        listen = ["[::1]:8090", "unix:/run/auth.sock"]
        admin_listen = "127.0.0.1:9000"
        admin_token = "0123456789abcdef"
        token_cookie = "jitsi-jwt"
        decision_ttl = 0
        log_format = "console"
        log_level = "WARNING"
        key_fetch_timeout = 2.5
        key_grace = 0
        key_stale_grace = 60
        key_lookup_rate = 1
        """
    )
    assert settings.app_secret == (SECRET, SECRET + "2")
    assert settings.signature_algorithm == "HS512"
    assert settings.asap_accepted_issuers == ("a", "b")
    assert settings.asap_accepted_audiences == ("c",)
    assert not settings.asap_require_room_claim
    assert settings.allow_empty_token
    assert settings.enable_domain_verification
    assert settings.muc_mapper_domain_base == "meet.example.org"
    assert settings.muc_mapper_domain_prefix == "rooms"
    assert settings.muc_mapper_domain == "muc.example.org"
    assert not settings.token_regex_enabled
    assert (settings.token_regex_room_max_length, settings.token_regex_max_quantifiers) == (64, 0)
    assert settings.listen == (TcpAddress("::1", 8090), UnixAddress("/run/auth.sock"))
    assert settings.admin_listen == TcpAddress("127.0.0.1", 9000)
    assert settings.admin_token == "0123456789abcdef"
    assert settings.token_cookie == "jitsi-jwt"
    assert settings.decision_ttl == 0
    assert (settings.log_format, settings.log_level) == ("console", "warning")
    assert (settings.key_fetch_timeout, settings.key_grace) == (2.5, 0)
    assert (settings.key_stale_grace, settings.key_lookup_rate) == (60, 1)


def test_every_variable_of_the_environment_is_read() -> None:
    settings = from_env(
        JWT_SIGN_TYPE="HS384",
        JWT_ACCEPTED_ISSUERS="a,b",
        JWT_ACCEPTED_AUDIENCES="c",
        JWT_REQUIRE_ROOM_CLAIM="false",
        JWT_ALLOW_EMPTY="1",
        JWT_ENABLE_DOMAIN_VERIFICATION="True",
        XMPP_DOMAIN="meet.jitsi",
        XMPP_MUC_DOMAIN="muc.meet.jitsi",
        VERIFIER_LISTEN="127.0.0.1:80, unix:/run/auth.sock",
        VERIFIER_ADMIN_LISTEN="[::1]:81",
        VERIFIER_ADMIN_TOKEN="0123456789abcdef",
        VERIFIER_TOKEN_COOKIE="jwt",
        VERIFIER_DECISION_TTL="7",
        VERIFIER_LOG_FORMAT="json",
        VERIFIER_LOG_LEVEL="error",
        VERIFIER_KEY_FETCH_TIMEOUT="0.5",
        VERIFIER_KEY_GRACE="1",
        VERIFIER_KEY_STALE_GRACE="2",
        VERIFIER_KEY_LOOKUP_RATE="3",
    )
    assert settings.signature_algorithm == "HS384"
    assert settings.asap_accepted_issuers == ("a", "b")
    assert settings.asap_accepted_audiences == ("c",)
    assert not settings.asap_require_room_claim
    assert settings.allow_empty_token
    assert settings.enable_domain_verification
    assert settings.muc_mapper_domain == "muc.meet.jitsi"
    assert settings.listen == (TcpAddress("127.0.0.1", 80), UnixAddress("/run/auth.sock"))
    assert settings.admin_listen == TcpAddress("::1", 81)
    assert settings.admin_token == "0123456789abcdef"
    assert (settings.token_cookie, settings.decision_ttl) == ("jwt", 7)
    assert (settings.log_format, settings.log_level) == ("json", "error")
    assert (settings.key_fetch_timeout, settings.key_grace) == (0.5, 1)
    assert (settings.key_stale_grace, settings.key_lookup_rate) == (2, 3)


def test_environment_wins_over_the_file() -> None:
    settings = from_toml(BASIC + "decision_ttl = 1\n", {"VERIFIER_DECISION_TTL": "2"})
    assert settings.decision_ttl == 2


def test_empty_variable_is_ignored() -> None:
    settings = from_toml(BASIC, {"JWT_APP_ID": "", "JWT_APP_SECRET": '""', "XMPP_DOMAIN": "  "})
    assert settings.app_id == "app"
    assert settings.app_secret == (SECRET,)


def test_environment_can_name_the_file() -> None:
    environ = {"VERIFIER_CONFIG": str(CONFIG)}
    assert load(environ, read_file=Files({str(CONFIG): BASIC.encode()})).app_id == "app"


def test_argument_wins_over_the_environments_file() -> None:
    environ = {"VERIFIER_CONFIG": "/not/there"}
    assert load(environ, CONFIG, read_file=Files({str(CONFIG): BASIC.encode()})).app_id == "app"


@pytest.mark.parametrize("word", ["1", "t", "T", "true", "TRUE", "True", "'true'", '"1"'])
def test_docker_jitsi_meets_words_for_true_are_accepted(word: str) -> None:
    assert from_env(JWT_ALLOW_EMPTY=word).allow_empty_token


@pytest.mark.parametrize("word", ["0", "f", "F", "false", "FALSE", "False", "'0'"])
def test_docker_jitsi_meets_words_for_false_are_accepted(word: str) -> None:
    assert not from_env(JWT_REQUIRE_ROOM_CLAIM=word).asap_require_room_claim


@pytest.mark.parametrize("word", ["yes", "2", "tru", "none"])
def test_other_words_are_not_booleans(word: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_env(JWT_ALLOW_EMPTY=word)
    text = only_problem(error)
    assert text.startswith(f'allow_empty_token (JWT_ALLOW_EMPTY): found "{word}"; expected true')


def test_blanks_in_comma_list_are_dropped_with_notice() -> None:
    settings = from_env(JWT_ACCEPTED_ISSUERS="a, b,,")
    assert settings.asap_accepted_issuers == ("a", "b")
    assert settings.notices == (
        "JWT_ACCEPTED_ISSUERS: blanks beside a comma are not part of a value",
    )


@pytest.mark.parametrize("text", [SECRET, f'"{SECRET}"', f"'{SECRET}'"])
def test_quotes_left_by_an_env_file_are_removed(text: str) -> None:
    settings = from_env(JWT_APP_SECRET=text, JWT_APP_ID='"app"')
    assert settings.app_secret == (SECRET,)
    assert settings.app_id == "app"


def test_blanks_are_part_of_a_secret() -> None:
    secret = f" {SECRET} "
    assert from_env(JWT_APP_SECRET=secret).app_secret == (secret,)
    assert from_env(JWT_APP_SECRET=f"'{secret}'").app_secret == (secret,)


def test_secret_file_has_one_secret_a_line() -> None:
    content = f" {SECRET} \r\n\n'{SECRET}'\n{SECRET}\n".encode()
    settings = from_env({"/run/secret": content}, JWT_APP_SECRET_FILE="/run/secret")
    assert settings.app_secret == (f" {SECRET} ", f"'{SECRET}'", SECRET)
    assert settings.watched_files == (Path("/run/secret"),)


def test_byte_order_mark_is_not_part_of_a_secret() -> None:
    content = b"\xef\xbb\xbf" + SECRET.encode()
    settings = from_env({"/run/secret": content}, JWT_APP_SECRET_FILE="/run/secret")
    assert settings.app_secret == (SECRET,)


def test_toml_file_can_name_secret_files() -> None:
    text = 'app_id = "app"\napp_secret_file = "/one"\nadmin_token_file = "/two"\n'
    settings = from_toml(text, one=SECRET.encode(), two=b"0123456789abcdef\n")
    assert settings.app_secret == (SECRET,)
    assert settings.admin_token == "0123456789abcdef"
    assert settings.watched_files == (Path("/one"), Path("/two"))


def test_each_load_reads_secret_files_again() -> None:
    environ = {"JWT_APP_ID": "app", "JWT_APP_SECRET_FILE": "/run/secret"}
    files = Files({"/run/secret": b"one"})
    assert load(environ, read_file=files).app_secret == ("one",)
    files.files["/run/secret"] = b"two\none"
    assert load(environ, read_file=files).app_secret == ("two", "one")


def test_variable_and_its_file_variable_exclude_each_other() -> None:
    with pytest.raises(ConfigError) as error:
        from_env({"/x": b"x"}, JWT_APP_SECRET=SECRET, JWT_APP_SECRET_FILE="/x")
    assert only_problem(error) == (
        "app_secret (environment): found both JWT_APP_SECRET_FILE and JWT_APP_SECRET;"
        " expected only one of them"
    )


def test_key_and_its_file_key_exclude_each_other() -> None:
    with pytest.raises(ConfigError) as error:
        from_toml(BASIC + 'app_secret_file = "/x"\n', x=b"x")
    assert only_problem(error) == (
        "app_secret (/etc/verifier.toml): found both app_secret_file and app_secret;"
        " expected only one of them"
    )


def test_file_variable_wins_over_a_secret_in_the_file() -> None:
    settings = from_toml(BASIC, {"JWT_APP_SECRET_FILE": "/x"}, x=SECRET[::-1].encode())
    assert settings.app_secret == (SECRET[::-1],)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, '"/run/secret": No such file or directory; expected a file of UTF-8 text'),
        (b"", "an empty file; expected a string"),
        (b" \n\n", "an empty file; expected a string"),
        (b"\xff\xfe", '"/run/secret": bytes that are not UTF-8; expected a file of UTF-8 text'),
    ],
)
def test_unusable_secret_file_is_a_problem(content: bytes | None, found: str) -> None:
    files = {} if content is None else {"/run/secret": content}
    with pytest.raises(ConfigError) as error:
        from_env(files, JWT_APP_SECRET_FILE="/run/secret")
    assert only_problem(error).startswith(f"app_secret (JWT_APP_SECRET_FILE): found {found}")


def test_admin_token_file_must_have_one_line() -> None:
    with pytest.raises(ConfigError) as error:
        from_env({"/x": b"one\ntwo"}, VERIFIER_ADMIN_TOKEN_FILE="/x")
    assert "found 2 lines (not shown)" in only_problem(error)


def test_secret_given_as_a_file_name_is_not_shown() -> None:
    with pytest.raises(ConfigError) as error:
        from_env(JWT_APP_SECRET_FILE="SUPERSECRETMARK")
    assert "a relative path (not shown): No such file" in only_problem(error)


def test_secret_must_be_utf8() -> None:
    with pytest.raises(ConfigError) as error:
        from_env(JWT_APP_SECRET="abc\udcff")
    assert "found a string (not shown)" in only_problem(error)


def test_missing_config_file_is_the_only_problem() -> None:
    with pytest.raises(ConfigError) as error:
        load({}, CONFIG, read_file=Files({}))
    assert only_problem(error) == (
        "/etc/verifier.toml: found No such file or directory; expected a TOML file in UTF-8"
    )


def test_config_file_must_be_utf8() -> None:
    with pytest.raises(ConfigError) as error:
        load({}, CONFIG, read_file=Files({str(CONFIG): b"\xff"}))
    assert "bytes that are not UTF-8" in only_problem(error)


def test_path_with_a_nul_is_a_problem() -> None:
    with pytest.raises(ConfigError) as error:
        load({}, Path("/etc/\0"))
    assert "no file's name" in only_problem(error)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("app_id = app\n", "line 1, column 10 (a text needs quotes, and true and"),
        ("\napp_secret = SUPERSECRETMARK\n", "line 2, column 14 (a text needs quotes"),
        ("allow_empty_token = True\n", "line 1, column 21 (a text needs quotes, and true"),
        ("app_id: 'a'\n", "line 1, column 7 (an option is written as NAME = VALUE"),
        ('app_secret = "SUPERSECRETMARK" SUPERSECRETMARK', "line 1, column 32 (nothing may"),
        ('app_id = "a";\n', "line 1, column 13 (nothing may follow a value on its line"),
        ('app_secret = "SUPERSECRETMARK', "end of document (the closing quote is missing"),
        ('app_secret = "SUPERSECRETMARK\nx"', "line 1, column 30 (the closing quote is missing"),
        ('app_secret = "a\\dSUPERSECRETMARK"', "line 1, column 18 (a backslash in "),
        ("{SUPERSECRETMARK}", "line 1, column 1;"),
    ],
)
def test_syntax_error_gives_the_position_and_no_text(text: str, place: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_toml(text)
    problem = only_problem(error)
    assert problem.startswith(f"/etc/verifier.toml: found a syntax error at {place}")
    assert problem.endswith("; expected a TOML file in UTF-8")
    assert "SUPERSECRETMARK" not in problem


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('app_id = "a"\napp_id = "b"\n', "line 2, column 13"),
        ("SUPERSECRETMARK.a = 1\nSUPERSECRETMARK = 2\n", "line 2, column 20"),
        ("[policy]\n[policy]\n", "line 2, column 8"),
    ],
)
def test_name_that_is_there_twice_is_told_from_a_syntax_error(text: str, place: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_toml(text)
    assert only_problem(error) == (
        f"/etc/verifier.toml: found a name that is there twice at {place};"
        " expected a TOML file in UTF-8"
    )


@pytest.mark.parametrize("line", ['mode = "report-only"', 'admin_token_file = "/run/token"'])
def test_option_below_a_table_belongs_above_it(line: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_toml(f"{BASIC}[policy]\n{line}\n")
    assert only_problem(error) == (
        f"policy.{line.partition(' ')[0]} (/etc/verifier.toml): found an option that does not"
        " belong to this table; expected it above the line that begins the table"
    )


def test_problem_of_an_unknown_key_names_the_nearest_one() -> None:
    with pytest.raises(ConfigError) as error:
        from_toml(BASIC + 'app_secert = "SUPERSECRETMARK"\n')
    assert only_problem(error) == (
        "app_secert (/etc/verifier.toml): found an unknown option;"
        " expected the name of an option; the nearest is app_secret"
    )


@pytest.mark.parametrize(
    "line",
    [
        "[policy]\nrequire_signature = true",
    ],
)
def test_unknown_policy_option_is_a_problem(line: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_toml(f"{BASIC}{line}\n")
    assert "found an unknown option" in only_problem(error)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('app_id = ""', '""'),
        ("app_id = 5", "5"),
        ("app_secret = 5", "an integer (not shown)"),
        ('app_secret = ""', "an empty string"),
        ("app_secret = []", "an array (not shown)"),
        ('app_secret = ["a", 1]', "an array (not shown)"),
        ("app_secret_file = 5", "an integer"),
        ("asap_key_server = true", "true"),
        ('asap_key_server = "ftp://keys.example.org"', '"ftp://keys.example.org"'),
        ('asap_key_server = "https://"', '"https://"'),
        ('asap_key_server = "https://k.example.org:99999"', '"https://k.example.org:99999"'),
        ('asap_key_server = "https://k.example.org?a=b"', '"https://k.example.org?***"'),
        ('cache_keys_url = "https://me:pw@k.example.org/x"', '"***@k.example.org/x"'),
        ('cache_keys_url = "https://k.example.org/a b"', '"https://k.example.org/a b"'),
        ('cache_keys_url = "https://k.example.org/#x"', '"https://k.example.org/#x"'),
        ('cache_keys_url = "https://[::1/x"', '"https://[::1/x"'),
        ('public_keys = "x"', "a string"),
        ("public_keys = { a = 1 }", "a table"),
        ('signature_algorithm = "none"', '"none"'),
        ('signature_algorithm = "hs256"', '"hs256"'),
        ("signature_algorithm = []", "[]"),
        ('signature_algorithm = ["HS256", "HS384"]', "HS256, HS384"),
        ("asap_accepted_issuers = []", "[]"),
        ('asap_accepted_issuers = [""]', '[""]'),
        ("asap_accepted_audiences = 1", "1"),
        ('allow_empty_token = "true"', '"true"'),
        ("allow_empty_token = 1", "1"),
        ('muc_mapper_domain_base = "https://meet.example.org"', '"https://meet.example.org"'),
        ('muc_mapper_domain = "a..b"', '"a..b"'),
        ("token_regex_room_max_length = -1", "-1"),
        ("token_regex_max_quantifiers = 1.5", "1.5"),
        ("token_regex_max_quantifiers = true", "true"),
        ('listen = "127.0.0.1:65536"', '"127.0.0.1:65536"'),
        ("listen = []", "[]"),
        ("listen = 8090", "8090"),
        ('admin_listen = ["127.0.0.1:1"]', '["127.0.0.1:1"]'),
        ('admin_token = "two words"', "a string (not shown)"),
        ('token_cookie = "a;b"', '"a;b"'),
        ("decision_ttl = -1", "-1"),
        ("decision_ttl = 1979-05-27", "a date or time"),
        ('log_format = "xml"', '"xml"'),
        ('log_level = "loud"', '"loud"'),
        ("key_fetch_timeout = 0", "0"),
        ("key_grace = -1", "-1"),
        ("key_stale_grace = nan", "NaN"),
        ('key_lookup_rate = "fast"', '"fast"'),
    ],
)
def test_problem_says_which_wrong_value_was_found(line: str, found: str) -> None:
    name = line.partition(" ")[0]
    text = "".join(f"{other}\n" for other in BASIC.splitlines() if not other.startswith(f"{name} "))
    if name == "app_secret_file":
        text = text.replace(f'app_secret = "{SECRET}"', "")
    with pytest.raises(ConfigError) as error:
        from_toml(f"{text}{line}\n")
    assert f"{name} (/etc/verifier.toml): found {found}; expected " in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VERIFIER_DECISION_TTL", "-1"),
        ("VERIFIER_DECISION_TTL", "1.5"),
        ("VERIFIER_DECISION_TTL", "٣"),
        ("VERIFIER_KEY_GRACE", "long"),
        ("VERIFIER_KEY_GRACE", "inf"),
        ("VERIFIER_KEY_LOOKUP_RATE", "0"),
        ("VERIFIER_LISTEN", "8090"),
        ("VERIFIER_LISTEN", ","),
        ("VERIFIER_ADMIN_LISTEN", "127.0.0.1:1,127.0.0.1:2"),
        ("JWT_ACCEPTED_ISSUERS", " , "),
    ],
)
def test_wrong_variable_is_a_problem(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_env({}, **{name: value})
    assert f"({name}): found " in only_problem(error)


def test_all_problems_are_reported_at_once() -> None:
    text = 'app_id = ""\nlisten = "x"\nfoo = 1\nsignature_algorithm = "none"\n'
    environ = {"VERIFIER_DECISION_TTL": "no\nno", "JWT_ASAP_KEYSERVER": "ftp://x"}
    with pytest.raises(ConfigError) as error:
        from_toml(text, environ)
    lines = str(error.value).splitlines()
    assert lines[0] == "6 problems in the configuration:"
    assert len(lines) == 7
    assert {line.split()[0] for line in lines[1:]} == {
        *("app_id", "listen", "foo", "signature_algorithm", "decision_ttl", "asap_key_server")
    }


def test_long_value_is_cut() -> None:
    with pytest.raises(ConfigError) as error:
        from_toml(f'{BASIC}log_level = "{"x" * 5000}"\n')
    assert len(only_problem(error)) < 250


def test_notice_of_an_unknown_variable_names_the_nearest_one() -> None:
    settings = from_env(VERIFIER_ADMIN_LISTEM="SUPERSECRETMARK")
    assert settings.notices[0] == (
        "VERIFIER_ADMIN_LISTEM: not a known variable, ignored; the nearest is VERIFIER_ADMIN_LISTEN"
    )


def test_misspelt_policy_variable_is_a_problem() -> None:
    with pytest.raises(ConfigError) as error:
        from_env(None, VERIFIER_POLICY_REQUIRE_JIT="1")
    assert only_problem(error) == (
        "VERIFIER_POLICY_REQUIRE_JIT (environment): found an unknown policy option;"
        " expected a known one; the nearest is VERIFIER_POLICY_REQUIRE_JTI"
    )


def test_unknown_rules_are_a_problem() -> None:
    with pytest.raises(ConfigError) as error:
        from_toml(f'{BASIC}rules = "lenient"\n')
    assert "expected jitsi or strict" in only_problem(error)
    settings = from_toml(BASIC + 'rules = "jitsi"\nmode = "enforce"\nleeway = 5\n')
    assert settings.policy().leeway == 5
    assert "Jitsi has no leeway: Prosody refuses" in settings.notices[-1]


def test_comment_in_a_secret_file_is_a_problem() -> None:
    with pytest.raises(ConfigError) as error:
        load(
            {"JWT_APP_ID": "a", "JWT_APP_SECRET_FILE": "/s"},
            read_file=lambda _path: b"# rotated in January\n" + b"s" * 40,
        )
    assert "there are no comments" in only_problem(error)
    assert "January" not in str(error.value)


def test_notice_of_blanks_and_quotes_in_a_secret_file() -> None:
    settings = load(
        {"JWT_APP_ID": "a", "JWT_APP_SECRET_FILE": "/s"},
        read_file=lambda _path: b'"' + b"s" * 40 + b'" \n',
    )
    assert "are part of it" in settings.notices[0]
    assert settings.app_secret[0].endswith('" ')


def test_host_names_become_lower_case() -> None:
    settings = from_env(XMPP_DOMAIN="Meet.Jitsi", XMPP_MUC_DOMAIN="MUC.Meet.Jitsi")
    assert settings.muc_mapper_domain_base == "meet.jitsi"
    assert settings.muc_mapper_domain == "muc.meet.jitsi"


def test_configuration_nested_too_deep_is_a_problem() -> None:
    with pytest.raises(ConfigError, match="nested too deep"):
        from_toml("a = " + "[" * 3000)


def test_variables_of_a_kubernetes_service_are_ignored() -> None:
    settings = from_env(
        VERIFIER_SERVICE_HOST="10.0.0.1",
        VERIFIER_SERVICE_PORT="8090",
        VERIFIER_SERVICE_PORT_HTTP="8090",
        VERIFIER_PORT="tcp://10.0.0.1:8090",
        VERIFIER_PORT_8090_TCP="tcp://10.0.0.1:8090",
        VERIFIER_PORT_8090_TCP_ADDR="10.0.0.1",
        VERIFIER_PORT_8090_TCP_PROTO="tcp",
        VERIFIER_PORT_8090_TCP_PORT="8090",
        VERIFIER_ADMIN_SERVICE_HOST="10.0.0.2",
        VERIFIER_ADMIN_PORT_8091_TCP="tcp://10.0.0.2:8091",
    )
    assert settings.notices == ()


def test_port_set_by_hand_gives_a_notice() -> None:
    assert "VERIFIER_PORT: not a known variable" in from_env(VERIFIER_PORT="9000").notices[0]


def test_known_variables_give_no_notice() -> None:
    known = {name for option in OPTIONS for name in (option.variable, option.file_variable) if name}
    environ = dict.fromkeys(known, "") | {"VERIFIER_CONFIG": ""}
    assert from_toml(BASIC, environ).notices == ()
