"""Several services with two workers each, which share a store, and connections to all workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tests.support.processes import RunningVerifier, get, wait_until
from tests.support.revocations import ask_admin
from tests.support.supervised import Client, owned_clients, running_workers, token

REPLICAS = 3


@dataclass
class Replicas:
    """The running replicas.

    Attributes:
        verifiers: The services.
        clients: One connection to each worker.
    """

    verifiers: list[RunningVerifier]
    clients: list[Client]

    def answers(self, good: str) -> set[tuple[int, str]]:
        """Ask all workers about a token; returns their different answers."""
        return {client.ask(good) for client in self.clients}

    def wait_for(self, good: str, *answer: int | str) -> None:
        """Wait until all workers give the same answer."""
        wait_until(lambda: self.answers(good) == {answer}, f"{answer} from all workers")

    def wait_for_readiness(self, status: int) -> None:
        """Wait until ``/readyz`` of each replica has a status."""
        admins = [each.admin for each in self.verifiers]
        wait_until(
            lambda: {get(admin, "/readyz").status for admin in admins} == {status}, f"{status}"
        )

    def wait_for_metric(self, sample: str, value: float) -> None:
        """Wait until each replica's metric has a value."""
        wait_until(
            lambda: {each.metric(sample) for each in self.verifiers} == {value}, f"{sample} {value}"
        )

    def revoke(self, replica: int, **members: object) -> int:
        """Send a revocation to one replica; returns the status."""
        return ask_admin(self.verifiers[replica], "POST", members).status


@contextmanager
def running_replicas(
    tmp_path: Path, url: str, replicas: int = REPLICAS, /, **environ: str
) -> Iterator[Replicas]:
    """Run the replicas until the end of the block."""
    usual = {"VERIFIER_REVOCATION_STORE": url, **environ}
    with ExitStack() as stack:
        started = [
            stack.enter_context(running_workers(tmp_path, None, 2, **usual))
            for _ in range(replicas)
        ]
        clients = []
        for each in started:
            owned = stack.enter_context(owned_clients(each, token(jti=uuid4().hex)))
            clients += [clients_of_one[0] for clients_of_one in owned.values()]
        yield Replicas(started, clients)
