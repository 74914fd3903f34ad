"""The option key_cache: keys that survive a restart while the identity provider is down."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.key_server import KeyServer, Reply, jwk, pem, pem_of, running_key_server
from tests.support.processes import RunningVerifier, get, running_verifier, wait_until
from tests.support.raw_ask import ask_raw
from tests.support.tokens import sign

KEY = ec.derive_private_key(7, ec.SECP256R1())
KEY_IDS = [f"kid {number}" for number in range(50)]
CLAIMS = {"iss": "app", "aud": "jitsi", "sub": "*", "room": "standup"}


def token(key_id: str, number: int = 0) -> str:
    return sign(CLAIMS | {"jti": str(number)}, {"kid": key_id}, KEY, "ES256")


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    async with running_key_server() as running:
        for key_id in KEY_IDS:
            running.publish(key_id, pem_of(KEY.public_key()))
        yield running


async def ask_all(port: int, tokens: Sequence[str]) -> Counter[tuple[int, str]]:
    """Ask with 20 connections at a time."""
    answers: Counter[tuple[int, str]] = Counter()
    waiting = iter(tokens)

    async def work() -> None:
        for text in waiting:
            answers[await ask_raw(port, text)] += 1

    await asyncio.gather(*(work() for _ in range(20)))
    return answers


def options(server: KeyServer, file: Path, **others: str) -> dict[str, Any]:
    usual = {
        "JWT_APP_ID": "app",
        "JWT_ASAP_KEYSERVER": server.url,
        "JWT_SIGN_TYPE": "ES256",
        "VERIFIER_KEY_CACHE": str(file),
    }
    return usual | others


def stored(file: Path) -> dict[str, Any]:
    """Return the entries of the file by key id; none while the file is broken."""
    try:
        return {entry["kid"]: entry for entry in json.loads(file.read_text())["keys"]}
    except json.JSONDecodeError:
        return {}


async def has_stored(file: Path, count: int) -> None:
    def enough() -> bool:
        return len(stored(file)) >= count

    await asyncio.to_thread(wait_until, enough, f"{count} keys in the file")


async def kill(verifier: RunningVerifier) -> None:
    verifier.process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(verifier.process.wait)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_no_good_token_is_refused_after_a_kill_during_an_outage(
    server: KeyServer, tmp_path: Path, workers: str
) -> None:
    file = tmp_path / "keys.json"
    settings = options(server, file, VERIFIER_WORKERS=workers)
    with running_verifier(tmp_path, **settings) as verifier:
        assert await ask_all(verifier.port, [*map(token, KEY_IDS)] * 4) == {(200, ""): 200}
        await has_stored(file, 50)
        await kill(verifier)
    assert file.stat().st_mode & 0o777 == 0o600
    server.reply_to_all = Reply(status=500)
    with running_verifier(tmp_path, **settings) as verifier:
        tokens = [token(KEY_IDS[number % 50], number) for number in range(10_000)]
        assert await ask_all(verifier.port, tokens) == {(200, ""): 10_000}
        assert (await asyncio.to_thread(get, verifier.admin, "/readyz")).status == 200
        keys = (await asyncio.to_thread(get, verifier.admin, "/v1/keys")).json["keys"]
        assert len(keys) == 50
        # What is not in the file is unknown for now, and not for ever.
        assert await ask_raw(verifier.port, token("other")) == (503, "keys-unavailable")


async def test_document_replaces_what_the_file_had(server: KeyServer, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    settings = options(server, file, JWT_CACHE_KEYS_URL=f"{server.url}/jwks?secret=s3cret")
    del settings["JWT_ASAP_KEYSERVER"]
    server.publish_document(jwk("a", "a"), jwk("b", "b"))
    with running_verifier(tmp_path, **settings):
        await has_stored(file, 2)
    assert "s3cret" not in file.read_text()
    server.publish_document(jwk("a", "new"), jwk("b", "b", d="AAAA"))
    with running_verifier(tmp_path, **settings) as verifier:
        await asyncio.to_thread(
            wait_until, lambda: not stored(file)["b"]["material"], "the refusal of b"
        )
        assert stored(file)["a"]["material"][0]["pem"] == pem("new")
        keys = (await asyncio.to_thread(get, verifier.admin, "/v1/keys")).json["keys"]
        assert [key["key_id"] for key in keys] == ["a"]
    # The refused key does not come back.
    server.reply_to_all = Reply(status=500)
    with running_verifier(tmp_path, **settings) as verifier:
        keys = (await asyncio.to_thread(get, verifier.admin, "/v1/keys")).json["keys"]
        assert [key["key_id"] for key in keys] == ["a"]


@pytest.mark.parametrize("fault", ["garbage", "other url", "too old", "writable by others", "link"])
async def test_unfit_file_is_ignored(server: KeyServer, tmp_path: Path, fault: str) -> None:
    file = tmp_path / "keys.json"
    with running_verifier(tmp_path, **options(server, file)) as verifier:
        assert await ask_raw(verifier.port, token(KEY_IDS[0])) == (200, "")
        await has_stored(file, 1)
    document = json.loads(file.read_text())
    entry = document["keys"][0]
    if fault == "other url":
        entry["url"] = "https://elsewhere.example.org/"
    if fault == "too old":
        entry["confirmed"] = time.time() - 86_401
    file.write_text("{" if fault == "garbage" else json.dumps(document))
    if fault == "writable by others":
        file.chmod(0o620)
    if fault == "link":
        file = file.rename(tmp_path / "target")
        (tmp_path / "keys.json").symlink_to(file)
        file = tmp_path / "keys.json"
    server.reply_to_all = Reply(status=500)
    with running_verifier(tmp_path, **options(server, file)) as verifier:
        assert await ask_raw(verifier.port, token(KEY_IDS[0])) == (503, "keys-unavailable")
        assert ("key cache not used" in verifier.log) is (fault != "too old")
        # It is replaced as soon as there are keys again.
        server.reply_to_all = None

        def answered() -> bool:
            return asyncio.run(ask_raw(verifier.port, token(KEY_IDS[0]))) == (200, "")

        await asyncio.to_thread(wait_until, answered, "a key")
        await asyncio.to_thread(
            wait_until,
            lambda: not file.is_symlink() and file.stat().st_mode & 0o777 == 0o600,
            "a new file",
        )
        await asyncio.to_thread(
            wait_until,
            lambda: f'"url": "{server.url}' in file.read_text(),
            "the new key",
        )


async def test_unwritable_file_is_a_warning(server: KeyServer, tmp_path: Path) -> None:
    settings = options(server, tmp_path / "missing" / "keys.json")
    with running_verifier(tmp_path, **settings) as verifier:
        assert await ask_raw(verifier.port, token(KEY_IDS[0])) == (200, "")
        await asyncio.to_thread(
            wait_until, lambda: "key cache not written" in verifier.log, "the warning"
        )
        assert verifier.log.count("key cache not written") == 1
