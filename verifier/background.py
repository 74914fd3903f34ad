"""Work beside the requests: no task and no thread ends with an exception that goes unnoticed.

==============================================  ================================================
what raised an exception                        what happens
==============================================  ================================================
a task of ``start_task``, or a thread of        It is logged with its place. The process answers
``start_thread``: the service needs it          the requests in flight, ends with status 1, and
                                                is started again by its supervisor or by the
                                                service manager.
one round of work that is repeated anyway, for  The round is logged with its place, and the next
example a request to a key server               one follows: what a server sends must not end
                                                the process again and again.
work for a request, for example a fetch         The request is answered with an error. If no
                                                request waits any more, it is logged.
any other callback, task or thread              It is logged with its place.
==============================================  ================================================

A place is a file and a line. The message of an exception is not logged, because it may quote a
request or a key.

The event loop's exception handler connects the two sides: a task can fail in any package, and
``handle_errors``, which the serving process calls, says what that leads to. In other programs that
use these packages, asyncio's own handler logs the failure.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from verifier.log import log_internal_error, traceback_summary

EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""The errors of a system without free file descriptors or memory."""

_NAME: Final = "background"  # our own key in the context that asyncio's handler gets

# asyncio keeps only weak references to tasks.
_running: Final[set[asyncio.Task[None]]] = set()
_serving: Final[list[asyncio.AbstractEventLoop]] = []  # at most one: that of ``handle_errors``


def start_task(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Start a task that the service needs; it may end, or be cancelled, but must not fail.

    Args:
        work: What the task does.
        name: A fixed phrase for the log.
    """
    task = asyncio.create_task(work, name=name)
    _running.add(task)
    task.add_done_callback(_end_task)
    return task


def start_thread(work: Callable[[], None], name: str) -> threading.Thread:
    """Start a daemon thread that the service needs; it may end, but must not fail.

    Args:
        work: What the thread does.
        name: A fixed phrase for the log.
    """

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  # passed on to the event loop's handler
            for loop in _serving:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_fail, loop, name, error)
                    return
            log_internal_error(traceback_summary(error), work=name)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def handle_errors(on_failure: Callable[[], None]) -> None:
    """Log all exceptions that nothing else handles, in the running event loop and in threads.

    Args:
        on_failure: Called when work that the service needs has failed; ends the process.
    """
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(partial(_handle, on_failure))
    _serving[:] = [loop]
    threading.excepthook = _handle_in_thread


def _end_task(task: asyncio.Task[None]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        _fail(task.get_loop(), task.get_name(), error)


def _fail(loop: asyncio.AbstractEventLoop, name: str, error: BaseException) -> None:
    context = {"message": "background work failed", "exception": error, _NAME: name}
    loop.call_exception_handler(context)


def _handle(
    on_failure: Callable[[], None], loop: asyncio.AbstractEventLoop, context: dict[str, Any]
) -> None:
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in EXHAUSTED and "socket" in context:
        loop.default_exception_handler(context)  # a constant text: no descriptors are left
        return
    # The message is only logged without an exception: others quote the arguments of a call.
    places = context["message"] if error is None else traceback_summary(error)
    log_internal_error(places, work=context.get(_NAME))
    if _NAME in context:
        on_failure()


def _handle_in_thread(failed: threading.ExceptHookArgs) -> None:
    name = None if failed.thread is None else failed.thread.name
    log_internal_error(traceback_summary(failed.exc_value), work=name)
