"""A request for a room that costs a test less than the service: no HTTP library."""

from __future__ import annotations

import asyncio


async def ask_raw(port: int, token: str) -> tuple[int, str]:
    """Ask about the room "standup"; return the status and the denial code, "" for none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    target = f"/ext-authz/standup?jwt={token}"
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        head = (await reader.read()).decode().lower()
    finally:
        writer.close()
    status, code = int(head.split()[1]), head.partition("x-jitsi-denial: ")[2]
    assert status != 503 or "retry-after: " in head
    return status, code.partition("\r\n")[0]
