"""A signing key changes, or leaks, while good and bad tokens arrive."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.support.key_server import pem_of
from tests.support.tokens import sign
from tests.system.operations.machine import Machine, running_machine, steps
from tests.system.operations.stream import (
    ALLOWED,
    DENIED,
    EITHER,
    Stream,
    claims,
    running_stream,
)

OLD: Final = "KEY-1"
NEW: Final = "KEY-2"
OPTIONS: Final = """
app_id = "app"
signature_algorithm = "ES256"
workers = 2
key_grace = 1
"""
PLACES: Final = {
    "key set": 'cache_keys_url = "{url}/jwks"\n',
    "key server": 'asap_key_server = "{url}/asap"\n',
    "files": 'public_keys = {{ "unused" = "{folder}/jwks" }}\n',
}


@cache
def private_key(key_id: str) -> ec.EllipticCurvePrivateKey:
    """Return one key for each name."""
    del key_id
    return ec.generate_private_key(ec.SECP256R1())


def token(key_id: str) -> str:
    return sign(claims(), {"kid": key_id}, private_key(key_id), "ES256")


def publish(folder: Path, *key_ids: str) -> None:
    """Write a key set and a folder of PEM files, as an issuer publishes them."""
    keys = {key_id: private_key(key_id).public_key() for key_id in key_ids}
    entries = [ECAlgorithm.to_jwk(key, as_dict=True) | {"kid": kid} for kid, key in keys.items()]
    (folder / "asap").mkdir(parents=True, exist_ok=True)
    for file in (folder / "asap").iterdir():
        file.unlink()
    for key_id, key in keys.items():
        name = hashlib.sha256(key_id.encode()).hexdigest()
        (folder / f"asap/{name}.pem").write_text(pem_of(key))
    (folder / "new").write_text(json.dumps({"keys": entries}))
    (folder / "new").rename(folder / "jwks")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def published(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Publish the old key; yield the folder and its address."""
    folder = tmp_path / "published"
    publish(folder, OLD)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=PLACES)
def machine(
    request: pytest.FixtureRequest, tmp_path: Path, published: tuple[Path, str]
) -> Iterator[Machine]:
    folder, url = published
    place = PLACES[request.param].format(folder=folder, url=url)
    with running_machine(tmp_path, OPTIONS + place) as machine:
        yield machine


def wait_for_denials(stream: Stream, kind: str) -> None:
    """Wait until both workers deny a kind of token."""
    for _ in range(1_000):
        before = stream.codes[kind, 200, ""]
        stream.flow(30)
        if stream.codes[kind, 200, ""] == before:
            return
    raise AssertionError(f"{kind} is allowed: {stream.codes}")


def test_key_changes_and_no_token_is_refused(
    machine: Machine, published: tuple[Path, str], request: pytest.FixtureRequest
) -> None:
    (look,) = steps("Change a signing key")
    folder = published[0]
    is_server = "key server" in request.node.name
    old = lambda: token(OLD)  # noqa: E731  # one of several kinds
    with running_stream(machine.port, {"old": old, "issuer": old}) as stream:
        publish(folder, OLD, NEW)
        # A key server is not asked for a key that no token has named.
        machine.run(look.replace(NEW, OLD) if is_server else look)
        machine.wait_for_log('"configuration reloaded"', 2)
        stream.flow()
        stream.expect("issuer", ALLOWED, lambda: token(NEW))  # step 3
        stream.flow()
        machine.run(look)
        stream.expect("old", EITHER)  # step 4: the last of them have expired
        publish(folder, NEW)
        machine.run("systemctl reload jitsi-verifier")
        wait_for_denials(stream, "old")
        stream.expect("old", DENIED)


@pytest.mark.parametrize("machine", ["key set"], indirect=True)
def test_leaked_key_is_refused_at_once(machine: Machine, published: tuple[Path, str]) -> None:
    _, leaked = steps("A secret or a key has leaked")
    publish(published[0], OLD, NEW)
    good = {"old": lambda: token(OLD), "new": lambda: token(NEW)}
    with running_stream(machine.port, good) as stream:
        stream.expect("old", EITHER)
        machine.run(leaked)
        stream.expect("old", DENIED)
        stream.flow()
        assert stream.codes["old", 403, "revoked"]
