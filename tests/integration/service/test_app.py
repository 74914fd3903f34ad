from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.processes import RunningVerifier, get, post, running_verifier, wait_until
from tests.support.tokens import SECRET, sign
from verifier.config import ConfigError, Settings, load
from verifier.observability.metrics import Metrics
from verifier.process.app import App
from verifier.process.sockets import Listeners
from verifier.version import VERSION

OTHER_SECRET = "another-secret-of-more-than-thirty-two-bytes"


def token(secret: str = SECRET, **claims: Any) -> str:
    usual = {"iss": "app", "aud": "jitsi", "sub": "*", "room": "standup", "exp": time.time() + 600}
    return sign(usual | claims, key=secret)


def reload(verifier: RunningVerifier, result: str) -> None:
    sample = f'config_reloads_total{{result="{result}"}}'
    before = verifier.metric(sample)
    verifier.process.send_signal(signal.SIGHUP)
    wait_until(lambda: verifier.metric(sample) > before, "reload")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "verifier.toml"
    path.write_text(f'app_id = "app"\napp_secret = "{SECRET}"\n')
    return path


def test_sighup_reads_the_configuration_again(tmp_path: Path, config: Path) -> None:
    with running_verifier(tmp_path, config) as verifier:
        assert verifier.ask("/standup", token()).status == 200
        config.write_text(f'app_id = "other"\napp_secret = "{SECRET}"\n')
        reload(verifier, "ok")
        # Cached before the reload, and decided again after it.
        assert verifier.ask("/standup", token()).code == "issuer-not-accepted"
        assert verifier.ask("/standup", token(iss="other")).status == 200


def test_bad_configuration_leaves_the_running_one_in_use(tmp_path: Path, config: Path) -> None:
    with running_verifier(tmp_path, config) as verifier:
        config.write_text('app_id = ""\nunknown = 1\n')
        reload(verifier, "error")
        assert verifier.ask("/standup", token()).status == 200
        assert verifier.metric("config_last_reload_successful") == 0
        verifier.wait_for_log("configuration not reloaded")
        config.write_text(f'app_id = "app"\napp_secret = "{SECRET}"\n')
        reload(verifier, "ok")
        assert verifier.metric("config_last_reload_successful") == 1
        assert SECRET not in verifier.log


def test_swapped_secret_file_is_used_without_a_signal(tmp_path: Path) -> None:
    for name, secret in (("one", SECRET), ("two", OTHER_SECRET)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secret").write_text(secret + "\n")
    data = tmp_path / "..data"
    data.symlink_to("one")
    (tmp_path / "secret").symlink_to("..data/secret")
    with running_verifier(
        tmp_path, JWT_APP_ID="app", JWT_APP_SECRET_FILE=str(tmp_path / "secret")
    ) as verifier:
        assert verifier.ask("/standup", token()).status == 200
        # Kubernetes makes a new link and renames it over the old one.
        (tmp_path / "..new").symlink_to("two")
        (tmp_path / "..new").rename(data)
        wait_until(
            lambda: verifier.ask("/standup", token()).code == "signature-invalid", "new secret"
        )
        assert verifier.ask("/standup", token(OTHER_SECRET)).status == 200


def test_changed_key_file_ends_cached_decisions(tmp_path: Path, config: Path) -> None:
    old, new = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    path = tmp_path / "key.pem"
    path.write_bytes(public_pem(old))
    config.write_text(f'app_id = "app"\n[public_keys]\nk = "{path}"\n')

    def mint(key: Any) -> str:
        claims = {"iss": "app", "aud": "a", "sub": "*", "room": "standup"}
        return sign(claims, {"kid": "k"}, key, "RS256")

    with running_verifier(tmp_path, config) as verifier:
        assert verifier.ask("/standup", mint(old)).status == 200
        path.write_bytes(public_pem(new))
        wait_until(lambda: verifier.ask("/standup", mint(new)).status == 200, "new key")
        assert verifier.ask("/standup", mint(old)).code == "signature-invalid"


def public_pem(key: Any) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    pem: bytes = key.public_key().public_bytes(encoding, form)
    return pem


def test_wrong_configuration_exits_with_78_and_reports_every_problem(tmp_path: Path) -> None:
    with running_verifier(
        tmp_path, wait=False, VERIFIER_LOG_LEVEL="loud", JWT_ALLOW_EMPTY="maybe"
    ) as verifier:
        assert verifier.process.wait(20) == os.EX_CONFIG
        for name in ("app_id", "app_secret", "JWT_ALLOW_EMPTY", "VERIFIER_LOG_LEVEL"):
            assert name in verifier.log
        assert "Traceback" not in verifier.log


def test_address_in_use_is_reported(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        running_verifier(
            tmp_path,
            wait=False,
            JWT_APP_ID="app",
            JWT_APP_SECRET=SECRET,
            VERIFIER_LISTEN="{}:{}".format(*taken.getsockname()),
        ) as verifier,
    ):
        assert verifier.process.wait(20) == 1
        assert "cannot listen" in verifier.log
        assert "Traceback" not in verifier.log


def test_unix_sockets_and_several_addresses_are_served(tmp_path: Path) -> None:
    path = tmp_path / "verifier.sock"
    with running_verifier(
        tmp_path, JWT_APP_ID="app", JWT_APP_SECRET=SECRET, VERIFIER_LISTEN=f"unix:{path}"
    ):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200 OK")
        assert path.stat().st_mode & 0o777 == 0o666


def test_sigterm_ends_cleanly_with_open_connections(tmp_path: Path, config: Path) -> None:
    with running_verifier(tmp_path, config) as verifier:
        with socket.create_connection(("127.0.0.1", verifier.port)) as idle:
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert idle.recv(4096)
            verifier.process.terminate()
            assert verifier.process.wait(20) == 0
        assert "Traceback" not in verifier.log


def test_admin_token_protects_everything_except_health_and_metrics(
    tmp_path: Path, config: Path
) -> None:
    with running_verifier(tmp_path, config, VERIFIER_ADMIN_TOKEN="letmein-letmein") as verifier:
        for path in ("/healthz", "/readyz", "/metrics"):
            assert get(verifier.admin, path).status == 200
        for authorization in ("", "Bearer wrong", "Basic bGV0bWVpbg==", "Bearer letmein-letmei"):
            answer = get(verifier.admin, "/v1/keys", {"Authorization": authorization})
            assert (answer.status, "keys" in answer.body) == (401, False)
        answer = get(verifier.admin, "/v1/keys", {"Authorization": "Bearer letmein-letmein"})
        assert answer.json["keys"][0]["source"] == "secret"
        assert SECRET not in answer.body
        assert get(verifier.admin, "/nothing").status == 401


def test_endpoints_with_the_verdict_in_the_body_always_answer_200(
    tmp_path: Path, config: Path
) -> None:
    """The warning of docs/http-api.md: no proxy may ask them."""
    with running_verifier(tmp_path, config) as verifier:
        for path in ("/healthz", "/access", "/check_password?user=a&server=b&pass=c"):
            assert get(verifier.port, path).status == 200, path
        json_type = {"Content-Type": "application/json"}
        assert (
            post(verifier.port, "/v1/verify", b'{"token": null}', json_type).json["allowed"]
            is False
        )
        assert verifier.ask("/standup").status == 401


def test_every_metric_exists_from_the_start(tmp_path: Path, config: Path) -> None:
    with running_verifier(tmp_path, config) as verifier:
        exposed = get(verifier.admin, "/metrics").body
        for name in (
            'decisions_total{code="",endpoint="auth",outcome="allowed"} 0.0',
            'decisions_total{code="room-mismatch",endpoint="ext-authz",outcome="denied"} 0.0',
            'decision_duration_seconds_bucket{endpoint="verify",le="2.5e-05"} 0.0',
            "in_flight 0.0",
            'decision_cache_lookups_total{result="hit"} 0.0',
            "decision_cache_entries 0.0",
            'key_lookups_total{result="stale",source="asap"} 0.0',
            'key_fetches_total{result="timeout",source="document"} 0.0',
            'key_fetch_duration_seconds_count{source="asap"} 0.0',
            'key_last_success_timestamp_seconds{source="document"} 0.0',
            'keys{source="secret"} 1.0',
            "moderators_total 0.0",
            'config_reloads_total{result="ok"} 0.0',
            "config_last_reload_successful 1.0",
            f'build_info{{version="{VERSION}"}} 1.0',
        ):
            assert f"jitsi_verifier_{name}\n" in exposed, name


def explain(verifier: RunningVerifier, body: object, method: str = "POST") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", verifier.admin, timeout=10)
    text = body if isinstance(body, str) else json.dumps(body)
    connection.request(method, "/v1/explain", text, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


def test_admin_listener_explains_decisions(tmp_path: Path, config: Path) -> None:
    with running_verifier(tmp_path, config) as verifier:
        good = token()
        status, answer = explain(
            verifier, {"token": good, "url": "https://meet.example.org/standup"}
        )
        assert (status, answer["allowed"], answer["code"]) == (200, True, None)
        assert answer.keys() >= {"allowed", "code", "steps", "prosody", "notes"}
        _, denied = explain(verifier, {"token": good, "room_jid": "other@muc.example.org"})
        (failed,) = [step for step in denied["steps"] if step["result"] == "fail"]
        assert (denied["code"], failed["name"]) == ("room-mismatch", "room")
        assert failed["cure"]
        _, late = explain(verifier, {"token": good, "now": time.time() + 3600})
        assert late["code"] == "token-expired"
        inside = {"url": f"https://meet.example.org/http-bind?room=standup&token={good}"}
        assert explain(verifier, inside)[1]["allowed"] is True
        twice = {"url": f"https://m/standup?jwt={good}&jwt={good}"}
        assert explain(verifier, twice)[1]["code"] == "ambiguous-request"
        for wrong in (
            "{",
            {"token": 5},
            {"token": good, "now": "soon"},
            {"token": good, "url": "ftp://x/y"},
            {"token": good, "url": "https://x/y", "room_jid": "a@b"},
        ):
            status, problem = explain(verifier, wrong)
            assert (status, problem["status"]) == (400, 400), wrong
        assert explain(verifier, "", "GET")[0] == 405
        assert good not in verifier.log


@pytest.mark.parametrize("pause", [0.0, 0.3, 0.8, 1.2])
def test_secret_changed_right_after_reload_is_used(tmp_path: Path, pause: float) -> None:
    path = tmp_path / "secret"
    path.write_text(SECRET)
    with running_verifier(tmp_path, JWT_APP_ID="app", JWT_APP_SECRET_FILE=str(path)) as verifier:
        reload(verifier, "ok")
        time.sleep(pause)  # the moment of the change is the parameter of this test
        path.write_text(OTHER_SECRET)
        wait_until(lambda: verifier.ask("/standup", token(OTHER_SECRET)).status == 200, "secret")
        assert verifier.ask("/standup", token()).code == "signature-invalid"


def test_secret_file_missing_for_a_moment_is_used_later(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(SECRET)
    with running_verifier(tmp_path, JWT_APP_ID="app", JWT_APP_SECRET_FILE=str(path)) as verifier:
        path.unlink()
        wait_until(
            lambda: verifier.metric('config_reloads_total{result="error"}') == 1, "failed reload"
        )
        assert verifier.ask("/standup", token()).status == 200
        path.write_text(OTHER_SECRET)
        wait_until(lambda: verifier.ask("/standup", token(OTHER_SECRET)).status == 200, "secret")


def test_sighup_right_after_start_does_not_end_the_process(tmp_path: Path, config: Path) -> None:
    with running_verifier(tmp_path, config, wait=False) as verifier:
        wait_until(
            lambda: _on_hangup(verifier.process.pid, "SigIgn:", "SigCgt:"),
            "a signal mask or a handler for SIGHUP",
        )
        verifier.process.send_signal(signal.SIGHUP)
        wait_until(lambda: get(verifier.admin, "/healthz").status == 200, "health")
        assert verifier.process.poll() is None


def test_reload_requested_during_start_happens_after_it(tmp_path: Path, config: Path) -> None:
    # So many hosts that the start takes longer than a poll of its signal handlers.
    hosts = [f'[hosts."h{n}"]\napp_secret = "{n:04}-{SECRET}"\n' for n in range(1000)]
    config.write_text(config.read_text() + "".join(hosts))
    with running_verifier(tmp_path, config, wait=False) as verifier:
        wait_until(lambda: _on_hangup(verifier.process.pid, "SigCgt:"), "the signal's handler")
        verifier.process.send_signal(signal.SIGHUP)
        wait_until(lambda: verifier.metric('config_reloads_total{result="ok"}') == 1, "reload")
        assert verifier.metric('config_reloads_total{result="error"}') == 0


def _on_hangup(pid: int, *masks: str) -> bool:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    found = [line.split()[1] for line in status.splitlines() if line.startswith(masks)]
    return any(int(mask, 16) & 1 for mask in found)


async def test_reloads_requested_during_a_reload_become_one() -> None:
    environ = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET}
    read, go_on = list[None](), threading.Event()

    def refuse() -> Settings:
        read.append(None)
        assert go_on.wait(10)
        raise ConfigError([])

    app = App(load(environ), refuse, Listeners(), Metrics())
    reloads = [asyncio.create_task(app.reload()) for _ in range(10)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*reloads)
    assert len(read) == 2
