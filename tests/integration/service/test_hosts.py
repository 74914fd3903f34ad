"""Several virtual hosts in one sidecar: a host's tokens open no rooms of another host."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.processes import Answer, RunningVerifier, get, running_verifier
from tests.support.tokens import SECRET, sign

UNIVERSITY, CLINIC = "university-secret-" + "u" * 32, "clinic-secret-" + "c" * 32
CONFIG = f"""
app_id = "default"
app_secret = "{SECRET}"

[hosts."Meet.University.example"]
app_id = "moodle"
app_secret = "{UNIVERSITY}"

[hosts."meet.clinic.example"]
app_id = "booking"
app_secret = "{CLINIC}"
muc_mapper_domain_base = "clinic.internal"
allow_empty_token = true
"""


def mint(issuer: str, secret: str, **claims: Any) -> str:
    usual = {"iss": issuer, "aud": "jitsi", "sub": "*", "room": "standup"}
    return sign(usual | claims, key=secret)


TOKENS = {
    "meet.university.example": mint("moodle", UNIVERSITY),
    "meet.clinic.example": mint("booking", CLINIC),
    "elsewhere.example": mint("default", SECRET),
}


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVerifier]:
    folder = tmp_path_factory.mktemp("hosts")
    config = folder / "verifier.toml"
    config.write_text(CONFIG)
    with running_verifier(folder, config) as running:
        yield running


def ask(verifier: RunningVerifier, convention: str, host: str, token: str) -> Answer:
    target = f"/standup?jwt={token}"
    headers = {
        "auth": {"X-Original-URI": target, "Host": host},
        "auth-url": {"X-Original-URL": f"https://{host}{target}"},
        "forward-auth": {"X-Forwarded-Uri": target, "X-Forwarded-Host": host},
        "ext-authz": {"Host": host},
    }[convention]
    path = f"/ext-authz{target}" if convention == "ext-authz" else f"/{convention}"
    return get(verifier.port, path, headers)


@pytest.mark.parametrize("convention", ["auth", "auth-url", "forward-auth", "ext-authz"])
@pytest.mark.parametrize("host", TOKENS)
@pytest.mark.parametrize("issuer", TOKENS)
def test_a_token_opens_only_its_hosts_rooms(
    verifier: RunningVerifier, convention: str, host: str, issuer: str
) -> None:
    for name in (host, host.upper() + ":8443"):
        answer = ask(verifier, convention, name, TOKENS[issuer])
        if host == issuer:
            assert answer.status == 200
        else:
            assert answer.code == "signature-invalid"


def test_each_host_has_its_own_policy(verifier: RunningVerifier) -> None:
    guest = get(verifier.port, "/ext-authz/standup", {"Host": "meet.clinic.example"})
    assert guest.status == 200
    assert get(verifier.port, "/ext-authz/standup", {"Host": "meet.university.example"}).code == (
        "token-missing"
    )
    other_domain = mint("booking", CLINIC, sub="clinic.elsewhere")
    assert ask(verifier, "auth", "meet.clinic.example", other_domain).code == "domain-mismatch"


def test_programs_name_the_host_in_their_request(verifier: RunningVerifier) -> None:
    for host, allowed in (("meet.clinic.example", True), (None, False), ("other", False)):
        connection = http.client.HTTPConnection("127.0.0.1", verifier.port, timeout=10)
        body = json.dumps({"token": TOKENS["meet.clinic.example"], "host": host})
        connection.request("POST", "/v1/verify", body)
        assert json.loads(connection.getresponse().read())["allowed"] is allowed
        connection.close()
    query = f"/check_password?user=u&pass={TOKENS['meet.clinic.example']}&server="
    assert get(verifier.port, query + "meet.clinic.example").body == "true"
    assert get(verifier.port, query + "meet.university.example").body == "false"


def test_strict_hosts_refuse_hosts_without_a_table(tmp_path: Path) -> None:
    config = tmp_path / "strict.toml"
    config.write_text("strict_hosts = true\n" + CONFIG)
    with running_verifier(tmp_path, config) as strict:
        for host, token in TOKENS.items():
            answer = ask(strict, "auth", host, token)
            served = host != "elsewhere.example"
            assert (answer.status, answer.code) == (200, "") if served else (403, "domain-mismatch")


def test_hosts_with_the_same_keys_share_one_source(tmp_path: Path) -> None:
    config = tmp_path / "shared.toml"
    config.write_text(
        f'app_id = "a"\napp_secret = "{SECRET}"\n[hosts."b.example"]\napp_id = "b"\n'
        f'[hosts."c.example"]\napp_id = "c"\napp_secret = "{CLINIC}"\n'
    )
    with running_verifier(tmp_path, config) as shared:
        assert len(get(shared.admin, "/v1/keys").json["keys"]) == 2
        assert shared.metric('keys{source="secret"}') == 2
        assert ask(shared, "auth", "b.example", mint("b", SECRET)).status == 200
        # The issuer of the whole service is not inherited with its keys.
        assert ask(shared, "auth", "b.example", mint("a", SECRET)).code == "issuer-not-accepted"


def test_each_host_serves_its_own_keys(tmp_path: Path) -> None:
    ours, theirs = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    for name, key in (("ours.pem", ours), ("theirs.pem", theirs)):
        encoding, form = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        (tmp_path / name).write_bytes(key.public_key().public_bytes(encoding, form))
    config = tmp_path / "bridge.toml"
    config.write_text(
        f'app_id = "a"\napp_secret = "{SECRET}"\n'
        f'[hosts."ours.example"]\n[hosts."ours.example".public_keys]\nk = "{tmp_path}/ours.pem"\n'
        f'[hosts."theirs.example"]\n[hosts."theirs.example".public_keys]\n'
        f'k = "{tmp_path}/theirs.pem"\nmore = "{tmp_path}/theirs.pem"\n'
    )
    with running_verifier(tmp_path, config) as verifier:
        for key_id, host, name in (
            ("k", "ours.example", "ours.pem"),
            ("k", "theirs.example:8090", "theirs.pem"),
            ("more", "theirs.example", "theirs.pem"),
        ):
            path = f"/asap/{sha256(key_id.encode()).hexdigest()}.pem"
            answer = get(verifier.port, path, {"Host": host})
            assert answer.body == (tmp_path / name).read_text()
        assert get(verifier.port, path, {"Host": "ours.example"}).status == 404
        assert get(verifier.port, path).status == 404
