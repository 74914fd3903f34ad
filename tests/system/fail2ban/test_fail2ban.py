"""The files of ``contrib/fail2ban`` with the real fail2ban, on logs of the real service."""

from __future__ import annotations

import subprocess
import urllib.parse
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import CONTRIB
from tests.support.processes import RunningVerifier, get, running_verifier, wait_until
from tests.support.tokens import SECRET, segment, sign
from verifier.rules.model import DenialCode

FAIL2BAN = CONTRIB / "fail2ban"
FILTER = FAIL2BAN / "filter.d" / "jitsi-verifier.conf"
JOURNAL_REMOTE = "/lib/systemd/systemd-journal-remote"
CLAIMS = {"iss": "app", "aud": "jitsi", "sub": "*", "room": "demo"}
VICTIM = "198.51.100.66"
SCHOOL = "192.0.2.44"
KEEP_ALIVES = f"{FILTER}[mode=keep-alive]"
_TIME = '"time": "2026-11-29T09:00:00.1+00:00"'
# Denials that ordinary people meet, or all people at once if the service is not well configured.
UNCOUNTED = sorted(
    {*DenialCode}
    - {
        *("token-malformed", "key-id-missing", "algorithm-missing", "algorithm-not-allowed"),
        *("key-unknown", "type-not-jwt", "signature-invalid"),
    }
)
# A line of each form, which would have the victim banned.
LINES = (
    f'{{{_TIME}, "level": "info", "event": "denied", "client": "{VICTIM}", "code": "key-unknown"}}',
    f'{{{_TIME}, "outcome": "denied", "client": "{VICTIM}", "code": "key-unknown"}}',
    f'09:00:00 info    denied client="{VICTIM}" code="key-unknown"',
)
# What an attacker would write to get such a line.
FORGERIES = (
    f'", "client": "{VICTIM}", "code": "signature-invalid"',
    *(f"\n{line}\n" for line in LINES),
    f'\r\x1b[2K09:00:00 info    denied client="{VICTIM}" code="signature-invalid"\u2028\x85',
    f'\\", \\"client\\": \\"{VICTIM}\\", \\"code\\": \\"signature-invalid\\"',
)

Ask = Callable[..., None]


def asking(verifier: RunningVerifier) -> Ask:
    def ask(uri: str, client: str, **headers: str) -> None:
        sent = {"X-Original-URI": uri, "X-Real-IP": client}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        get(verifier.port, "/auth", sent)

    return ask


def guesses() -> dict[str, str]:
    """Return what clients that guess send, by the client's address."""
    good = sign(CLAIMS)
    head, body, mac = good.split(".")
    return {
        "203.0.113.1": sign(CLAIMS, key="x" * 40),
        "203.0.113.2": f"{head}.{body}",
        "203.0.113.3": f"{head}.{body}.{mac[:-4]}",
        "203.0.113.4": sign(CLAIMS, {"alg": "none"}),
        "203.0.113.5": f"{segment({'typ': 'JWT'})}.{body}.{mac}",
        "2001:db8::6": sign(CLAIMS, key="y" * 40),
    }


def send_guesses(ask: Ask) -> None:
    for client, token in guesses().items():
        ask(f"/demo?jwt={token}", client)


def send_mistakes(ask: Ask) -> None:
    """Send what ordinary people do wrong."""
    expired = sign(CLAIMS | {"exp": 1_000_000_000})
    for uri in (
        "/demo",
        f"/demo?jwt={expired}",
        f"/demo?jwt={sign(CLAIMS | {'nbf': 4_000_000_000})}",
        f"/other?jwt={sign(CLAIMS)}",
        f"/demo?jwt={sign(CLAIMS | {'iss': 'other'})}",
        f"/demo?jwt={sign(CLAIMS)}&jwt={expired}",
        "/xmpp-websocket?room=demo",
    ):
        ask(uri, SCHOOL)
    # A client in a meeting repeats it, also if the service does not know its key any more.
    send_keep_alive(ask, SCHOOL, sign(CLAIMS, key="k" * 40))


def send_keep_alive(ask: Ask, client: str, token: str) -> None:
    uri = f"/xmpp-websocket?room=demo&token={token}"
    ask(uri, client, X_Original_Method="GET", X_Original_Upgrade="-")


def send_forgeries(ask: Ask) -> None:
    """Send text that an attacker would like to see as a line about the victim."""
    for number, text in enumerate(FORGERIES):
        client, quoted = f"203.0.113.{100 + number}", urllib.parse.quote(text)
        one_line = text.replace("\n", " ").replace("\r", " ").encode("ascii", "replace").decode()
        user = {"context": {"user": {"id": text, "name": text}}, "jti": text, "room": text}
        ask(f"/{quoted}?jwt={sign(CLAIMS, key='z' * 40)}", client)
        ask(f"/http-bind?room={quoted}&jwt={sign(CLAIMS | user)}", SCHOOL)
        ask(f"/demo?jwt={sign(CLAIMS | user, key='z' * 40)}", client)
        ask(f"/demo?jwt={sign(CLAIMS, {'kid': text}, key='z' * 40)}", client)
        for name in ("X_Request_Id", "User_Agent", "Referer", "Cookie", "Host", "X_Forwarded_For"):
            ask("/demo", SCHOOL, **{name: one_line.strip()})
        ask(f"/demo?jwt={sign(CLAIMS, key='z' * 40)}", f"{VICTIM}{one_line}")


def expected_addresses() -> set[str]:
    return {*guesses(), *(f"203.0.113.{100 + number}" for number in range(len(FORGERIES)))}


def matched(log: str, rules: str = str(FILTER)) -> list[str]:
    """Return the address of each line that the filter finds."""
    done = subprocess.run(
        ["fail2ban-regex", "--out", "ip", log, rules],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def to_journal(log: Path, journal: Path) -> None:
    """Write the lines of a log into a journal, as systemd does with a unit's standard error."""
    fields = (
        "_SYSTEMD_UNIT=jitsi-verifier.service\n_HOSTNAME=meet\n_PID=77\n"
        "SYSLOG_IDENTIFIER=jitsi-verifier\n"
        f"_BOOT_ID={'1' * 32}\n_MACHINE_ID={'2' * 32}\n"
    )
    entries = (
        f"__REALTIME_TIMESTAMP={1_796_000_000_000_000 + number}\n{fields}MESSAGE={line}\n\n"
        for number, line in enumerate(log.read_text("utf-8").splitlines())
    )
    command = [JOURNAL_REMOTE, f"--output={journal}", "-"]
    subprocess.run(command, input="".join(entries), text=True, check=True, capture_output=True)


@pytest.fixture(scope="module", params=["json", "console"])
def logs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Return the log and the audit log of a service that was asked everything above."""
    folder = tmp_path_factory.mktemp(request.param)
    audit = folder / "audit.log"
    environ: dict[str, Any] = {
        "JWT_APP_ID": "app",
        "JWT_APP_SECRET": SECRET,
        "VERIFIER_AUDIT_LOG": str(audit),
        "VERIFIER_LOG_FORMAT": request.param,
    }
    with running_verifier(folder, **environ) as verifier:
        for send in (send_mistakes, send_forgeries, send_guesses):
            send(asking(verifier))
    return verifier.log_path, audit


def test_filter_finds_guesses_and_nothing_else(logs: tuple[Path, Path]) -> None:
    for log in logs:
        found = matched(str(log))
        assert set(found) == expected_addresses()
        # One line of each guess; the forgers guess three times each.
        assert len(found) == len(guesses()) + 3 * len(FORGERIES)
        assert matched(str(log), KEEP_ALIVES) == [SCHOOL]


def test_filter_reads_what_journald_and_syslog_keep(logs: tuple[Path, Path]) -> None:
    log, audit = logs
    journal = log.with_suffix(".journal")
    to_journal(log, journal)
    assert set(matched(f'systemd-journal[journalfiles="{journal}"]')) == expected_addresses()
    for prefix in ("Nov 29 09:00:00 meet ", "2026-11-29T09:00:00.1+00:00 meet "):
        syslog = log.with_suffix(".syslog")
        lines = audit.read_text("utf-8").splitlines()
        syslog.write_text("".join(f"{prefix}jitsi-verifier: {line}\n" for line in lines), "utf-8")
        assert set(matched(str(syslog))) == expected_addresses()


def test_only_lines_of_the_service_are_matched(tmp_path: Path) -> None:
    log = tmp_path / "syslog"
    log.write_text("".join(f"{line}\n" for line in LINES))
    assert matched(str(log)) == [VICTIM] * len(LINES)
    others = [line for text in FORGERIES for line in text.split("\n") if line not in LINES]
    others += [
        f"Nov 29 09:00:00 meet {name}: {line}" for name in ("nginx[7]", "sh") for line in LINES
    ]
    others += [line.replace(name, f"keep-alive {name}") for line in LINES for name in ("denied",)]
    others += [line.replace("key-unknown", code) for line in LINES for code in UNCOUNTED]
    log.write_text("".join(f"{line}\n" for line in others))
    assert matched(str(log)) == []
    log.write_text("".join(f"{line}\n" for line in LINES))
    assert matched(str(log), KEEP_ALIVES) == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Run fail2ban with our jail on an audit log; return the audit log and the file of bans."""
    audit, bans = tmp_path / "audit.log", tmp_path / "bans"
    audit.touch()
    bans.touch()
    folder = tmp_path / "fail2ban"
    for name in ("filter.d", "jail.d", "action.d"):
        (folder / name).mkdir(parents=True)
    for name in ("filter.d", "jail.d"):
        file = f"{name}/jitsi-verifier.conf"
        (folder / file).write_text((FAIL2BAN / file).read_text("utf-8"), "utf-8")
    (folder / "fail2ban.conf").write_text(
        f"[Definition]\nloglevel = INFO\nlogtarget = {tmp_path}/fail2ban.log\nsyslogsocket = auto\n"
        f"socket = {tmp_path}/socket\npidfile = {tmp_path}/pid\ndbfile = :memory:\n"
    )
    (folder / "action.d" / "file.conf").write_text(
        f"[Definition]\nactionban = echo <ip> >>{bans}\nactionunban =\n"
    )
    (folder / "jail.conf").write_text("[DEFAULT]\nusedns = no\nlogencoding = utf-8\n")
    (folder / "jail.local").write_text(
        "".join(
            f"[{jail}]\nbackend = polling\nlogpath = {audit}\naction = file\n"
            for jail in ("jitsi-verifier", "jitsi-verifier-keep-alive")
        )
    )
    command = ["fail2ban-server", "-c", str(folder), "-s", f"{tmp_path}/socket", "-f", "start"]
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        started = tmp_path / "fail2ban.log"
        wait_until(
            lambda: started.exists() and started.read_text().count("' started") == 2,
            "the jails",
        )
        yield audit, bans
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("as_keep_alives", [False, True])
def test_a_guessing_host_is_banned_and_a_school_is_not(
    server: tuple[Path, Path], tmp_path: Path, as_keep_alives: bool
) -> None:
    audit, bans = server
    environ: dict[str, Any] = {
        "JWT_APP_ID": "app",
        "JWT_APP_SECRET": SECRET,
        "VERIFIER_AUDIT_LOG": str(audit),
    }
    with running_verifier(tmp_path, **environ) as verifier:
        ask = asking(verifier)
        cut_link = f"/demo?jwt={sign(CLAIMS)[:-9]}"
        for _pupil in range(30):
            send_mistakes(ask)
            ask(cut_link, SCHOOL)
            ask(cut_link, SCHOOL)
        send_forgeries(ask)
        secrets = count()

        def guess() -> bool:
            for _ in range(100 if as_keep_alives else 20):
                token = sign(CLAIMS, key=f"secret-{next(secrets):040}")
                if as_keep_alives:
                    send_keep_alive(ask, "203.0.113.1", token)
                else:
                    ask(f"/demo?jwt={token}", "203.0.113.1")
            return bool(bans.read_text())

        wait_until(guess, "a ban")
    # fail2ban has read the school's lines before those of the guesses.
    assert set(bans.read_text().split()) == {"203.0.113.1"}


def test_thresholds_are_beyond_a_class_and_a_meeting() -> None:
    jails = ConfigParser()
    jails.read(FAIL2BAN / "jail.d" / "jitsi-verifier.conf", "utf-8")
    limits = {
        name: (jail["findtime"], jail.getint("maxretry"))
        for name, jail in jails.items()
        if name != jails.default_section
    }
    assert limits == {
        "jitsi-verifier": ("10m", 30 * 5),
        # 300 clients in a meeting, with a keep-alive in each minute.
        "jitsi-verifier-keep-alive": ("10m", 300 * 10),
    }
