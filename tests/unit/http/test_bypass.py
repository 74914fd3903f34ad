from __future__ import annotations

from ipaddress import ip_network

import pytest

from tests.support.sidecar import Start, mint
from verifier.decisions.bypass import Bypass

JIBRI = [ip_network("10.9.0.0/16"), ip_network("fd00::/8")]
LOOPBACK = [ip_network("127.0.0.0/8")]


async def test_a_bypassed_client_needs_no_token_and_has_no_identity(start: Start) -> None:
    sidecar = await start(bypass=Bypass(JIBRI, LOOPBACK))
    for address in ("10.9.1.2", "fd00::1", "::ffff:10.9.1.2"):
        status, headers, _ = await sidecar.nginx("/http-bind?room=standup", ("X-Real-IP", address))
        assert (status, headers["X-Jitsi-Room"]) == (200, "standup")
        assert (headers["X-Jitsi-Affiliation"], headers["X-Jitsi-Subject"]) == ("none", "-")
        # A proxy caches by URL and token, so it must not cache a decision by address.
        assert (headers["Cache-Control"], "X-Accel-Expires" in headers) == ("no-store", False)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("X-Real-IP", "10.8.0.1")],
        [("X-Real-IP", "10.9.1.2"), ("X-Real-IP", "10.9.1.2")],
        [("X-Real-IP", "10.9.1.2, 10.9.1.2")],
        [("X-Real-IP", "")],
        [("X-Forwarded-For", "10.9.1.2")],
    ],
)
async def test_other_clients_need_a_token(start: Start, headers: list[tuple[str, str]]) -> None:
    sidecar = await start(bypass=Bypass(JIBRI, LOOPBACK))
    _, answer, _ = await sidecar.nginx("/http-bind?room=standup", *headers)
    assert answer["X-Jitsi-Denial"] == "token-missing"


async def test_only_a_trusted_proxys_header_counts(start: Start) -> None:
    for trusted in ([], [ip_network("192.0.2.0/24")], ["unix"]):
        sidecar = await start(bypass=Bypass(JIBRI, trusted))
        _, answer, _ = await sidecar.nginx("/standup", ("X-Real-IP", "10.9.1.2"))
        assert answer["X-Jitsi-Denial"] == "token-missing"


async def test_a_bypassed_clients_token_is_verified(start: Start) -> None:
    sidecar = await start(bypass=Bypass(JIBRI, LOOPBACK))
    _, answer, _ = await sidecar.nginx(f"/standup?jwt={mint(exp=1)}", ("X-Real-IP", "10.9.1.2"))
    assert answer["X-Jitsi-Denial"] == "token-expired"
