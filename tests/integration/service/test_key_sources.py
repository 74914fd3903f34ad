"""The whole verifier with real key sources; tests of single sources are in tests/unit/keys."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.support.key_server import KeyServer, Reply, running_key_server
from tests.support.processes import Answer, RunningVerifier, get, running_verifier, wait_until
from tests.support.tokens import sign

CLAIMS = {"iss": "app", "aud": "jitsi", "sub": "*", "room": "standup"}


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """Return one key for each name."""
    del name
    return rsa.generate_private_key(65537, 2048)


def jwk(key_id: str, key: Any, **members: Any) -> dict[str, Any]:
    kind = {rsa.RSAPrivateKey: RSAAlgorithm, ed25519.Ed25519PrivateKey: OKPAlgorithm}
    form: Any = next((f for k, f in kind.items() if isinstance(key, k)), ECAlgorithm)
    public: dict[str, Any] = json.loads(form.to_jwk(key.public_key()))
    return public | {"kid": key_id, "use": "sig"} | members


def pem(key: Any) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    text: bytes = key.public_key().public_bytes(encoding, form)
    return text


def token(key_id: str, key: Any = None, algorithm: str = "RS256", **header: Any) -> str:
    return sign(CLAIMS, {"kid": key_id, **header}, key or rsa_key(key_id), algorithm)


async def ask(verifier: RunningVerifier, text: str) -> Answer:
    return await asyncio.to_thread(verifier.ask, "/standup", text)


async def admin(verifier: RunningVerifier, path: str) -> Answer:
    return await asyncio.to_thread(get, verifier.admin, path)


async def reload(verifier: RunningVerifier) -> None:
    before = await asyncio.to_thread(verifier.metric, 'config_reloads_total{result="ok"}')
    verifier.process.send_signal(signal.SIGHUP)
    await asyncio.to_thread(
        wait_until,
        lambda: verifier.metric('config_reloads_total{result="ok"}') > before,
        "reload",
    )


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    async with running_key_server() as running:
        yield running


async def test_asap_endpoint_serves_keys_of_a_document(server: KeyServer, tmp_path: Path) -> None:
    server.publish_document(jwk("key 1/ü", rsa_key("key 1/ü")), cache_control="max-age=600")
    with (
        running_verifier(
            tmp_path, JWT_APP_ID="app", JWT_CACHE_KEYS_URL=f"{server.url}/jwks"
        ) as first,
        running_verifier(
            tmp_path, JWT_APP_ID="app", JWT_ASAP_KEYSERVER=f"http://127.0.0.1:{first.port}/asap"
        ) as second,
    ):
        assert (await ask(first, token("key 1/ü"))).status == 200
        assert (await ask(second, token("key 1/ü"))).status == 200
        assert (await ask(second, token("key 2"))).code == "key-unknown"
        keys = (await admin(second, "/v1/keys")).json["keys"]
        assert [(key["key_id"], key["source"]) for key in keys] == [("key 1/ü", "asap")]
        # The key is fresh as long as the document of the first verifier, and no longer.
        assert 500 < keys[0]["expires"] - keys[0]["fetched"] <= 600


async def test_asap_endpoint_serves_no_secret(tmp_path: Path) -> None:
    with running_verifier(tmp_path, JWT_APP_ID="app", JWT_APP_SECRET="x" * 40) as verifier:
        digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        assert get(verifier.port, f"/asap/{digest}.pem").status == 404


@pytest.mark.parametrize(
    ("algorithm", "make"),
    [
        ("RS256", lambda: rsa_key("k")),
        ("RS384", lambda: rsa_key("k")),
        ("RS512", lambda: rsa_key("k")),
        ("PS256", lambda: rsa_key("k")),
        ("PS384", lambda: rsa_key("k")),
        ("PS512", lambda: rsa_key("k")),
        ("ES256", lambda: ec.generate_private_key(ec.SECP256R1())),
        ("ES384", lambda: ec.generate_private_key(ec.SECP384R1())),
        ("ES512", lambda: ec.generate_private_key(ec.SECP521R1())),
        ("EdDSA", ed25519.Ed25519PrivateKey.generate),
    ],
)
async def test_only_the_pinned_algorithm_is_accepted(
    server: KeyServer, tmp_path: Path, algorithm: str, make: Any
) -> None:
    key, other = make(), rsa_key("other")
    server.publish_document(jwk("k", key), jwk("other", other))
    with running_verifier(
        tmp_path,
        JWT_APP_ID="app",
        JWT_CACHE_KEYS_URL=f"{server.url}/jwks",
        JWT_SIGN_TYPE=algorithm,
    ) as verifier:
        assert (await ask(verifier, token("k", key, algorithm))).status == 200
        other_algorithm = "RS256" if algorithm != "RS256" else "PS256"
        assert (
            await ask(verifier, token("other", other, other_algorithm))
        ).code == "algorithm-not-allowed"


async def test_keys_named_in_a_token_header_are_ignored(server: KeyServer, tmp_path: Path) -> None:
    attacker = rsa_key("attacker")
    server.publish_document(jwk("k", rsa_key("k")))
    server.replies["/attacker"] = Reply(json.dumps({"keys": [jwk("k", attacker)]}).encode())
    header: dict[str, Any] = {
        "jwk": jwk("k", attacker),
        "jku": f"{server.url}/attacker",
        "x5u": f"{server.url}/attacker",
        "x5c": ["AAAA"],
    }
    with running_verifier(
        tmp_path, JWT_APP_ID="app", JWT_CACHE_KEYS_URL=f"{server.url}/jwks"
    ) as verifier:
        assert (await ask(verifier, token("k", attacker, **header))).code == "signature-invalid"
        assert (await ask(verifier, token("k", **header))).status == 200
    assert "/attacker" not in server.paths()


async def test_readiness_reports_a_failing_source_and_its_recovery(
    server: KeyServer, tmp_path: Path
) -> None:
    server.reply_to_all = Reply(status=500)
    with running_verifier(
        tmp_path, JWT_APP_ID="app", JWT_CACHE_KEYS_URL=f"{server.url}/jwks"
    ) as verifier:
        answer = await ask(verifier, token("k"))
        assert (answer.status, answer.code) == (503, "keys-unavailable")
        ready = await admin(verifier, "/readyz")
        assert (ready.status, ready.json["ready"]) == (503, False)
        source = ready.json["sources"][0]
        assert (source["source"], source["state"]) == ("document", "failing")
        assert "500" in source["last_error"]
        # The source recovers without another token.
        server.publish_document(jwk("k", rsa_key("k")))
        server.reply_to_all = None
        await asyncio.to_thread(
            wait_until, lambda: get(verifier.admin, "/readyz").status == 200, "readiness"
        )
        assert (await ask(verifier, token("k"))).status == 200
        keys = (await admin(verifier, "/v1/keys")).json["keys"]
        assert [key["key_id"] for key in keys] == ["k"]
        assert len(keys[0]["fingerprint"]) == 64
        fetches = 'key_fetches_total{result="ok",source="document"}'
        assert await asyncio.to_thread(verifier.metric, fetches) >= 1
        assert await asyncio.to_thread(verifier.metric, 'keys{source="document"}') == 1


async def test_reload_keeps_keys_while_the_server_fails(server: KeyServer, tmp_path: Path) -> None:
    server.publish("k", pem(rsa_key("k")))
    config = tmp_path / "verifier.toml"
    config.write_text(f'app_id = "app"\nasap_key_server = "{server.url}"\n')
    with running_verifier(tmp_path, config) as verifier:
        assert (await ask(verifier, token("k"))).status == 200
        server.reply_to_all = Reply(status=500)
        await reload(verifier)
        assert (await ask(verifier, token("k"))).status == 200


async def test_waiting_request_survives_a_reload(server: KeyServer, tmp_path: Path) -> None:
    server.reply_to_all = Reply(pem(rsa_key("k")), fault="stall")
    config = tmp_path / "verifier.toml"
    config.write_text(f'app_id = "app"\nasap_key_server = "{server.url}"\n')
    with running_verifier(tmp_path, config) as verifier:
        waiting = asyncio.create_task(ask(verifier, token("k")))
        async with asyncio.timeout(10):
            while not server.requests:  # noqa: ASYNC110  # no event reports it
                await asyncio.sleep(0.01)
        await reload(verifier)
        server.release.set()
        assert (await waiting).status == 200


async def test_waiting_request_times_out_without_delaying_others(
    server: KeyServer, tmp_path: Path
) -> None:
    server.publish("k", pem(rsa_key("k")))
    with running_verifier(
        tmp_path,
        JWT_APP_ID="app",
        JWT_ASAP_KEYSERVER=server.url,
        VERIFIER_KEY_FETCH_TIMEOUT="1",
    ) as verifier:
        assert (await ask(verifier, token("k"))).status == 200
        server.reply_to_all = Reply(fault="stall")
        waiting = asyncio.create_task(ask(verifier, token("unknown", rsa_key("k"))))
        async with asyncio.timeout(10):
            while len(server.requests) < 2:  # noqa: ASYNC110  # no event reports it
                await asyncio.sleep(0.01)
        assert (await ask(verifier, token("k"))).status == 200
        assert not waiting.done()
        answer = await waiting
        assert (answer.status, answer.code) == (503, "keys-unavailable")
        assert int(answer.headers["Retry-After"]) > 0


async def test_reload_keeps_keys_of_two_hosts_with_one_url(
    server: KeyServer, tmp_path: Path
) -> None:
    server.publish("k", pem(rsa_key("k")))
    (tmp_path / "own.pem").write_bytes(pem(rsa_key("own")))
    config = tmp_path / "verifier.toml"
    config.write_text(
        f'app_id = "app"\nasap_key_server = "{server.url}"\n[hosts."two.example"]\n'
        f'asap_key_server = "{server.url}"\npublic_keys = {{ own = "{tmp_path}/own.pem" }}\n'
    )
    with running_verifier(tmp_path, config) as verifier:
        assert (await ask(verifier, token("k"))).status == 200
        assert await asyncio.to_thread(verifier.metric, 'keys{source="file"}') == 1
        success = 'key_last_success_timestamp_seconds{source="%s"}'
        assert await asyncio.to_thread(verifier.metric, success % "file") > 0
        server.reply_to_all = Reply(status=500)
        await reload(verifier)
        assert (await ask(verifier, token("k"))).status == 200
        # The metrics of a source that no longer exists become 0.
        config.write_text(f'app_id = "app"\nasap_key_server = "{server.url}"\n')
        await reload(verifier)
        assert await asyncio.to_thread(verifier.metric, 'keys{source="file"}') == 0
        assert await asyncio.to_thread(verifier.metric, 'keys{source="asap"}') == 1
        assert await asyncio.to_thread(verifier.metric, success % "file") == 0
        assert await asyncio.to_thread(verifier.metric, success % "asap") > 0


async def test_waiting_request_survives_a_reload_with_a_shorter_timeout(
    server: KeyServer, tmp_path: Path
) -> None:
    server.reply_to_all = Reply(fault="stall")
    config = tmp_path / "verifier.toml"
    text = f'app_id = "app"\nasap_key_server = "{server.url}"\nkey_fetch_timeout = '
    config.write_text(text + "3\n")
    with running_verifier(tmp_path, config) as verifier:
        waiting = asyncio.create_task(ask(verifier, token("k")))
        async with asyncio.timeout(10):
            while not server.requests:  # noqa: ASYNC110  # no event reports it
                await asyncio.sleep(0.01)
        config.write_text(text + "0.2\n")
        await reload(verifier)
        answer = await waiting
        assert (answer.status, answer.code) == (503, "keys-unavailable")


# A key id with a new key


KINDS = ("document", "asap")


def publish(server: KeyServer, kind: str, key: rsa.RSAPrivateKey, **headers: str) -> None:
    if kind == "document":
        server.publish_document(jwk("k", key), **headers)
    else:
        server.publish("k", pem(key), **headers)


def key_options(server: KeyServer, kind: str) -> dict[str, Any]:
    if kind == "document":
        return {"JWT_CACHE_KEYS_URL": f"{server.url}/jwks"}
    return {"JWT_ASAP_KEYSERVER": server.url}


@pytest.mark.parametrize("kind", KINDS)
async def test_new_key_under_same_key_id_is_used_at_once(
    server: KeyServer, tmp_path: Path, kind: str
) -> None:
    publish(server, kind, rsa_key("old"), Cache_Control="max-age=3600", ETag='"same"')
    with running_verifier(tmp_path, JWT_APP_ID="app", **key_options(server, kind)) as verifier:
        assert (await ask(verifier, token("k", rsa_key("old")))).status == 200
        publish(server, kind, rsa_key("new"), Cache_Control="max-age=3600", ETag='"same"')
        new = [token("k", rsa_key("new"), number=str(number)) for number in range(20)]
        answers = await asyncio.gather(*(ask(verifier, text) for text in new))
        assert {answer.status for answer in answers} == {200}
        assert (await ask(verifier, token("k", rsa_key("old")))).code == "signature-invalid"
        assert server.requests[-1].headers["Cache-Control"] == "no-cache"
        assert "key id has another key" in verifier.log
    assert len(server.requests) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_forged_signatures_cause_one_request(
    server: KeyServer, tmp_path: Path, kind: str
) -> None:
    publish(server, kind, rsa_key("good"))
    with running_verifier(tmp_path, JWT_APP_ID="app", **key_options(server, kind)) as verifier:
        assert (await ask(verifier, token("k", rsa_key("good")))).status == 200
        for number in range(100):
            text = token("k", rsa_key("forged"), number=str(number))
            assert (await ask(verifier, text)).code == "signature-invalid"
        assert (await ask(verifier, token("k", rsa_key("good"), number="1"))).status == 200
        assert len(server.requests) == 2
        # While the server does not answer, nothing waits for it that is known.
        assert "key id has another key" not in verifier.log


async def test_forged_signatures_do_not_wait_in_great_number(
    server: KeyServer, tmp_path: Path
) -> None:
    publish(server, "asap", rsa_key("good"))
    with running_verifier(tmp_path, JWT_APP_ID="app", JWT_ASAP_KEYSERVER=server.url) as verifier:
        good = token("k", rsa_key("good"))
        assert (await ask(verifier, good)).status == 200
        server.reply_to_all = Reply(pem(rsa_key("good")), fault="stall")
        first = asyncio.create_task(ask(verifier, token("k", rsa_key("forged"))))
        async with asyncio.timeout(10):
            while len(server.requests) < 2:  # noqa: ASYNC110  # no event reports it
                await asyncio.sleep(0.01)
        # Known keys and remembered answers go on meanwhile.
        assert (await ask(verifier, good)).status == 200
        assert (await ask(verifier, token("k", rsa_key("good"), number="1"))).status == 200
        assert not first.done()
        server.release.set()
        assert (await first).code == "signature-invalid"
        assert len(server.requests) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_reload_asks_for_all_keys(server: KeyServer, tmp_path: Path, kind: str) -> None:
    publish(server, kind, rsa_key("old"), Cache_Control="max-age=3600", ETag='"same"')
    config = tmp_path / "verifier.toml"
    option = "cache_keys_url" if kind == "document" else "asap_key_server"
    url = next(iter(key_options(server, kind).values()))
    config.write_text(f'app_id = "app"\n{option} = "{url}"\n')
    with running_verifier(tmp_path, config) as verifier:
        assert (await ask(verifier, token("k", rsa_key("old")))).status == 200
        publish(server, kind, rsa_key("new"), Cache_Control="max-age=3600", ETag='"same"')
        await reload(verifier)
        await asyncio.to_thread(
            wait_until, lambda: "key id has another key" in verifier.log, "the new key"
        )
        assert server.requests[-1].headers["Cache-Control"] == "no-cache"
        assert (await ask(verifier, token("k", rsa_key("new")))).status == 200
    assert len(server.requests) == 2
