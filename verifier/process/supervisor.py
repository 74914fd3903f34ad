"""Keeps a number of worker processes alive, passes signals on, and ends when they have ended.

Workers are forked, not started afresh: they inherit the listening sockets and the configuration
that is in force, so that one that is restarted is like its siblings even while a broken file lies
on the disk; they share the pages of all that was imported; and a restart takes milliseconds.
Forking is sound here because this process has one thread and no event loop: it waits in
``select``, for signals (through a wake-up descriptor), workers' messages and the next restart.

The first worker is started alone: it tries the configuration out, so that what is wrong with it
is said once and ends the service. From then on a worker that dies is started again, at once and
then after longer and longer waits. One whose event loop is stuck would hold its connections for
ever: workers give signs of life, and who gives none is killed, and so started again.

Knows nothing of HTTP, settings or metrics.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn

from verifier.log import log
from verifier.process.channel import LISTENING, PACKET, REFUSED, RELOADED, channel
from verifier.process.job import Job
from verifier.process.service_status import ServiceStatus
from verifier.process.systemd import Notifier

_FIRST_WAIT: Final = 0.1  # seconds
_LONGEST_WAIT: Final = 30.0
_STEADY: Final = 10.0  # a worker that lived as long was no part of a crash loop
_STUCK: Final = 15.0  # seconds without a sign of life
_BEATS: Final = 5  # within that time: four may be late
_LONGEST_BEAT: Final = 1.0
_PASSED_ON: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Backoff:
    """How long to wait before a worker is started again."""

    def __init__(self) -> None:
        self._wait = 0.0

    def after(self, lived: float) -> float:
        """Give the wait, seconds, after a worker that lived so many."""
        longer = min(self._wait * 2, _LONGEST_WAIT)
        self._wait = _FIRST_WAIT if lived >= _STEADY else max(longer, _FIRST_WAIT)
        return self._wait


@dataclass(slots=True)
class _Worker:
    """One place for a worker, and the process that has it now."""

    index: int
    pid: int | None = None
    end: socket.socket | None = None
    started: float = 0.0
    due: float | None = None
    listening: bool = False
    asked: bool = False  # for a reload that it has not answered yet
    heard: float = 0.0  # when it last gave a sign of life
    backoff: Backoff = field(default_factory=Backoff)


class Supervisor:
    """Runs a job in several processes.

    Args:
        count: How many.
        job: What each does.
        manager: The service manager, which is told how the workers fare.
        clock: Monotonic time, seconds.
    """

    def __init__(
        self,
        count: int,
        job: Job,
        manager: Notifier,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers = [_Worker(index) for index in range(count)]
        self._job = job
        self._standing = ServiceStatus(manager, count)
        self._clock = clock
        # A stuck worker has to be found before the manager loses its patience with all of them.
        self._stuck = min(_STUCK, (manager.watchdog or _STUCK * 3) / 3)
        self._beat = min(_LONGEST_BEAT, self._stuck / _BEATS)
        self._looked = clock()
        self._selector = selectors.DefaultSelector()
        self._tried = False  # the first worker's start went well
        self._asked = False  # for a reload that no worker has answered yet
        self._stopping: float | None = None  # until when workers may take
        self._status = 0

    def run(self) -> int:
        """Supervise until a signal ends the service; gives the exit status."""
        with self._signals():
            self._workers[0].due = self._clock()
            while self._stopping is None or any(each.pid for each in self._workers):
                self._start_due()
                for key, _ in self._selector.select(self._patience()):
                    key.data()
                self._reap()
                self._look()
        return self._status

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        self._waker, self._woken = socket.socketpair()
        for end in (self._waker, self._woken):
            end.setblocking(False)
        for number in (*_PASSED_ON, signal.SIGCHLD):
            # A handler has to be there for the wake-up; what it does is in _wake.
            signal.signal(number, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        self._selector.register(self._woken, selectors.EVENT_READ, self._wake)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            self._close_all()

    def _wake(self) -> None:
        # Each once, however often it came: a reload that is asked for twice is one.
        for number in set(self._woken.recv(PACKET)):
            if number == signal.SIGHUP:
                self._job.asked()
                self._asked = True
                for each in self._workers:
                    each.asked = each.pid is not None
                self._pass_on(signal.SIGHUP)
                self._standing.reload()
            elif number in (signal.SIGINT, signal.SIGTERM):
                log("stopping")
                self._stop()

    def _stop(self) -> None:
        if self._stopping is None:
            patience = self._job.patience()
            self._stopping = self._clock() + patience
            self._standing.manager.stopping(patience)
            self._job.release()
            self._pass_on(signal.SIGTERM)

    def _pass_on(self, number: signal.Signals) -> None:
        for each in self._workers:
            if each.pid is not None:
                os.kill(each.pid, number)

    def _patience(self) -> float:
        """Give the seconds to the next thing that has to be done in any case."""
        due = [self._looked + self._beat]
        if self._stopping is not None:
            due.append(self._stopping)
        else:
            due += [each.due for each in self._workers if each.due is not None]
        return max(min(due) - self._clock(), 0.0)

    def _look(self) -> None:
        """Kill workers that are stuck; as long as there is none, the manager need not worry."""
        now = self._clock()
        if now - self._looked < self._beat:
            return
        if now - self._looked >= self._stuck:  # this process was kept from running itself
            for each in self._workers:
                each.heard = now
        self._looked = now
        stuck = [each for each in self._workers if each.pid and now - each.heard >= self._stuck]
        if not stuck or self._stopping is not None:
            self._standing.manager.alive()
            return
        for each in stuck:
            self._kill(each)

    def _kill(self, worker: _Worker) -> None:
        seconds = round(self._clock() - worker.heard, 1)
        log("worker is stuck", logging.ERROR, worker=worker.index, seconds=seconds)
        if worker.pid is not None:
            os.kill(worker.pid, signal.SIGKILL)

    def _count(self) -> None:
        self._standing.listen(sum(each.listening for each in self._workers))

    def _settle(self) -> None:
        self._standing.settle(pending=any(each.asked for each in self._workers if each.pid))

    def _start_due(self) -> None:
        now = self._clock()
        if self._stopping is not None:
            if now >= self._stopping:
                log("workers took too long to end", logging.ERROR)
                self._pass_on(signal.SIGKILL)
                self._stopping = now + self._job.patience()
            return
        for each in self._workers:
            if each.due is not None and each.due <= now:
                each.due = None
                self._start(each)

    def _start(self, worker: _Worker) -> None:
        ours, theirs = channel()
        worker.started = worker.heard = self._clock()
        try:
            worker.pid = self._fork(worker.index, ours, theirs)
        except OSError as error:
            ours.close()
            self._retry(worker, error=error.strerror)
            return
        finally:
            theirs.close()
        if self._asked:  # it has the configuration from before
            os.kill(worker.pid, signal.SIGHUP)
        worker.asked = self._asked
        worker.end = ours
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._hear(worker, ours))

    def _fork(self, index: int, ours: socket.socket, theirs: socket.socket) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        # Until the worker can handle them, signals wait for it instead of waking this process.
        signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
        try:
            pid = os.fork()
            if pid == 0:
                ours.close()
                self._become(index, theirs)
            return pid
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)

    def _become(self, index: int, end: socket.socket) -> NoReturn:
        """Be a worker; nothing of the supervisor is left but what it inherited on purpose."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._close_all()
            status = self._job.work(index, end, self._beat)
        finally:
            # Not sys.exit: what the supervisor cleans up at its end is not this process' to clean.
            os._exit(status)

    def _close_all(self) -> None:
        self._selector.close()
        ends = [each.end for each in self._workers if each.end is not None]
        for each in (self._waker, self._woken, *ends):
            each.close()

    def _hear(self, worker: _Worker, end: socket.socket) -> None:
        message = end.recv(PACKET)
        worker.heard = self._clock()
        if not message:
            self._selector.unregister(end)
        elif message in (RELOADED, REFUSED):
            self._standing.answered(successful=message == RELOADED)
            if message == RELOADED:
                self._job.reloaded(asked=worker.asked)
            self._asked = worker.asked = False
            self._settle()
        elif message == LISTENING:
            worker.listening = True
            if not self._tried:
                self._tried = True
                for each in self._workers[1:]:
                    each.due = self._clock()
            self._count()

    def _reap(self) -> None:
        for each in self._workers:
            if each.pid is not None:
                pid, status = os.waitpid(each.pid, os.WNOHANG)
                if pid:
                    self._bury(each, os.waitstatus_to_exitcode(status))

    def _bury(self, worker: _Worker, code: int) -> None:
        if worker.end is not None:
            with contextlib.suppress(KeyError):  # it was seen to close before
                self._selector.unregister(worker.end)
            worker.end.close()
        worker.pid, worker.end, worker.listening = None, None, False
        if self._stopping is not None:
            return
        if not self._tried:
            # It has said itself what is wrong, unless it was killed.
            self._status = code if code > 0 else 1
            self._stop()
            return
        if code < 0:
            self._retry(worker, signal=signal.strsignal(-code))
        else:
            self._retry(worker, status=code)
        self._job.died(worker.index)
        self._count()
        self._settle()

    def _retry(self, worker: _Worker, **why: object) -> None:
        now = self._clock()
        wait = worker.backoff.after(now - worker.started)
        log("worker ended", logging.ERROR, worker=worker.index, **why, restart_in=wait)
        worker.due = now + wait
