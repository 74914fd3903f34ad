"""``revoke`` and ``revocations`` with a running service."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Outcome, Run
from tests.support.processes import RunningVerifier, free_port, running_verifier
from tests.support.revocations import listed
from tests.support.supervised import token
from tests.support.tokens import SECRET, sign
from verifier.tokens.jws import token_digest

ADMIN_TOKEN = "letmein-letmein-letmein"
BEARER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
OPTIONS: dict[str, Any] = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "XMPP_DOMAIN": "m.e"}


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVerifier]:
    folder = tmp_path_factory.mktemp("verifier")
    with running_verifier(folder, **OPTIONS, VERIFIER_ADMIN_TOKEN=ADMIN_TOKEN) as running:
        yield running
    assert "eyJ" not in running.log


@pytest.fixture
def call(run: Run, configured: Callable[..., None], verifier: RunningVerifier) -> Run:
    """Run a command with the service's own configuration."""
    admin = verifier.environ["VERIFIER_ADMIN_LISTEN"]
    configured(**OPTIONS, VERIFIER_ADMIN_LISTEN=admin, VERIFIER_ADMIN_TOKEN=ADMIN_TOKEN)
    return run


def output_of(outcome: Outcome) -> str:
    assert (outcome.status, outcome.err) == (0, "")
    return outcome.out


def test_token_from_standard_input_is_revoked_until_it_ends(
    call: Run, verifier: RunningVerifier
) -> None:
    end = int(time.time()) + 600
    jwt = token(exp=end, sub="m.e")
    assert verifier.ask("/standup", jwt).status == 200
    printed = output_of(call("revoke", "--reason", "posted", "-", stdin=jwt.encode()))
    date = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(end))
    assert printed == f'revoked: token_digest="{token_digest(jwt)}" until {date} (posted)\n'
    assert verifier.ask("/standup", jwt).code == "revoked"
    shown = output_of(call("revocations"))
    assert shown == printed.removeprefix("revoked: ")
    undone = output_of(call("revoke", "--undo", "-", stdin=jwt.encode()))
    assert undone == f'accepted again: token_digest="{token_digest(jwt)}"\n'
    assert verifier.ask("/standup", jwt).status == 200
    assert output_of(call("revocations")) == ""


@pytest.mark.parametrize("link", ["https://m.e/standup?jwt={}", "https://m.e/standup#jwt={}"])
def test_token_of_a_url_is_revoked(call: Run, verifier: RunningVerifier, link: str) -> None:
    jwt = token(sub="m.e", link=link)
    output_of(call("revoke", link.format(jwt)))
    assert verifier.ask("/standup", jwt).code == "revoked"
    output_of(call("revoke", "--undo", jwt))


@pytest.mark.parametrize(
    ("arguments", "criteria"),
    [
        (("--jti", "a", "--kid", "k"), {"jti": "a", "kid": "k"}),
        (("--user-id", "4711"), {"user_id": "4711"}),
        (("--iss", "app", "--issued-before", "1000"), {"iss": "app", "issued_before": 1000}),
        (("--room", "Stand Up!"), {"room": "stand%20up"}),
        (("--room", "r", "--tenant", "ACME"), {"room": "r", "tenant": "acme"}),
        (("--tenant", "acme"), {"tenant": "acme"}),
        (("--token-digest", "sha256:" + "A" * 64), {"token_digest": "a" * 64}),
    ],
)
def test_each_criterion_has_its_option(
    call: Run, verifier: RunningVerifier, arguments: tuple[str, ...], criteria: dict[str, Any]
) -> None:
    before = time.time()
    shown = json.loads(output_of(call("revoke", *arguments, "--expires", "7d", "--json")))
    assert shown == criteria | {"reason": "", "expires": shown["expires"]}
    assert before <= shown["expires"] - 7 * 86_400 <= time.time() + 1
    assert listed(verifier, **BEARER) == [shown]
    assert json.loads(output_of(call("revocations", "--json"))) == {"revocations": [shown]}
    assert json.loads(output_of(call("revoke", "--undo", *arguments, "--json"))) == criteria
    assert listed(verifier, **BEARER) == []


def test_all_tokens_of_an_issuer_until_now_are_revoked(
    call: Run, verifier: RunningVerifier
) -> None:
    before = time.time()
    output_of(call("revoke", "--iss", "app", "--issued-before", "now"))
    (found,) = listed(verifier, **BEARER)
    assert before <= found["issued_before"] <= time.time() + 1
    output_of(
        call("revoke", "--undo", "--iss", "app", "--issued-before", str(found["issued_before"]))
    )


def test_token_without_exp_is_noted(call: Run) -> None:
    endless = sign({"iss": "app", "sub": "m.e", "aud": "a", "room": "*"})
    outcome = call("revoke", "-", stdin=endless.encode())
    assert outcome.status == 0
    assert outcome.err == (
        "note: the token has no exp: the revocation ends in 24 hours, unless --expires is given\n"
    )
    output_of(call("revoke", "--expires", "30d", "-", stdin=endless.encode()))
    output_of(call("revoke", "--undo", "-", stdin=endless.encode()))


def test_undo_of_an_unknown_revocation_fails(call: Run) -> None:
    outcome = call("revoke", "--undo", "--jti", "unheard of")
    assert outcome == Outcome(
        1, "", 'jitsi-verifier: there is no revocation for jti="unheard of"\n'
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), "expected a token, a URL or '-', or at least one criterion"),
        (("--reason", "x"), "expected a token, a URL or '-', or at least one criterion"),
        (("--iss", "app"), "issued_before: expected it, as iss and issued_before go together"),
        (("--room", "?#"), "--room: expected a name that the web client could send"),
        (("--room", "acme/standup"), "--room: expected a room's name, found a slash; --tenant"),
        (("--tenant", "a/b"), "--tenant: expected one segment of a path"),
        (("--jti", "a", "--expires", "never"), "argument --expires: expected a time such as 90s"),
        (("--iss", "a", "--issued-before", "x"), "expected a Unix time in seconds, or now"),
        (("--token-digest", "abc"), "token_digest: expected the SHA-256 of a compact token"),
        (("--undo", "--jti", "a", "--reason", "x"), "--undo: expected neither --reason nor"),
        (
            ("https://m.e/standup",),
            "expected a URL that contains a token; use --room to revoke a room",
        ),
        (("a.b",), "token: expected three non-empty segments, found 2"),
        (("--jti", "a", "--admin", "nowhere"), "argument --admin: expected HOST:PORT"),
    ],
)
def test_wrong_usage_says_what_was_expected(
    call: Run, arguments: tuple[str, ...], error: str
) -> None:
    outcome = call("revoke", *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert error in outcome.err


def test_an_expired_token_needs_no_revocation(call: Run) -> None:
    expired = token(exp=1)
    outcome = call("revoke", expired)
    assert outcome.status == 2
    assert "token: expected one that has not expired" in outcome.err
    assert expired not in outcome.err


def test_wrong_admin_token_is_reported(
    call: Run, configured: Callable[..., None], verifier: RunningVerifier
) -> None:
    admin = verifier.environ["VERIFIER_ADMIN_LISTEN"]
    configured(**OPTIONS, VERIFIER_ADMIN_LISTEN=admin)
    for arguments in (("revocations",), ("revoke", "--jti", "a")):
        outcome = call(*arguments)
        assert (outcome.status, outcome.out) == (1, "")
        assert outcome.err == "jitsi-verifier: expected the admin token as a bearer token\n"


def test_unreachable_service_is_reported(call: Run) -> None:
    address = f"127.0.0.1:{free_port()}"
    for arguments in (("revocations",), ("revoke", "--jti", "a")):
        outcome = call(*arguments, "--admin", address)
        expected = f"{address}: Connection refused; expected the running service's admin address"
        assert outcome == Outcome(1, "", f"jitsi-verifier: {expected}\n")


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0\r\n", b"HTTP/1.1 200 OK\r\n\r\n<html>"])
def test_another_server_at_the_address_is_reported(
    call: Run, tmp_path: Path, answer: bytes
) -> None:
    path = tmp_path / "socket"
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        outcome = call("revocations", "--admin", f"unix:{path}")
        thread.join()
    assert outcome.status == 1
    assert outcome.err.endswith("expected the running service's admin address\n")


def test_service_on_a_unix_socket_is_reached(
    run: Run, configured: Callable[..., None], tmp_path: Path
) -> None:
    admin = f"unix:{tmp_path}/admin"
    configuration = OPTIONS | {"VERIFIER_ADMIN_LISTEN": admin}
    with running_verifier(tmp_path, wait=False, **configuration) as service:
        service.wait_for_log('"serving"')
        configured(**configuration)
        output_of(run("revoke", "--jti", "a"))
        assert output_of(run("revocations")).startswith('jti="a" until ')


def test_unusable_configuration_ends_with_78(run: Run, configured: Callable[..., None]) -> None:
    configured()
    for arguments in (("revocations",), ("revoke", "--jti", "a")):
        assert run(*arguments).status == 78
