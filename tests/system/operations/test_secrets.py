"""The shared secret changes while good and bad tokens arrive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import raw_http
from tests.support.tokens import SECRET
from tests.system.operations.machine import Machine, running_machine, steps
from tests.system.operations.stream import ALLOWED, DENIED, EITHER, running_stream, token

OPTIONS = """
app_id = "app"
app_secret_file = "{folder}/etc/jitsi-verifier/secret"
workers = 2
handoff = true
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    file = tmp_path / "etc/jitsi-verifier/secret"
    file.parent.mkdir(parents=True)
    # Without a line end, as `printf` and Kubernetes write it.
    file.write_text(SECRET)
    file.chmod(0o640)
    with running_machine(tmp_path, OPTIONS.format(folder=tmp_path)) as machine:
        yield machine


def new_secret(machine: Machine) -> str:
    return (machine.etc / "secret.new").read_text().strip()


def cookie(machine: Machine, text: str) -> tuple[str, str]:
    """Return the hand-off cookie that a browser gets for a token."""
    uri = ("X-Original-URI", f"/standup?jwt={text}")
    answer = raw_http.send(machine.port, "/auth", uri)
    assert answer.status == 401, answer
    return ("Cookie", answer.headers["Set-Cookie"].partition(";")[0])


def opens(machine: Machine, sent: tuple[str, str]) -> bool:
    """Return whether a cookie opens the page, ten times: in both workers."""
    uri = ("X-Original-URI", "/standup")
    answers = {raw_http.send(machine.port, "/auth", uri, sent).status for _ in range(10)}
    assert len(answers) == 1, answers
    return answers == {200}


def test_secret_changes_and_no_token_is_refused(machine: Machine) -> None:
    first, second, last, back = steps("Change the shared secret")
    with running_stream(machine.port, {"old": token, "issuer": token}) as stream:
        early = cookie(machine, token())
        machine.run(first)
        new = new_secret(machine)
        reloads = 2
        machine.wait_for_log('"configuration reloaded"', reloads)
        stream.flow()
        stream.expect("issuer", ALLOWED, lambda: token(new))  # step 2
        stream.flow()
        machine.run(second)
        machine.wait_for_log('"configuration reloaded"', 2 * reloads)
        assert (machine.etc / "secret").read_text().split() == [new, SECRET]
        late = cookie(machine, token(new))
        assert opens(machine, early)
        stream.flow()
        stream.expect("old", EITHER)  # from here on, the last of them have expired
        machine.run(last)
        machine.wait_for_log('"configuration reloaded"', 3 * reloads)
        stream.expect("old", DENIED)
        stream.flow()
        assert opens(machine, late)
        assert not opens(machine, early)
        assert (machine.etc / "secret").stat().st_mode & 0o777 == 0o640
        assert [file.name for file in machine.etc.iterdir() if "secret." in file.name] == []
    assert "mv" in back


def test_secret_moves_from_the_configuration_to_a_file(tmp_path: Path) -> None:
    with running_machine(tmp_path, f'app_secret = "{SECRET}"\napp_id = "app"\n') as machine:
        (move,) = steps("Move the secret to a file")
        machine.run(move)
        machine.wait_for_log('"configuration reloaded"')
        assert (machine.etc / "secret").read_text() == f"{SECRET}\n"
        assert (machine.etc / "secret").stat().st_mode & 0o777 == 0o640
        assert SECRET not in (machine.etc / "verifier.toml").read_text()
        first, *_ = steps("Change the shared secret")
        machine.run(first)  # a token of the new secret is allowed


def test_change_of_the_secret_can_be_undone(machine: Machine) -> None:
    first, second, _, back = steps("Change the shared secret")
    with running_stream(machine.port, {"old": token}) as stream:
        machine.run(first)
        machine.run(second)
        new = new_secret(machine)
        stream.expect("new", ALLOWED, lambda: token(new))
        stream.flow()
        stream.expect("new", EITHER)
        machine.run(back)
        machine.wait_for_log('"configuration reloaded"', 6)
        stream.expect("new", DENIED)
    assert (machine.etc / "secret").read_text() == SECRET


def test_leaked_secret_opens_nothing_more(machine: Machine) -> None:
    replace, _ = steps("A secret or a key has leaked")
    machine.command("rm", '#!/bin/sh\necho "rm $*" >> "$HOME/done"\n')
    with running_stream(machine.port, {"old": token}) as stream:
        stream.expect("old", EITHER)
        machine.run(replace.replace("systemctl reload nginx", "true"))
        new = new_secret(machine)
        machine.wait_for_log('"configuration reloaded"', 2)
        stream.expect("old", DENIED)
        stream.expect("new", ALLOWED, lambda: token(new))
