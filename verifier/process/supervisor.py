"""Keeps a number of worker processes alive, and ends when they have ended.

Why fork, and not new programs: a forked worker inherits the listening sockets and the
configuration that is in force. So a restarted worker equals the others, even if the configuration
file on the disk has errors now. Forked workers share the memory pages of all imported modules, and
a restart takes milliseconds.

Why one thread and no event loop: fork copies only the calling thread. If another thread holds a
lock at that moment, nothing ever unlocks the copy of this lock in the forked process. The
supervisor therefore does everything in one thread, which waits in ``select``.

Why a wake-up descriptor: a signal handler in Python runs between two instructions, also just before
``select`` begins to wait, and then ``select`` would not notice the signal. The interpreter writes
the number of each signal to a socket instead (``signal.set_wakeup_fd``), and ``select`` waits for
that socket. SIGCHLD, which announces the end of a worker, arrives in the same way.

``select`` waits for four things: a signal, a message from a worker, the time of the next restart
and the time of the next check for missing heartbeats.

The states of one worker are in ``forked_worker``. The states of the service:

============ =============================================== =====================================
state        event                                           what happens
============ =============================================== =====================================
first start  the first worker listens                        all workers start: ``running``
first start  the first worker ends                           ``stopping`` with its exit status
running      a worker ends                                   it is started again after a delay
not stopping no heartbeat of a worker for ``_silence_limit`` SIGKILL to that worker
any          SIGHUP                                          SIGHUP to every worker
any          SIGINT or SIGTERM                               SIGTERM to every worker: ``stopping``
stopping     the last worker ends                            ``run`` returns the exit status
stopping     ``job.shutdown_seconds()`` have passed          SIGKILL to every worker
stopping     ``_KILL_SECONDS`` later, a worker remains       ``run`` returns 1
============ =============================================== =====================================

In the state ``first start``, only the first worker runs. So a configuration that no worker can use
is reported once, and not by every worker.

A worker whose event loop is blocked keeps its connections, and its clients wait. Workers therefore
send heartbeats from their event loop. The supervisor in turn sends heartbeats to systemd, which
watches the supervisor.

The supervisor uses no file once it runs: a disk that does not respond must not keep it from
watching and ending workers. It gets a new configuration from the first worker that uses it.

This module knows neither HTTP nor settings nor metrics; the ``Job`` does.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Final, NoReturn, Protocol

from verifier.log import log
from verifier.process.forked_worker import FORWARDED_SIGNALS, ForkedWorker
from verifier.process.lifecycle import LISTENING, MESSAGE_BYTES, RELOAD_REFUSED, RELOADED
from verifier.process.systemd import Notifier, ServiceStatus

_SILENCE_LIMIT: Final = 15.0  # seconds without a heartbeat
_HEARTBEATS_PER_LIMIT: Final = 5  # four heartbeats in a row may be late
_KILL_SECONDS: Final = 2.0  # from SIGKILL to the end of a process, except in a blocked system call
_LONGEST_INTERVAL: Final = 1.0  # seconds between two heartbeats


class Job(Protocol):
    """What the workers do, and what the supervisor does for them."""

    def run(self, worker: int, channel: socket.socket, heartbeat_interval: float) -> int:
        """Run a worker in its own process until it ends, and return the exit status.

        The signals that the supervisor passes on are blocked; the worker unblocks them when it can
        handle them.

        Args:
            worker: The number of the worker.
            channel: The worker's end of the channel to the supervisor.
            heartbeat_interval: The seconds between two heartbeats.
        """

    def shutdown_seconds(self) -> float:
        """Return the seconds that workers may take to end; afterwards they are killed."""

    def clean_up_after(self, worker: int) -> None:
        """Repair what a dead worker left behind, before the worker is started again."""

    def configuration_replaced(self, packed: bytes) -> None:
        """Use the configuration that a worker uses now for all workers started later.

        Args:
            packed: The settings, as ``lifecycle.pack_settings`` returns them.
        """

    def close_listeners(self) -> None:
        """Close the listening sockets in the supervisor: the service ends."""


class Supervisor:
    """Runs a job in several processes.

    Args:
        count: The number of workers.
        job: What each worker does.
        notifier: Sends the state of the service to the service manager.
        clock: Monotonic time, in seconds.
    """

    def __init__(
        self,
        count: int,
        job: Job,
        notifier: Notifier,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers = [ForkedWorker(index) for index in range(count)]
        self._job = job
        self._notifier = notifier
        self._service_status = ServiceStatus(notifier, count)
        self._clock = clock
        # The supervisor must kill a blocked worker before systemd's watchdog kills the service.
        watchdog = notifier.watchdog
        self._silence_limit = (
            _SILENCE_LIMIT if watchdog is None else min(_SILENCE_LIMIT, watchdog / 3)
        )
        self._heartbeat_interval = min(
            _LONGEST_INTERVAL, self._silence_limit / _HEARTBEATS_PER_LIMIT
        )
        self._last_check = clock()
        self._selector = selectors.DefaultSelector()
        self._first_start_done = False
        self._reload_pending = False  # True from SIGHUP to the first answer of a worker
        self._kill_at: float | None = None  # set when the service begins to stop
        self._killed = self._gave_up = False
        self._exit_status = 0

    def run(self) -> int:
        """Supervise until a signal ends the service, and return the exit status."""
        with self._signal_handling():
            self._workers[0].start_at = self._clock()
            while not self._is_over():
                self._act_on_time()
                for key, _ in self._selector.select(self._seconds_to_next_action()):
                    key.data()
                self._reap_workers()
                self._check_heartbeats()
        return self._exit_status

    def _is_over(self) -> bool:
        ended = not any(worker.pid for worker in self._workers)
        return self._gave_up or (self._kill_at is not None and ended)

    # Signals

    @contextlib.contextmanager
    def _signal_handling(self) -> Iterator[None]:
        self._wakeup_write, self._wakeup_read = socket.socketpair()
        for end in (self._wakeup_write, self._wakeup_read):
            end.setblocking(False)
        for number in (*FORWARDED_SIGNALS, signal.SIGCHLD):
            # Without a handler in Python, the interpreter writes nothing to the wake-up socket.
            signal.signal(number, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._wakeup_write.fileno(), warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED_SIGNALS)
        self._selector.register(self._wakeup_read, selectors.EVENT_READ, self._handle_signals)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            self._close_descriptors()

    def _handle_signals(self) -> None:
        # A set, because several SIGHUP that arrive together are one request for a reload.
        for number in set(self._wakeup_read.recv(MESSAGE_BYTES)):
            if number == signal.SIGHUP:
                self._reload()
            elif number in (signal.SIGINT, signal.SIGTERM):
                log("stopping")
                self._stop()
            # SIGCHLD only wakes this process: `run` calls `_reap_workers` next.

    def _reload(self) -> None:
        self._reload_pending = True
        for worker in self._workers:
            worker.reload_pending = worker.pid is not None
        self._send_signal(signal.SIGHUP)
        self._service_status.reload_began()

    def _stop(self) -> None:
        if self._kill_at is None:
            seconds = self._job.shutdown_seconds()
            self._kill_at = self._clock() + seconds
            self._notifier.stopping(seconds)
            # Otherwise the kernel would go on queueing connections that no worker accepts.
            self._job.close_listeners()
            self._send_signal(signal.SIGTERM)

    def _send_signal(self, number: signal.Signals) -> None:
        for worker in self._workers:
            worker.send_signal(number)

    # Time

    def _seconds_to_next_action(self) -> float:
        times = [self._last_check + self._heartbeat_interval]
        if self._kill_at is not None:
            times.append(self._kill_at)
        else:
            times += [each.start_at for each in self._workers if each.start_at is not None]
        return max(min(times) - self._clock(), 0.0)

    def _act_on_time(self) -> None:
        """Start the workers whose time has come, or kill those that do not stop in time."""
        now = self._clock()
        if self._kill_at is not None:
            if now >= self._kill_at:
                self._kill_or_give_up(now)
            return
        for worker in self._workers:
            if worker.start_at is not None and worker.start_at <= now:
                worker.start_at = None
                self._start(worker)

    def _kill_or_give_up(self, now: float) -> None:
        if not self._killed:
            log("shutdown timeout: workers killed", logging.ERROR)
            self._send_signal(signal.SIGKILL)
            self._killed, self._kill_at = True, now + _KILL_SECONDS
            return
        # A process that waits for a disk may not die before the disk responds.
        log("shutdown timeout: killed workers have not ended", logging.ERROR)
        self._gave_up, self._exit_status = True, 1

    def _check_heartbeats(self) -> None:
        """Kill blocked workers. Send a heartbeat to systemd if there is none."""
        now = self._clock()
        if now - self._last_check < self._heartbeat_interval:
            return
        if now - self._last_check >= self._silence_limit:
            # The supervisor itself did not run, for example because the machine was suspended.
            # Messages of the workers may be unread, so no worker is known to be blocked.
            for worker in self._workers:
                worker.last_heartbeat = now
        self._last_check = now
        blocked = [
            worker
            for worker in self._workers
            if worker.pid and now - worker.last_heartbeat >= self._silence_limit
        ]
        if not blocked or self._kill_at is not None:
            self._notifier.heartbeat()
            return
        # No heartbeat to systemd: if SIGKILL does not help either, systemd restarts the service.
        for worker in blocked:
            seconds = round(now - worker.last_heartbeat, 1)
            log("worker blocked: killed", logging.ERROR, worker=worker.index, seconds=seconds)
            worker.send_signal(signal.SIGKILL)

    # Workers

    def _start(self, worker: ForkedWorker) -> None:
        try:
            channel = worker.fork(self._clock(), lambda end: self._become_worker(worker.index, end))
        except OSError as error:
            self._restart_later(worker, error=error.strerror)
            return
        if self._reload_pending:  # the worker has inherited the configuration from before
            worker.send_signal(signal.SIGHUP)
        worker.reload_pending = self._reload_pending
        self._selector.register(
            channel, selectors.EVENT_READ, lambda: self._receive(worker, channel)
        )

    def _become_worker(self, index: int, channel: socket.socket) -> NoReturn:
        """Run the worker in the forked process, without the supervisor's descriptors."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._close_descriptors()
            status = self._job.run(index, channel, self._heartbeat_interval)
        finally:
            # sys.exit would run the supervisor's clean-up too: the callers of ``run`` remove
            # socket files and the directory, which the other workers still use.
            os._exit(status)

    def _close_descriptors(self) -> None:
        self._selector.close()
        channels = [worker.channel for worker in self._workers if worker.channel is not None]
        for descriptor in (self._wakeup_write, self._wakeup_read, *channels):
            descriptor.close()

    def _receive(self, worker: ForkedWorker, channel: socket.socket) -> None:
        message, descriptors, _, _ = socket.recv_fds(channel, MESSAGE_BYTES, 1)
        worker.last_heartbeat = self._clock()
        if not message:  # the worker has closed its end; SIGCHLD will follow
            self._selector.unregister(channel)
        elif message in (RELOADED, RELOAD_REFUSED):
            self._service_status.worker_reloaded(worker.index, successful=message == RELOADED)
            for descriptor in descriptors:
                with os.fdopen(descriptor, "rb") as file:
                    file.seek(0)  # the worker's file, with its position
                    self._job.configuration_replaced(file.read())
            self._reload_pending = worker.reload_pending = False
            self._report_reload_end()
        elif message == LISTENING:
            worker.listening = True
            if not self._first_start_done:
                self._first_start_done = True
                for other in self._workers[1:]:
                    other.start_at = self._clock()
            self._report_listening()

    def _reap_workers(self) -> None:
        # SIGCHLD does not say which process has ended, and several may have.
        for worker in self._workers:
            code = worker.reap()
            if code is not None:
                self._worker_ended(worker, code)

    def _worker_ended(self, worker: ForkedWorker, code: int) -> None:
        if worker.channel is not None:
            with contextlib.suppress(KeyError):  # _receive may have seen the end of the stream
                self._selector.unregister(worker.channel)
        worker.forget_process()
        self._service_status.worker_ended(worker.index)
        if self._kill_at is not None:
            return
        if not self._first_start_done:
            # The worker has printed what is wrong, unless a signal killed it.
            self._exit_status = code if code > 0 else 1
            self._stop()
            return
        if code < 0:
            self._restart_later(worker, signal=signal.strsignal(-code))
        else:
            self._restart_later(worker, status=code)
        self._job.clean_up_after(worker.index)
        self._report_listening()
        self._report_reload_end()

    def _restart_later(self, worker: ForkedWorker, **reason: object) -> None:
        now = self._clock()
        delay = worker.backoff.after(now - worker.started_at)
        log("worker exited", logging.ERROR, worker=worker.index, **reason, restart_in=delay)
        worker.start_at = now + delay

    # Reports to systemd

    def _report_listening(self) -> None:
        self._service_status.workers_listen(sum(worker.listening for worker in self._workers))

    def _report_reload_end(self) -> None:
        if not any(worker.reload_pending for worker in self._workers if worker.pid):
            self._service_status.reload_ended()
