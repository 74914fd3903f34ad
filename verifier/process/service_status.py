"""How the workers stand, as the service manager is told: ready, reloading, how many listen.

Knows nothing of processes or messages; the supervisor says what it has seen.
"""

from __future__ import annotations

from verifier.log import log
from verifier.process.lifecycle import served
from verifier.process.systemd import Notifier


class ServiceStatus:
    """Tells the manager what several workers come to.

    Args:
        manager: The service manager.
        count: How many workers there are to be.
    """

    def __init__(self, manager: Notifier, count: int) -> None:
        self.manager = manager
        self._count = count
        self._ready = False  # all of them have listened
        self._reloading = False  # the manager has been told of a reload that is not over
        self._reloaded = True  # the last answer to one was good

    def listen(self, count: int) -> None:
        """Tell how many listen; the first time that all do, the start is over."""
        text = f"{count} of {self._count} workers listen"
        if count == self._count:
            log("all workers listen", workers=count)
            if not self._ready:
                self._ready = True
                self.manager.ready(text)
                return
        self.manager.status(text)

    def reload(self) -> None:
        """Tell that workers were asked to reload."""
        if self._ready:
            self._reloading = True
            self.manager.reloading()

    def answered(self, *, successful: bool) -> None:
        """Note what a worker's reload came to."""
        self._reloaded = successful

    def settle(self, *, pending: bool) -> None:
        """Tell that the reload is over, unless an answer is pending."""
        if self._reloading and not pending:
            self._reloading = False
            self.manager.ready(served(reloaded=self._reloaded))
