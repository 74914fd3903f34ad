"""No command prints a piece of a token or a secret, whatever its arguments are."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.secrecy.marks import Marks, disguises, marked, token
from verifier.cli import main

SECRET = marked("app_secret")
OTHER_SECRET = marked("what Prosody has")
SECRETS = {"app_secret": SECRET, "Prosody's secret": OTHER_SECRET, "admin": marked("admin_token")}
GOOD, FORGED = token(SECRET), token(marked("a stranger"))
MARKS = Marks(SECRETS | {"a good token": GOOD, "a forged token": FORGED})
PROSODY = f"""
VirtualHost "meet.example.org"
    authentication = "token"
    app_id = "app"
    app_secret = "{OTHER_SECRET}"
    app_secret_ = "{SECRET}
"""
LINES = (
    '1.2.3.4 - - [22/Nov/2026:10:00:00 +0000] "GET {} HTTP/1.1" 200 5 "{}" "{}"',
    '{{"time": "2026-11-22T10:00:00Z", "request": "GET {} HTTP/1.1", "host": "{}", "x": "{}"}}',
    '{{"time": "{}", "request_uri": "{}", "method": "{}"}}',
    "{} {} {}",
)

Run = Callable[..., tuple[str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command line, and returns its output and its errors."""
    for name in [name for name in os.environ if name.startswith(("JWT_", "XMPP_", "VERIFIER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("JWT_APP_ID", "app")
    monkeypatch.setenv("JWT_APP_SECRET", SECRET)
    monkeypatch.setenv("VERIFIER_ADMIN_TOKEN", SECRETS["admin"])

    def call(*arguments: str, stdin: str = "") -> tuple[str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with contextlib.suppress(SystemExit):
            main(arguments)
        captured = capsys.readouterr()
        return captured.out, captured.err

    return call


def explanations(sent: str) -> Iterator[tuple[str, ...]]:
    for form in disguises(sent):
        yield form, "--room", "standup"
        yield f"Bearer {form}", "--room", "standup", "--json"
        yield f"https://meet.example.org/standup?jwt={form}", "--json"


def mistakes(sent: str) -> Iterator[tuple[str, ...]]:
    for form in (sent, sent.lower(), f'"{sent}"', sent[:-1]):
        yield form, "--room", form, "--json"
        yield form, "--url", f"https://meet.example.org/{form}?jwt={form}"
        yield form, "--room-jid", f"{form}@conference.meet.jitsi"
        yield "--room", form, "--tenant", form
        yield form, "--now", form
        yield "--room", "standup", f"--{form}"
        yield "--config", form, form


@pytest.mark.parametrize("sent", [GOOD, FORGED])
def test_explain_prints_no_token_given_in_a_wrong_place(run: Run, sent: str) -> None:
    printed = {str(each): "".join(run("explain", *each)) for each in mistakes(sent)}
    assert MARKS.where(printed) == []


@pytest.mark.parametrize("sent", [GOOD, FORGED, SECRET])
def test_explain_prints_no_piece_of_a_secret(run: Run, sent: str) -> None:
    printed = {str(each): "".join(run("explain", *each)) for each in explanations(sent)}
    printed["stdin"] = "".join(run("explain", "--room", "standup", "-", stdin=sent))
    assert MARKS.where(printed) == []


def test_usage_errors_quote_no_token(run: Run) -> None:
    printed = {}
    for sent in (GOOD, FORGED):
        for command in (
            (sent,),
            ("--version", sent),
            ("mint", "--room", "a", "--expires", sent),
            ("mint", sent),
            ("replay", sent),
            ("replay", "--field", sent, os.devnull),
            ("check-config", sent),
            ("check-config", "--prosody", sent),
            ("serve", sent),
            ("serve", "--config", sent),
            ("completion", sent),
            ("revoke", "--expires", sent),
            ("revoke", "--admin", sent, sent),
            ("revocations", sent),
        ):
            printed[str(command)] = "".join(run(*command))
    assert MARKS.where(printed) == []


def test_mint_prints_the_token_and_no_secret(run: Run) -> None:
    out, err = run("mint", "--room", "standup")
    assert out.startswith("eyJ")
    assert Marks(SECRETS).where({"out": out, "err": err}) == []


def test_replay_prints_no_piece_of_a_secret(run: Run, tmp_path: Path) -> None:
    log, packed = tmp_path / "access.log", tmp_path / "access.log.1.gz"
    lines = [
        line.format(*[f"{before}{form}"] * 3)
        for line in LINES
        for form in (*disguises(GOOD), *disguises(FORGED), SECRET)
        for before in ("", "/", "/standup?jwt=", "/http-bind?room=standup&token=", "/a#jwt=")
    ]
    log.write_text("\n".join(lines))
    packed.write_bytes(gzip.compress("\n".join(lines).encode())[:-20])
    printed = {
        "text": "".join(run("replay", str(log), str(packed))),
        "json": "".join(run("replay", "--json", str(log), str(packed))),
    }
    assert "allowed  " in printed["text"]
    assert MARKS.where(printed) == []


def test_check_config_prints_no_piece_of_a_secret(run: Run, tmp_path: Path) -> None:
    prosody, broken = tmp_path / "prosody.cfg.lua", tmp_path / "broken.cfg.lua"
    broken.write_text(PROSODY)
    prosody.write_text("\n".join(PROSODY.splitlines()[:-1]))
    env = tmp_path / ".env"
    env.write_text(f"ENABLE_AUTH=1\nAUTH_TYPE=jwt\nJWT_APP_ID=app\nJWT_APP_SECRET={OTHER_SECRET}\n")
    config = tmp_path / "verifier.toml"
    config.write_text(f'app_secret = "{SECRET}"\nadmin_token = "{SECRET} {SECRET}"\n{SECRET}\n')
    printed = {}
    for arguments in (
        (),
        ("--json",),
        ("--prosody", str(prosody)),
        ("--json", "--prosody", str(prosody)),
        ("--prosody", str(broken)),
        ("--prosody", str(env)),
        ("--config", str(config)),
    ):
        printed[str(arguments)] = "".join(run("check-config", *arguments))
    assert all(printed.values())
    assert MARKS.where(printed) == []
