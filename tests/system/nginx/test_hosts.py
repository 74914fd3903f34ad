"""The service decides for the same host that nginx forwards to Jitsi."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.raw_http import send
from tests.support.tokens import SECRET, sign
from tests.system.nginx.sites import FRONT, JITSI, StartSite

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
