from __future__ import annotations

from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.support.sidecar import FakeKeys, Sidecar, Start, mint
from verifier.keys.model import VerificationKey
from verifier.keys.sources.base import Missing


async def access(sidecar: Sidecar, *headers: tuple[str, str]) -> tuple[int, str]:
    status, answer, body = await sidecar.ask("/access", *headers)
    assert answer["Content-Type"] == "application/json"
    return status, body


async def test_the_access_manager_allows_a_good_token(start: Start) -> None:
    sidecar = await start()
    # The headers that mod_muc_auth_ban sends.
    headers = [("Authorization", f"Bearer {mint()}"), ("Content-Type", "application/json")]
    assert await access(sidecar, *headers) == (200, '{"access": true}')
    assert sidecar.count("decisions_total", endpoint="access", outcome="allowed", code="") == 1


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "Bearer ")],
        [("Authorization", f"Bearer {mint(exp=1)}")],
        [("Authorization", f"Basic {mint()}")],
        [("Authorization", f"Bearer {mint()}")] * 2,
    ],
)
async def test_the_access_manager_denies_with_200(
    start: Start, headers: list[tuple[str, str]]
) -> None:
    assert await access(await start(), *headers) == (200, '{"access": false}')


async def test_the_access_manager_denies_without_keys(start: Start) -> None:
    keys = FakeKeys(Missing.UNAVAILABLE)
    sidecar = await start(keys=keys, key_server=True, signature_algorithm="RS256")
    token = mint({"kid": "k", "alg": "RS256"})
    answer = await access(sidecar, ("Authorization", f"Bearer {token}"))
    assert answer == (200, '{"access": false}')


async def test_a_token_is_a_password(start: Start) -> None:
    sidecar = await start()
    path = "/check_password?user=ada&server=meet.example.org&pass="
    for password, word in [(mint(), "true"), (mint(exp=1), "false"), ("", "false")]:
        status, _, body = await sidecar.ask(path + password)
        assert (status, body) == (200, word)
    twice = await sidecar.ask(f"{path}{mint()}&pass={mint()}")
    assert (twice[0], twice[2]) == (200, "false")
    guests = await start(allow_empty_token=True)
    for query in ("?user=ada", "", "?" + "a&" * 2000, "?pass=&server=a&server=b"):
        none = await guests.ask("/check_password" + query)
        assert (none[0], none[2]) == (200, "false"), query[:30]
    # mod_auth_http can send its own credentials in Authorization; they are not the user's.
    status, _, body = await sidecar.ask(path + mint(), ("Authorization", "Basic dTpw"))
    assert (status, body) == (200, "true")


async def test_every_user_exists(start: Start) -> None:
    status, _, body = await (await start()).ask("/user_exists?user=ada&server=meet.example.org")
    assert (status, body) == (200, "true")


@pytest.mark.parametrize("path", ["/access", "/check_password", "/user_exists"])
async def test_these_endpoints_only_read(start: Start, path: str) -> None:
    status, headers, _ = await (await start()).ask(path, method="POST")
    assert (status, headers["Allow"]) == (405, "GET")


async def test_a_public_key_is_served_under_the_digest_of_its_key_id(start: Start) -> None:
    public = rsa.generate_private_key(65537, 2048).public_key()
    digest = sha256(b"key-1").hexdigest()
    key = VerificationKey("key-1", frozenset({"RS256"}), public, "document")

    sidecar = await start(keys=FakeKeys(digests={digest: (key, 61.9)}))
    status, headers, body = await sidecar.ask(f"/asap/{digest}.pem")
    assert (status, headers["Cache-Control"]) == (200, "public, max-age=61")
    assert load_pem_public_key(body.encode()) == public
    for path in (
        f"/asap/{digest.upper()}.pem",
        f"/asap/{'0' * 64}.pem",
        f"/asap/{digest}",
        f"/asap/{digest}.pem?x",
        "/asap/../key-1.pem",
    ):
        assert (await sidecar.ask(path))[0] == 404
    assert (await sidecar.ask(f"/asap/{digest}.pem", method="DELETE"))[0] == 404


async def test_a_password_among_too_many_parameters_is_refused(start: Start) -> None:
    sidecar = await start()
    for count, answer in ((126, "true"), (128, "false")):
        query = "&".join([*["a=b"] * count, f"pass={mint()}"])
        assert (await sidecar.ask(f"/check_password?{query}"))[2] == answer
