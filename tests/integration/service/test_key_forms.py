"""The running service with key sets in the forms that identity providers write.

One service has a host for each form, and each host has a document of its own. So a form arrives in
a rotation, while tokens are accepted, without a service for each form.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.support.key_server import KeyServer, Reply, running_key_server
from tests.support.processes import (
    Answer,
    RunningVerifier,
    get,
    post,
    running_verifier,
    wait_until,
)
from tests.support.tokens import sign

KEY, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
WEAK = rsa.generate_private_key(65537, 1024)  # noqa: S505  # on purpose
EC = ec.generate_private_key(ec.SECP256R1())
NUMBERS = itertools.count()


def jwk(key: rsa.RSAPrivateKey = KEY, **members: Any) -> dict[str, Any]:
    written = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {"kty": "RSA", "n": written["n"], "e": "AQAB", "kid": "k", **members}


def private_jwk(key: rsa.RSAPrivateKey, **members: Any) -> dict[str, Any]:
    return {**RSAAlgorithm.to_jwk(key, as_dict=True), "kid": "k", **members}


def document(*entries: Any, **members: Any) -> bytes:
    return json.dumps({**members, "keys": entries}).encode()


def pem(key: rsa.RSAPrivateKey = KEY) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form)


def odd(text: str) -> bytes:
    """Return the good key beside an entry with other text."""
    entry = json.dumps(jwk(OTHER, kid="odd"))[:-1]
    return f'{{"keys": [{json.dumps(jwk())}, {entry}, {text}}}]}}'.encode()


N = jwk()["n"]
EC_JWK: dict[str, Any] = ECAlgorithm.to_jwk(EC.public_key(), as_dict=True)
USABLE: Mapping[str, bytes] = {
    "plain": document(jwk()),
    "encryption-key-beside": document(jwk(use="sig"), jwk(use="enc", alg="RSA-OAEP")),
    "other-encryption-key": document(jwk(use="sig"), jwk(OTHER, use="enc")),
    "encryption-algorithm": document(jwk(OTHER, alg="RSA-OAEP"), jwk()),
    "once-for-each-algorithm": document(*(jwk(alg=f"RS{n}") for n in (256, 384, 512))),
    "twice": document(jwk(), jwk()),
    "other-type-with-the-kid": document({**EC_JWK, "kid": "k"}, jwk()),
    "other-algorithm": document(jwk(alg="RS256"), jwk(OTHER, alg="RS512")),
    "weak-with-the-kid": document(jwk(), jwk(WEAK)),
    "secret-with-the-kid": document({"kty": "oct", "kid": "k", "k": "AAAA"}, jwk()),
    "nulls": document(jwk(d=None, use=None, oth=[], key_ops=[], x5c=[], alg="", p="")),
    "padded": document(jwk(n=N + "==")),
    "standard-alphabet": document(jwk(n=N.replace("-", "+").replace("_", "/"))),
    "leading-zeros": document(jwk(e="AAEAAQ")),
    "huge-number": odd('"x-created": 99999999999999999999'),
    "infinite-number": odd('"x-created": 1e999, "x": NaN'),
    "doubled-member": odd('"use": "sig", "use": "enc"'),
    "lone-surrogate": odd('"x": "\\ud800"'),
    "no-utf8": odd('"x": "\xfc"').decode().encode("latin-1"),
    "no-objects": document(1, "x", None, [], jwk()),
    "no-kid": document({**jwk(OTHER), "kid": None}, jwk()),
    "private-neighbour": document(jwk(), private_jwk(OTHER, kid="p")),
    "byte-order-mark": b"\xef\xbb\xbf" + document(jwk()),
    "members-beside": document(jwk(), issuer="https://sso.example.org", error=None),
    "map-of-pem": json.dumps({"k": pem().decode(), "odd": 5}).encode(),
    "names-in-capitals": json.dumps(
        {"Keys": [{name.title(): value for name, value in jwk(d=None).items()}]}
    ).encode(),
    "object-of-keys": json.dumps({"keys": {"1": jwk(OTHER, kid="odd"), "2": jwk()}}).encode(),
    "escaped-line-breaks": json.dumps({"k": pem().decode().replace("\n", "\\n")}).encode(),
    "five-hundred": document(*(jwk(kid=f"k{n}") for n in range(499)), jwk()),
}
HELD: Mapping[str, bytes] = {
    "two-keys": document(jwk(), jwk(OTHER)),
    "two-new-keys": document(
        jwk(OTHER), jwk(rsa.generate_private_key(65537, 2048)), jwk(kid="other")
    ),
    "malformed": document(jwk(n="?"), jwk(kid="other")),
    "doubled-number": document(jwk(kid="other"))[:-2]
    + b', {"kty": "RSA", "kid": "k", "n": "AAAA", "n": "AAAB", "e": "AQAB"}]}',
    "nothing-readable": document(jwk(n="?")),
    "cut-off": document(jwk())[:-9],
    "utf-16": document(jwk()).decode().encode("utf-16"),
    "discovery": json.dumps({"jwks_uri": "https://sso.example.org/certs"}).encode(),
}
REFUSED: Mapping[str, bytes] = {
    "private": document(private_jwk(KEY)),
    "private-again": document(jwk(), private_jwk(KEY)),
    "private-beside-two": document(jwk(), jwk(OTHER), private_jwk(KEY), jwk(kid="other")),
    "encryption-only": document(jwk(use="enc"), jwk(kid="other")),
    "secret-only": document({"kty": "oct", "kid": "k", "k": "AAAA"}, jwk(kid="other")),
    "weak-only": document(jwk(WEAK), jwk(kid="other")),
}


def token(kid: str = "k", key: Any = KEY, algorithm: str = "RS256") -> str:
    """Return a token that no other request has, so that no cache answers it."""
    claims = {"iss": "app", "aud": "jitsi", "sub": "*", "room": "standup", "n": next(NUMBERS)}
    return sign(claims, {"kid": kid}, key, algorithm)


async def ask(verifier: RunningVerifier, form: str, text: str) -> Answer:
    path = f"/ext-authz/standup?jwt={text}"
    return await asyncio.to_thread(get, verifier.port, path, {"Host": f"{form}.example"})


async def fetch_again(verifier: RunningVerifier, form: str) -> None:
    """Have the document fetched: a token names an unknown key id."""
    assert (await ask(verifier, form, token("invented"))).status in (401, 503)


def config(tmp_path: Path, server: KeyServer, forms: Mapping[str, bytes]) -> Path:
    path = tmp_path / "verifier.toml"
    tables = "".join(
        f'[hosts."{form}.example"]\ncache_keys_url = "{server.url}/{form}"\n' for form in forms
    )
    path.write_text(f'app_id = "app"\ncache_keys_url = "{server.url}/plain"\n{tables}')
    return path


def publish(server: KeyServer, forms: Mapping[str, bytes]) -> None:
    server.replies |= {f"/{form}": Reply(body) for form, body in forms.items()}


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    async with running_key_server() as running:
        publish(running, {"plain": USABLE["plain"]})
        yield running


async def test_every_form_is_read_at_a_start(server: KeyServer, tmp_path: Path) -> None:
    publish(server, USABLE)
    with running_verifier(tmp_path, config(tmp_path, server, USABLE)) as verifier:
        answers = {form: (await ask(verifier, form, token())).status for form in USABLE}
        assert answers == dict.fromkeys(USABLE, 200)
        # The other key of a form is not confused with the good one.
        forged = {form: (await ask(verifier, form, token("k", OTHER))).status for form in USABLE}
        assert set(forged.values()) == {401}


async def test_every_form_may_arrive_in_a_rotation(server: KeyServer, tmp_path: Path) -> None:
    forms = {**USABLE, **HELD}
    publish(server, dict.fromkeys(forms, USABLE["plain"]))
    with running_verifier(tmp_path, config(tmp_path, server, forms)) as verifier:
        for form in forms:
            assert (await ask(verifier, form, token())).status == 200
        publish(server, forms)
        rotated = asyncio.Event()

        async def keep_asking() -> set[int]:
            seen: set[int] = set()
            while not rotated.is_set():
                seen |= {(await ask(verifier, form, token())).status for form in forms}
            return seen

        asking = asyncio.create_task(keep_asking())
        before = len(server.requests)
        for form in forms:
            await fetch_again(verifier, form)
        rotated.set()
        assert await asking == {200}
        assert len(server.requests) - before >= len(forms)
        answers = {form: (await ask(verifier, form, token())).status for form in forms}
        assert answers == dict.fromkeys(forms, 200)


async def test_newcomer_takes_no_key_from_an_ambiguous_entry(
    server: KeyServer, tmp_path: Path
) -> None:
    forms = {**HELD, **REFUSED}
    publish(server, forms)
    with running_verifier(tmp_path, config(tmp_path, server, forms)) as verifier:
        for form in forms:
            answer = await ask(verifier, form, token())
            # Without the key whose private key is published, only the other one is left.
            left = ["signature-invalid"] if form == "private-beside-two" else []
            assert answer.code in ("key-unknown", "keys-unavailable", *left), form


async def test_published_or_reassigned_key_ends_in_a_rotation(
    server: KeyServer, tmp_path: Path
) -> None:
    publish(server, dict.fromkeys(REFUSED, USABLE["plain"]))
    with running_verifier(tmp_path, config(tmp_path, server, REFUSED)) as verifier:
        for form in REFUSED:
            assert (await ask(verifier, form, token())).status == 200
        publish(server, REFUSED)
        for form in REFUSED:
            await fetch_again(verifier, form)
            assert (await ask(verifier, form, token())).status in (401, 503), form
        assert '"private key published"' in verifier.log


async def test_unusable_entries_are_named_everywhere(server: KeyServer, tmp_path: Path) -> None:
    entries = [
        jwk(e="AAEAAQ"),
        jwk(OTHER, kid="enc\u202e\n" + "x" * 500, use="enc"),
        *(jwk(WEAK, kid=f"weak {number}") for number in range(30)),
        private_jwk(OTHER, kid="leaked"),
        {"kty": "oct", "kid": "secret", "k": "bm90LXNob3duLWFueXdoZXJl"},
    ]
    publish(server, {"plain": document(*entries)})
    with running_verifier(tmp_path, config(tmp_path, server, {})) as verifier:
        await asyncio.to_thread(verifier.wait_for_log, "irregular key used")
        lines = [json.loads(line) for line in verifier.log.splitlines()]
        named = [line for line in lines if line["event"] == "key not used"]
        assert len(named) == 19
        assert "found 'enc'" in named[0]["error"]
        assert len(named[0]["key_id"]) <= 200
        assert named[1]["error"] == "RSA key of 1024 bits: expected 2048 to 8192"
        assert [line["count"] for line in lines if line["event"] == "further keys not used"] == [13]
        leaked = next(line for line in lines if line["event"] == "private key published")
        assert (leaked["level"], leaked["key_id"]) == ("error", "leaked")
        irregular = next(line for line in lines if line["event"] == "irregular key used")
        assert (irregular["key_id"], irregular["form"]) == ("k", "leading zeros in e of its JWK")

        shown = (await asyncio.to_thread(get, verifier.admin, "/v1/keys")).json
        assert [key["irregular"] for key in shown["keys"]] == ["leading zeros in e of its JWK"]
        assert len(shown["not_used"]) == 33
        assert {entry["source"] for entry in shown["not_used"]} == {"document"}
        secret = next(entry for entry in shown["not_used"] if entry["key_id"] == "secret")
        assert secret["reason"] == "symmetric"

        for kid, words in (("secret", "found a symmetric one"), ("weak 7", "of 1024 bits")):
            explained = await explain(verifier, token(kid))
            failed = next(step for step in explained["steps"] if step["result"] == "fail")
            assert "is published, but it cannot be used" in failed["cure"]
            assert words in failed["cure"]
            assert any(
                note.startswith(f"Not used from document: '{kid}'") for note in explained["notes"]
            )
        assert any("irregular form" in note for note in (await explain(verifier, token()))["notes"])
        everything = verifier.log + json.dumps(shown)
        assert "bm90LXNob3duLWFueXdoZXJl" not in everything
        assert private_jwk(OTHER)["d"] not in everything


async def explain(verifier: RunningVerifier, text: str) -> Any:
    body = json.dumps({"token": text, "room_jid": "standup@muc.meet.example.org"}).encode()
    headers = {"Content-Type": "application/json"}
    answer = await asyncio.to_thread(post, verifier.admin, "/v1/explain", body, headers)
    return answer.json


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (document(), "it has no keys"),
        (b"{}", "it has no keys"),
        (
            document(jwk(use="enc"), jwk(WEAK, kid="weak")),
            "none of its 2 entries is a usable key: 'k': expected use to be sig",
        ),
        (
            json.dumps({"jwks_uri": "https://sso.example.org/certs"}).encode(),
            "set cache_keys_url to its jwks_uri, 'https://sso.example.org/certs'",
        ),
    ],
)
async def test_service_is_not_ready_before_there_is_a_key(
    server: KeyServer, tmp_path: Path, body: bytes, words: str
) -> None:
    publish(server, {"plain": body})
    with running_verifier(tmp_path, config(tmp_path, server, {})) as verifier:
        await asyncio.to_thread(verifier.wait_for_log, "keys cannot be fetched")
        ready = await asyncio.to_thread(get, verifier.admin, "/readyz")
        assert (ready.status, ready.json["sources"][0]["state"]) == (503, "failing")
        assert words in ready.json["sources"][0]["last_error"]
        assert words.partition("'")[0] in verifier.log
        assert (await ask(verifier, "plain", token())).code == "keys-unavailable"
        explained = await explain(verifier, token())
        assert any(words in note for note in explained["notes"])
        cure = next(step["cure"] for step in explained["steps"] if step["result"] == "fail")
        assert "reachable" not in cure
        assert "cannot be used: " in cure
        # The source is asked again soon, without a token.
        publish(server, {"plain": USABLE["plain"]})
        await asyncio.to_thread(
            wait_until, lambda: get(verifier.admin, "/readyz").status == 200, "readiness"
        )
        assert (await ask(verifier, "plain", token())).status == 200
        # A set that becomes empty later withdraws its keys, and the service stays ready.
        publish(server, {"plain": document()})
        await fetch_again(verifier, "plain")
        assert (await ask(verifier, "plain", token())).status == 200
        assert (await asyncio.to_thread(get, verifier.admin, "/readyz")).status == 200


async def test_key_server_and_files_may_have_a_byte_order_mark(
    server: KeyServer, tmp_path: Path
) -> None:
    server.publish("asap", b"\xef\xbb\xbf" + pem())
    (tmp_path / "key.pem").write_bytes(b"\xef\xbb\xbf" + pem().replace(b"\n", b"\r\n"))
    (tmp_path / "set.json").write_bytes(b"\xef\xbb\xbf" + document(jwk(kid="set"), 5))
    path = tmp_path / "verifier.toml"
    path.write_text(
        f'app_id = "app"\nasap_key_server = "{server.url}"\n[public_keys]\n'
        f'file = "{tmp_path}/key.pem"\nany = "{tmp_path}/set.json"\n'
        f"inline = '''\ufeff{pem().decode()}'''\n"
    )
    with running_verifier(tmp_path, path) as verifier:
        for kid in ("asap", "file", "set", "inline"):
            assert (await ask(verifier, "plain", token(kid))).status == 200, kid


async def test_broken_key_file_does_not_harm_the_other_files(tmp_path: Path) -> None:
    broken, rotated = tmp_path / "broken.pem", tmp_path / "rotated.json"
    broken.write_bytes(pem())
    rotated.write_bytes(document(jwk(kid="old"), jwk(kid="two")))
    path = tmp_path / "verifier.toml"
    path.write_text(f'app_id = "app"\n[public_keys]\nbroken = "{broken}"\nset = "{rotated}"\n')
    with running_verifier(tmp_path, path) as verifier:
        assert (await ask(verifier, "plain", token("broken"))).status == 200
        broken.write_bytes(b"-----BEGIN PUBLIC KEY-----\n")
        # The good file has a new key, and makes one of its key ids ambiguous.
        rotated.write_bytes(document(jwk(OTHER, kid="new"), jwk(kid="two"), jwk(OTHER, kid="two")))

        async def is_read() -> bool:
            return (await ask(verifier, "plain", token("new", OTHER))).status == 200

        async with asyncio.timeout(20):
            while not await is_read():  # noqa: ASYNC110  # no event reports it
                await asyncio.sleep(0.1)
        assert (await ask(verifier, "plain", token("broken"))).status == 200
        assert (await ask(verifier, "plain", token("two"))).status == 200
        assert (await ask(verifier, "plain", token("two", OTHER))).code == "signature-invalid"
        assert (await ask(verifier, "plain", token("old"))).code == "key-unknown"
        ready = (await asyncio.to_thread(get, verifier.admin, "/readyz")).json
        assert ready["sources"][0]["last_error"].startswith(f"{broken}: ")
        shown = (await asyncio.to_thread(get, verifier.admin, "/v1/keys")).json
        assert [entry["key_id"] for entry in shown["not_used"]] == ["two", "two"]
