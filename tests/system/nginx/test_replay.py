"""A replay of the logs of a real nginx gives the decisions that the verifier gave nginx."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import wait_until
from tests.support.raw_http import send
from tests.support.tokens import SECRET
from tests.support.upstream import Upstream
from tests.system.nginx.sites import APP_ID, FRONT, HERE, Nginx, Sidecar, mint
from verifier.config import load
from verifier.replay.access_log import LineReader
from verifier.replay.keys import open_keys
from verifier.replay.logged_request import LoggedRequest, NotAsked
from verifier.replay.replay import replay_verifier
from verifier.replay.verdicts import ReplayVerifier
from verifier.rules.model import Deny

_FORMATS = """
log_format whole escape=json '{"request_uri":"$request_uri","host":"$host","msec":"$msec",'
    '"request_time":"$request_time","remote_addr":"$remote_addr","status":"$status",'
    '"gate":"$jitsi_verifier_gate","denial":"$jitsi_verifier_denial"}';
log_format line escape=json '{"request":"$request","time_iso8601":"$time_iso8601"}';
log_format unescaped '{"request":"$request","time_local":"$time_local"}';
map $request_uri $hidden_target {
    default $request_uri;
    "~^(?<hidden_path>[^?]*)\\?.*(jwt|token)=" "$hidden_path?[params_redacted]";
}
log_format hidden '$remote_addr - $remote_user [$time_local] '
    '"$request_method $hidden_target $server_protocol" $status 0 "-" "$http_user_agent"';
log_format path '$remote_addr - $remote_user [$time_local] '
    '"$request_method $uri $server_protocol" $status 0';
log_format virtual '$host $remote_addr - $remote_user [$time_local] "$request" $status 0';
"""
_LOGS = ("combined", "whole", "line", "unescaped", "virtual", "jitsi_verifier", "hidden", "path")


class LoggingNginx(Nginx):
    """A real nginx with the gate, which writes a log in each format."""

    def _write_files(self) -> None:
        super()._write_files()
        main = self.folder / "nginx.conf"
        main.write_text(main.read_text().replace("access_log off;", _FORMATS))
        gate = self.folder / "jitsi-verifier/jitsi-verifier-locations.conf"
        line = f"access_log {self.logs}/access.log jitsi_verifier;"
        assert line in gate.read_text()
        logs = "\n".join(f"access_log {self.logs}/{name} {name};" for name in _LOGS)
        gate.write_text(gate.read_text().replace(line, logs))


def targets() -> list[str]:
    hostile = tomllib.loads((HERE / "hostile_urls.toml").read_text())["targets"]
    good, forged = mint(), mint(room="*")[:-4] + "AAAA"
    tokens = [f"jwt={good}", f"token={good}", f"jwt={forged}", f"jwt={mint(exp=1)}", "jwt=", ""]
    paths = ["/standup", "/Acme/StandUp", "/retro", "/http-bind?room=standup", "/", "/libs/a.js"]
    urls = [f"{path}{'&' if '?' in path else '?'}{token}" for path in paths for token in tokens]
    urls += [f"{target.partition('#')[0]}?token={good}" for target in hostile]
    return [
        *urls,
        *hostile,
        '/a"b',
        "/caf\xe9",
        "/\udcff\udcfe",
        f"/standup?jwt={good}&jwt={good}",
    ]


@pytest.fixture(scope="module")
def logs(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of the logs, after one request for each target."""
    folder = tmp_path_factory.mktemp("replay")
    sidecar = Sidecar(folder, {})
    sidecar.start()
    nginx = LoggingNginx(folder / "nginx", FRONT, sidecar.port, upstream.port)
    try:
        requested = targets()
        for target in requested:
            send(nginx.port, target)
        whole = nginx.logs / "whole"
        wait_until(lambda: len(whole.read_bytes().splitlines()) == len(requested), "every line")
        yield nginx.logs
    finally:
        nginx.stop()
        sidecar.stop()


def outcomes(log: Path) -> list[str]:
    """Return the code of each line; 200 if it is allowed, "" if the verifier is not asked."""
    settings = load({"JWT_APP_ID": APP_ID, "JWT_APP_SECRET": SECRET})
    reader = LineReader()
    with open_keys([settings.key_locations()], settings.key_source_settings()) as keys:
        verifier = replay_verifier(settings, keys)
        return [outcome(reader.read(line), verifier) for line in log.read_bytes().splitlines()]


def outcome(request: LoggedRequest | NotAsked, verifier: ReplayVerifier) -> str:
    verdict = verifier.verify(request) if isinstance(request, LoggedRequest) else request
    if isinstance(verdict, NotAsked):
        return ""
    return verdict.decision.code if isinstance(verdict.decision, Deny) else "200"


def decision_at(line: dict[str, str]) -> str:
    # HIT is an allow from nginx' cache; an empty value means that nginx did not ask.
    return line["denial"] or line["gate"].replace("HIT", "200")


def test_replay_gives_the_decisions_of_the_verifier(logs: Path) -> None:
    lines = [
        json.loads(line)
        for line in (logs / "whole").read_text("utf-8", "surrogateescape").split("\n")[:-1]
    ]
    decisions = [decision_at(line) for line in lines]
    assert "HIT" in {line["gate"] for line in lines}
    # nginx itself answers these requests with 400 and does not ask the verifier.
    compared = [index for index, line in enumerate(lines) if line["status"] != "400"]
    assert {"200", "", "token-expired", "room-mismatch", "token-missing"} < set(decisions)
    for form in ("whole", "combined", "line", "unescaped", "virtual"):
        replayed = outcomes(logs / form)
        assert len(replayed) == len(decisions), form
        for index in compared:
            assert replayed[index] == decisions[index], (form, lines[index])


def report(log: Path) -> dict[str, Any]:
    """Return what the command reports as JSON."""
    command = [sys.executable, "-m", "verifier", "replay", "--json", str(log)]
    environ = {**os.environ, "JWT_APP_ID": APP_ID, "JWT_APP_SECRET": SECRET}
    out = subprocess.run(command, env=environ, check=True, capture_output=True).stdout
    result: dict[str, Any] = json.loads(out)
    return result


def test_hidden_tokens_are_no_part_of_the_ratio(logs: Path) -> None:
    whole, hidden = report(logs / "combined"), report(logs / "hidden")
    assert whole["allowed"] > 0
    # Without the token, all that is left to decide are requests that have none.
    assert hidden["allowed"] == 0
    assert hidden["not_asked"]["redacted"] > whole["allowed"]
    assert hidden["codes"].keys() <= {"token-missing", "ambiguous-request"}
    assert hidden["codes"]["token-missing"] <= whole["codes"]["token-missing"]


def test_log_of_paths_has_no_ratio(logs: Path) -> None:
    paths = report(logs / "path")
    assert (paths["judged"], paths["codes"]) == (0, {})
    assert paths["not_asked"]["no-query"] > 0


def test_log_format_of_the_files_for_nginx_is_recognised(logs: Path) -> None:
    lines = (logs / "jitsi_verifier").read_bytes().splitlines()
    reader = LineReader()
    assert lines
    assert {reader.read(line) for line in lines} == {NotAsked.NO_QUERY}
