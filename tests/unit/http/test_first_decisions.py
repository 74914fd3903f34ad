"""Which requests count as the first decision about a token."""

from __future__ import annotations

from tests.support.sidecar import Start, mint

CLIENT = ("X-Real-IP", "192.0.2.1")
FORGED_SIGNATURE = "A" * 43


def forged(number: int) -> str:
    """Return a token whose signature is wrong."""
    head, claims, _ = mint(jti=str(number)).split(".")
    return f"{head}.{claims}.{FORGED_SIGNATURE}"


async def test_requests_of_one_token_count_once(start: Start) -> None:
    sidecar = await start()
    for token in (mint(), mint(room="other")):
        await sidecar.nginx(f"/standup?jwt={token}", CLIENT)
        await sidecar.nginx(f"/standup?jwt={token}", CLIENT)
        await sidecar.nginx(f"/http-bind?room=standup&token={token}")
        await sidecar.ask("/v1/verify", method="POST", json={"token": token})
    assert sidecar.count("first_decisions_total", outcome="allowed", code="") == 2  # without a room
    assert sidecar.count("first_decisions_total", outcome="denied", code="room-mismatch") == 1


async def test_requests_without_one_token_do_not_count(start: Start) -> None:
    sidecar = await start()
    await sidecar.nginx("/standup")
    await sidecar.nginx(f"/standup?jwt={mint()}&jwt={mint()}")
    for code in ("token-missing", "ambiguous-request"):
        assert sidecar.count("first_decisions_total", outcome="denied", code=code) == 0
        assert sidecar.count("decisions_total", endpoint="auth", outcome="denied", code=code) == 1


async def test_invented_tokens_count_by_the_address_of_nginx(start: Start) -> None:
    sidecar = await start()
    for number in range(20):
        await sidecar.nginx(f"/standup?jwt={forged(number)}", CLIENT)
        client = f"192.0.2.{number}"
        await sidecar.nginx(f"/standup?jwt={forged(number + 100)}", ("X-Real-IP", client))
    bad = {"outcome": "denied", "code": "signature-invalid"}
    assert sidecar.count("first_decisions_total", **bad) == 20
    await sidecar.nginx(f"/standup?jwt={mint()}", CLIENT)
    for number in range(20, 30):
        await sidecar.nginx(f"/standup?jwt={forged(number)}", CLIENT)
    assert sidecar.count("first_decisions_total", **bad) == 30
