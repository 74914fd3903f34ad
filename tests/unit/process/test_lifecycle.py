"""How a worker notices that its supervisor has died."""

from __future__ import annotations

import asyncio
import socket

import pytest

from verifier.process.lifecycle import WorkerLifecycle


@pytest.mark.parametrize("unread", [False, True])
async def test_worker_notices_the_death_of_its_supervisor(unread: bool) -> None:
    supervisor, worker = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    lifecycle, died = WorkerLifecycle(worker, 1.0), asyncio.Event()
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    lifecycle.on_supervisor_death(died.set)
    if unread:
        lifecycle.heartbeat()
    supervisor.close()
    await asyncio.wait_for(died.wait(), 30)
    assert lifecycle.orphaned
    assert not errors
    worker.close()
