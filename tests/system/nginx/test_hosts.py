"""The service decides for the same host that nginx forwards to Jitsi."""

from __future__ import annotations

import socket
import subprocess
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.support.processes import free_port
from tests.support.raw_http import Answer, send
from tests.support.tokens import SECRET, sign
from tests.support.upstream import RecordedRequest
from tests.system.nginx.sites import FRONT, JITSI, StartSite, mint

OTHER_SECRET = "another-secret-of-more-than-thirty-two-bytes"
CONFIG = f"""
strict_hosts = true
[hosts."meet.example.org"]
app_id = "a"
app_secret = "{SECRET}"
[hosts."b.example.org"]
app_id = "b"
app_secret = "{OTHER_SECRET}"
"""


@pytest.mark.parametrize("example", [JITSI, FRONT])
def test_host_in_the_request_line_is_ignored(
    sites: StartSite, tmp_path_factory: pytest.TempPathFactory, example: str
) -> None:
    config = tmp_path_factory.mktemp("hosts") / "verifier.toml"
    Path(config).write_text(CONFIG)
    site = sites(example, name="hosts", VERIFIER_CONFIG=str(config))
    token = sign({"iss": "a", "aud": "x", "sub": "*", "room": "standup"})
    target = f"/http-bind?room=standup&token={token}"
    assert send(site.nginx.port, target).status == 200
    before = len(site.upstream.requests)
    for line in (target, f"http://meet.example.org{target}"):
        answer = send(site.nginx.port, line, host="b.example.org")
        assert answer.denial == (401, "signature-invalid")
    assert len(site.upstream.requests) == before


@pytest.mark.parametrize("example", [JITSI, FRONT])
def test_request_without_host_has_the_name_of_the_server(sites: StartSite, example: str) -> None:
    """HTTP/1.0 needs no Host, and HTTP/3 has none: nginx then knows the host by other means."""
    site = sites(example)
    head = f"GET /http-bind?room=standup&token={mint()} HTTP/1.0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.nginx.port), timeout=20) as connection:
        connection.sendall(head.encode())
        with HTTPResponse(connection) as response:
            response.begin()
            answer = Answer(response.status, response.headers, response.read())
    assert answer.status == 200
    assert RecordedRequest.from_json(answer.json()).values("Host") == ["meet.example.org"]


def test_authority_of_http_2_is_the_host(
    sites: StartSite, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = tmp_path_factory.mktemp("hosts") / "verifier.toml"
    config.write_text(CONFIG)
    port, line = free_port(), "server_name meet.example.org;"
    edits = [(line, f"listen 127.0.0.1:{port} http2;\n    {line}")]
    site = sites(JITSI, name="http2", edits=edits, VERIFIER_CONFIG=str(config))
    token = sign({"iss": "a", "aud": "x", "sub": "*", "room": "standup"})
    hosts = ["meet.example.org", "meet.example.org:8443", "b.example.org"]
    before = len(site.upstream.requests)
    for host, expected in zip(hosts, ["2 200", "2 200", "2 401"], strict=True):
        command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_version} %{http_code}"]
        command += ["--http2-prior-knowledge", "--connect-to", f"::127.0.0.1:{port}"]
        command += [f"http://{host}/http-bind?room=standup&token={token}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == expected
    forwarded = [request.values("Host") for request in site.upstream.requests[before:]]
    assert forwarded == [[host] for host in hosts[:2]]
