"""The ``check-config`` command: its text, its JSON, its status, and the secrets it hides."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import Run
from tests.support.paths import ROOT
from tests.support.tokens import SECRET
from verifier.config import OPTIONS

DEPLOYMENTS = Path(__file__).parents[1] / "check_config" / "deployments"
DEBIAN = DEPLOYMENTS / "debian" / "prosody.cfg.lua"
DOCKER = DEPLOYMENTS / "docker" / "jitsi-meet.cfg.lua"
THEIRS = "4b1c6a2f9e0d7358c1b2a3948576e0f1d2c3b4a5"
AGREEING = {
    "JWT_APP_ID": "moodle",
    "JWT_APP_SECRET": THEIRS,
    "XMPP_DOMAIN": "meet.example.org",
    "JWT_ACCEPTED_ISSUERS": "portal,moodle",
    "JWT_ACCEPTED_AUDIENCES": "jitsi",
}


def test_valid_configuration_is_shown_in_short(run: Run) -> None:
    outcome = run("check-config")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith("The configuration is valid. In force:\n")
    assert "  app_secret                  set\n" in outcome.out
    assert "Notices:\n  enable_domain_verification (JWT_ENABLE_DOMAIN" in outcome.out
    assert outcome.out.endswith("\nValid.\n")
    assert SECRET not in outcome.out


def test_key_in_a_url_is_hidden(run: Run, configured: Callable[..., None]) -> None:
    configured(JWT_APP_ID="app", JWT_CACHE_KEYS_URL="https://keys.test/certs?key=s3cret")
    outcome = run("check-config")
    assert "  cache_keys_url              https://keys.test/certs?***\n" in outcome.out


def test_all_problems_are_named_at_once(run: Run, configured: Callable[..., None]) -> None:
    configured(JWT_SIGN_TYPE="none", VERIFIER_LISTEN="nowhere", JWT_ALLOW_EMPTY="perhaps")
    outcome = run("check-config")
    assert outcome.status == 1
    for name in ("app_id", "signature_algorithm", "listen", "allow_empty_token"):
        assert f"\n  {name} (" in outcome.out
    outcome = run("check-config", "--json")
    assert outcome.status == 1
    assert outcome.json["ok"] is False
    assert outcome.json["configuration"] is None
    named = {problem["option"] for problem in outcome.json["problems"]}
    assert named >= {"app_id", "signature_algorithm", "listen", "allow_empty_token"}


def test_agreement_exits_with_0(run: Run, configured: Callable[..., None]) -> None:
    configured(**AGREEING)
    outcome = run(
        "check-config", "--prosody", str(DEBIAN), str(DEBIAN.parent / "jicofo.conf"), "--json"
    )
    assert outcome.status == 0, outcome.out
    assert outcome.json["ok"] is True
    assert outcome.json["risks"] == []
    assert [Path(file).name for file in outcome.json["prosody"]["files"]] == [
        "prosody.cfg.lua",
        "meet.example.org.cfg.lua",
    ]
    (host,) = outcome.json["prosody"]["hosts"]
    assert (host["host"], host["table"]) == ("meet.example.org", None)
    assert {row["result"] for row in host["rows"]} == {"same"}


def test_stricter_option_is_marked_and_agrees(run: Run, configured: Callable[..., None]) -> None:
    configured(**AGREEING, VERIFIER_RULES="strict", VERIFIER_POLICY_REQUIRE_JTI="1")
    outcome = run("check-config", "--prosody", str(DEBIAN))
    assert outcome.status == 0
    assert "  +  policy.require_jti" in outcome.out
    assert "  +  rules " in outcome.out
    assert "  policy.require_jti          true\n" in outcome.out
    assert "Prosody accepts more" in outcome.out
    rows = run("check-config", "--prosody", str(DEBIAN), "--json").json["prosody"]["hosts"][0][
        "rows"
    ]
    assert [row["option"] for row in rows if row["result"] == "stricter"] == [
        *("rules", "policy.require_jti")
    ]


def test_included_file_is_read_once(run: Run, configured: Callable[..., None]) -> None:
    configured(**AGREEING)
    included = DEBIAN.parent / "conf.d" / "meet.example.org.cfg.lua"
    outcome = run("check-config", "--json", "--prosody", str(DEBIAN), "--prosody", str(included))
    assert outcome.status == 0
    assert len(outcome.json["prosody"]["files"]) == 2


def test_risks_are_warnings(run: Run, configured: Callable[..., None]) -> None:
    configured(**AGREEING)
    conf = DOCKER.parent / "jicofo.conf"
    outcome = run("check-config", "--prosody", str(DEBIAN), str(conf))
    assert outcome.status == 0
    assert "Jicofo's enable-auto-owner is on" in outcome.out
    assert outcome.out.endswith("\nValid, and in agreement. 1 risk\n")


def test_host_for_accounts_alone_is_no_disagreement(
    run: Run, configured: Callable[..., None], tmp_path: Path
) -> None:
    configured(**AGREEING)
    recorder = tmp_path / "recorder.cfg.lua"
    recorder.write_text(
        'VirtualHost "recorder.meet.example.org" authentication = "internal_hashed"'
    )
    outcome = run("check-config", "--prosody", str(DEBIAN), str(recorder))
    assert outcome.status == 0
    assert "\nNothing to do, unless there are such accounts:\n" in outcome.out
    assert outcome.out.endswith("\nValid, and in agreement.\n")
    recorder.write_text(
        f'{recorder.read_text()} recorder_prefixes = {{ "r@recorder.meet.example.org" }}'
    )
    outcome = run("check-config", "--prosody", str(DEBIAN), str(recorder))
    assert outcome.status == 1
    assert "1 entrance that this verifier refuses" in outcome.out


def test_disagreements_are_a_table_without_secrets(run: Run) -> None:
    outcome = run("check-config", "--prosody", str(DOCKER))
    assert outcome.status == 1
    lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
    where = f"{DOCKER}:17"
    row = f'✗ asap_accepted_issuers "my_web_client", "my_app_client" "app" {where}'
    assert row in lines
    assert "✓ asap_require_room_claim true true default" in lines
    assert any(line.startswith("✗ app_secret secret 6c5bf614 secret ") for line in lines)
    counts = "7 disagreements, 1 entrance that this verifier refuses, 2 risks"
    assert lines[0] == lines[-1] == f"Not in agreement: {counts}."
    assert "my_jitsi_app_secret" not in outcome.out
    assert SECRET not in outcome.out


def test_verdict_is_the_first_line_and_the_last(
    run: Run, configured: Callable[..., None], tmp_path: Path
) -> None:
    configured(**AGREEING)
    agreeing = run("check-config", "--prosody", str(DEBIAN)).out.splitlines()
    assert agreeing[0] == agreeing[-1]
    assert agreeing[0].startswith("Valid, and in agreement.")
    jicofo = tmp_path / "jicofo.conf"
    jicofo.write_text("jicofo { conference { enable-auto-owner = true } }")
    alone = run("check-config", "--prosody", str(jicofo))
    assert alone.status == 1
    assert alone.out.startswith("Nothing could be compared: 1 risk.\n")
    configured(JWT_APP_ID="")
    invalid = run("check-config", "--prosody", str(DEBIAN)).out
    assert invalid.startswith("Not valid: ")


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("x = = 1", "meet.cfg.lua:1: a syntax error at column 5"),
        ('VirtualHost "a.test"', "None of the VirtualHosts with rooms accepts tokens."),
        (
            'authentication = "token"\nVirtualHost "a.test"\napp_id = f()',
            "meet.cfg.lua:3: a call of something",
        ),
    ],
)
def test_incomparable_files_do_not_agree(run: Run, tmp_path: Path, text: str, finding: str) -> None:
    file = tmp_path / "meet.cfg.lua"
    file.write_text(text)
    outcome = run("check-config", "--prosody", str(file))
    assert outcome.status == 1
    assert finding in outcome.out


def test_unreadable_files_are_counted(run: Run, tmp_path: Path) -> None:
    outcome = run("check-config", "--prosody", str(tmp_path), str(tmp_path / "missing.env"))
    assert outcome.status == 1
    assert f"  {tmp_path}: no file of Jitsi's is in this folder, expected prosody" in outcome.out
    assert outcome.out.endswith("\nNothing could be compared: 2 unreadable places.\n")


def test_unknown_option_does_not_agree(
    run: Run, configured: Callable[..., None], tmp_path: Path
) -> None:
    configured(**AGREEING)
    text = (DEBIAN.parent / "conf.d" / "meet.example.org.cfg.lua").read_text()
    file = tmp_path / "meet.cfg.lua"
    file.write_text(text.replace(f'"{THEIRS}"', "os.getenv 'NOT_SET_HERE'"))
    outcome = run("check-config", "--prosody", str(file))
    assert outcome.status == 1
    assert "not known: the environment variable NOT_SET_HERE, not set here" in outcome.out
    assert outcome.out.endswith(
        "\nAgreement is not certain: 1 option that could not be compared.\n"
    )


def test_unevaluated_statement_does_not_agree(
    run: Run, configured: Callable[..., None], tmp_path: Path
) -> None:
    configured(**AGREEING)
    file = tmp_path / "prosody.cfg.lua"
    file.write_text(f'Include "{DEBIAN}" local function f() app_id = "x" end f()')
    outcome = run("check-config", "--prosody", str(file))
    assert outcome.status == 1
    assert outcome.out.endswith("\nAgreement is not certain: 1 place not evaluated.\n")


def test_first_configuration_is_written_from_prosodys(
    run: Run, configured: Callable[..., None], tmp_path: Path
) -> None:
    configured()
    written = tmp_path / "verifier.toml"
    outcome = run("check-config", "--prosody", str(DEBIAN), "--write", str(written))
    assert outcome.status == 0
    assert "\nWritten, and in agreement.\n" in outcome.out
    assert "not valid" not in outcome.out
    assert f"Written: {written} (the service's user" in outcome.out
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    outcome = run("check-config", "--config", str(written), "--prosody", str(DEBIAN))
    assert outcome.status == 0, outcome.out
    assert THEIRS in written.read_text()
    assert THEIRS not in outcome.out


def test_replaced_configuration_is_compared(
    run: Run, configured: Callable[..., None], tmp_path: Path
) -> None:
    configured()
    written = tmp_path / "verifier.toml"
    written.write_text("app_id = 5")
    command = ("check-config", "--prosody", str(DEBIAN), "--write", str(written), "--force")
    other = tmp_path / "other.toml"
    other.write_text("app_id = 5")
    outcome = run(*command, "--config", str(other))
    assert outcome.status == 1
    assert "The configuration is not valid" in outcome.out
    outcome = run(*command, "--config", str(written))
    assert outcome.status == 0
    assert "\nWritten, and in agreement.\n" in outcome.out
    configured(JWT_SIGN_TYPE="none")
    assert run(*command).status == 1


def test_no_line_contains_what_a_terminal_interprets(run: Run, tmp_path: Path) -> None:
    names = '"meet\\27[2J.test\\r\\nValid.\\226\\128\\174"', '"guest\\27]0;x\\7.test"'
    file = tmp_path / "a\x1b[31m.cfg.lua"
    file.write_text(
        f'VirtualHost {names[0]} authentication = "token" app_id = "\\27[31m" app_secret = "s"\n'
        f'VirtualHost {names[1]} authentication = "anonymous" main_muc = "\\27"\n'
        f'Component {names[0].replace("meet", "muc.meet")} "muc" x = = 1'
    )
    good = tmp_path / "b.cfg.lua"
    good.write_text(file.read_text().replace("x = = 1", "muc_mapper_domain_base = '\\27'"))
    for path in (file, good):
        outcome = run("check-config", "--prosody", str(path))
        assert outcome.out.replace("\n", "").isprintable()
        assert outcome.out.count("\nValid.") == 0
        as_json = run("check-config", "--prosody", str(path), "--json")
        assert as_json.out.replace("\n", "").isascii()
        assert "\x1b" not in as_json.out


def test_standard_input_is_read(run: Run, configured: Callable[..., None]) -> None:
    configured(**AGREEING)
    text = (DEBIAN.parent / "conf.d" / "meet.example.org.cfg.lua").read_bytes()
    outcome = run("check-config", "--prosody", "-", stdin=text)
    assert outcome.status == 0
    assert "\nRead:\n  -: Prosody's configuration\n" in outcome.out


def test_entrances_and_kinds_are_in_the_json(run: Run) -> None:
    outcome = run("check-config", "--prosody", str(DOCKER), str(DOCKER.parent), "--json")
    prosody = outcome.json["prosody"]
    assert prosody["taken_for"] == {
        str(DOCKER.parent / "jicofo.conf"): "Jicofo's configuration",
        str(DOCKER): "Prosody's configuration",
    }
    (entrance,) = prosody["entrances"]
    assert entrance["host"] == "guest.meet.jitsi"
    assert "users without a token" in entrance["text"]
    assert entrance["certain"] is True


def test_every_option_is_shown_with_its_origin(
    run: Run, configured: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(f"{THEIRS}\n{SECRET}\n")
    toml = tmp_path / "verifier.toml"
    toml.write_text(
        'revocation_store = "redis://user:s3cret@redis.test/0"\n'
        f'admin_token = "{SECRET}"\ndecision_ttl = 5\n'
        '[hosts."other.test"]\nallow_empty_token = true\nmuc_mapper_domain_base = "other.test"\n'
    )
    configured(JWT_APP_ID="app", JWT_APP_SECRET_FILE=str(tmp_path / "secret"), JWT_ALLOW_EMPTY="0")
    outcome = run("check-config", "--config", str(toml), "--show")
    assert outcome.status == 0
    lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
    for line in (
        "app_id app JWT_APP_ID",
        f"decision_ttl 5 {toml}",
        "allow_empty_token false JWT_ALLOW_EMPTY",
        "workers 1 default",
        "asap_accepted_issuers app follows from other options",
        f"revocation_store redis://***@redis.test/0 {toml}",
        "handoff_secret none default",
        '[hosts."other.test"], where it differs:',
        f'allow_empty_token true [hosts."other.test"] in {toml}',
        "muc_mapper_domain conference.other.test follows from other options",
    ):
        assert line in lines
    (secrets,) = (line for line in lines if line.startswith("app_secret "))
    assert secrets.count("fingerprint") == 2
    assert secrets.endswith(" JWT_APP_SECRET_FILE")
    as_json = run("check-config", "--config", str(toml), "--show", "--json")
    shown = {found["option"]: found for found in as_json.json["in_force"]}
    assert set(shown) == {option.name for option in OPTIONS}
    assert shown["decision_ttl"] == {"option": "decision_ttl", "value": "5", "origin": str(toml)}
    (first, *_) = as_json.json["in_force_for_hosts"]["other.test"]
    assert first["option"] == "allow_empty_token"
    for text in (outcome.out, as_json.out):
        assert not any(secret in text for secret in (SECRET, THEIRS, "s3cret"))


def test_origins_are_not_in_the_short_json(run: Run) -> None:
    assert "in_force" not in run("check-config", "--json").json


def test_existing_file_is_replaced_only_by_force(run: Run, tmp_path: Path) -> None:
    written = tmp_path / "verifier.toml"
    written.write_text("precious")
    written.chmod(0o644)
    command = ("check-config", "--prosody", str(DEBIAN), "--write", str(written))
    outcome = run(*command)
    assert outcome.status == 1
    assert f"{written}: not written, the file exists (--force replaces it)" in outcome.out
    assert written.read_text() == "precious"
    assert "Written:" in run(*command, "--force").out
    # The service's group could read the file, and still can.
    assert stat.S_IMODE(written.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [written]


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("os.getenv 'X'", "app_secret is not known here: it is the environment variable X, not"),
        ("FileLine 'none'", "app_secret is not known here: it is in a file that cannot be read"),
        (r"'\228'", "app_secret has bytes that are not UTF-8"),
    ],
)
def test_value_that_cannot_be_written_says_why(
    run: Run, tmp_path: Path, secret: str, why: str
) -> None:
    file, written = tmp_path / "meet.cfg.lua", tmp_path / "verifier.toml"
    host = 'VirtualHost "a.test" authentication = "token" app_id = "a"'
    file.write_text(f"{host} app_secret = {secret}")
    outcome = run("check-config", "--prosody", str(file), "--write", str(written), "--json")
    assert why in outcome.json["not_written"]
    file.write_text('VirtualHost "a.test" authentication = "jitsi_verifier"')
    outcome = run("check-config", "--prosody", str(file), "--write", str(written), "--json")
    assert outcome.json["not_written"].endswith("not written, Prosody asks this verifier")


def test_file_with_only_comments_is_replaced(run: Run, tmp_path: Path) -> None:
    written = tmp_path / "verifier.toml"
    shutil.copy(ROOT / "packaging/verifier.toml", written)
    written.chmod(0o640)
    command = ("check-config", "--prosody", str(DEBIAN), "--write", str(written))
    assert f"Written: {written}" in run(*command).out
    assert 'app_id = "' in written.read_text()
    assert stat.S_IMODE(written.stat().st_mode) == 0o640  # the service's group can read it
    assert "the file exists" in run(*command).out


def test_incomplete_configuration_is_not_written(run: Run, tmp_path: Path) -> None:
    file, written = tmp_path / "meet.cfg.lua", tmp_path / "verifier.toml"
    file.write_text('VirtualHost "a.test" authentication = "token" app_id = "a"')
    outcome = run("check-config", "--prosody", str(file), "--write", str(written))
    assert outcome.status == 1
    assert f"{written}: not written, " in outcome.out
    assert "Prosody's files do not set app_secret: expected a key: one of" in outcome.out
    file.write_text('VirtualHost "a.test"')
    outcome = run("check-config", "--prosody", str(file), "--write", str(written), "--json")
    assert outcome.json["not_written"].endswith("no host of Prosody accepts tokens")
    missing = tmp_path / "no" / "folder"
    outcome = run("check-config", "--prosody", str(DEBIAN), "--write", str(missing))
    assert f"{missing}: not written, No such file or directory" in outcome.out
    assert not written.exists()


@pytest.mark.parametrize("arguments", [("--write", "x"), ("--force", "--prosody", "x")])
def test_conflicting_arguments_are_usage_errors(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("check-config", *arguments).status == 2


def test_service_loads_no_reader_of_deployments() -> None:
    code = (
        "import sys, verifier.cli, verifier.process.app;"
        "loaded = {name.partition('.')[0] for name in sys.modules};"
        "sys.exit('yaml' in loaded)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_misspelt_names_are_named_beside_problems(
    run: Run, configured: Callable[..., None]
) -> None:
    configured(JWT_APP_ID="app", JWT_APP_SECERT=SECRET)
    notice = "JWT_APP_SECERT: not a known variable, ignored; the nearest is JWT_APP_SECRET"
    outcome = run("check-config")
    assert outcome.status == 1
    assert f"\nNotices:\n  {notice}\n" in outcome.out
    assert notice in run("check-config", "--json").json["notices"]
