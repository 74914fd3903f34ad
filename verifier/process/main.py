"""The command ``serve``: from the configuration to the exit status.

With one worker, this process serves, and there is no supervisor. With several workers, this
process becomes their supervisor, and each worker is a forked process with an ``App`` of its own.

Both read the configuration again at SIGHUP, and when the file of a secret changes. A configuration
with errors changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from verifier.config import Settings, load
from verifier.log import configure_logging, log
from verifier.observability.metrics import Metrics
from verifier.process.app import App
from verifier.process.exit_status import exit_status_of
from verifier.process.lifecycle import StandaloneLifecycle
from verifier.process.shutdown import CLOSING_SECONDS, exit_within
from verifier.process.sockets import Listeners, open_listeners
from verifier.process.supervisor import Supervisor
from verifier.process.systemd import Notifier
from verifier.process.worker import WorkerJob


def serve(config: Path | None, arguments: Mapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT.

    Args:
        config: The TOML file; None for the file that the environment names, or the default one.
        arguments: The texts of options that the command line gives, by the options' names. They
            hold after a reload, too.

    Returns:
        0 after a clean end, 78 for a bad configuration, 1 if an address cannot be bound.
    """

    def read() -> Settings:
        return load(os.environ, config, arguments=arguments, terminal=sys.stderr.isatty())

    def run() -> int:
        # The default action of SIGHUP would end the process. Blocked, the signal waits until the
        # service can reload.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        notifier = Notifier.from_environ(os.environ)
        settings = read()
        configure_logging(settings.log_format, settings.log_level)
        log("configuration read", source=settings.source)
        _raise_descriptor_limit()
        with contextlib.closing(open_listeners(settings, os.environ)) as listeners:
            if settings.workers > 1:
                return _supervise(settings, read, listeners, notifier)
            lifecycle = StandaloneLifecycle(notifier)
            return asyncio.run(App(settings, read, listeners, Metrics(), lifecycle).run())

    return exit_status_of(run)


def _raise_descriptor_limit() -> None:
    """Raise the limit on file descriptors as far as the system allows.

    The usual limit of 1,024 exists for programs that call ``select``. Here, it would limit the
    number of connections.
    """
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))


def _supervise(
    settings: Settings, read: Callable[[], Settings], listeners: Listeners, notifier: Notifier
) -> int:
    # systemd may list several directories, separated by colons.
    parent = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    try:
        temporary = tempfile.TemporaryDirectory(prefix="jitsi-verifier-", dir=parent or None)
    except OSError as error:
        text = f"{error.strerror or error}; expected RUNTIME_DIRECTORY or TMPDIR to be writable"
        log("no directory for the workers", logging.ERROR, error=text)
        return 1
    with temporary as directory, _locked(directory):
        job = WorkerJob(settings, read, listeners, Path(directory))
        status = Supervisor(settings.workers, job, notifier).run()
        # What follows deletes files, and a disk may not respond.
        exit_within(CLOSING_SECONDS, status)
        return status


@contextlib.contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Lock the directory, so that systemd-tmpfiles does not delete old files in it.

    systemd-tmpfiles skips directories on which it cannot get a lock (tmpfiles.d(5)).
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # some file systems have no locks
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
