"""Through every proxy, no public path leads to signalling, however its target is written."""

from __future__ import annotations

from tests.system.proxies.cases import HIDDEN_SIGNALLING
from tests.system.proxies.gates import REAL_GATES, RealGate


@REAL_GATES
def test_no_public_path_leads_to_signalling(gate: RealGate) -> None:
    before = len(gate.upstream.requests)
    statuses = {gate.send(target).status for target in HIDDEN_SIGNALLING}
    assert [request.target for request in gate.upstream.requests[before:]] == []
    assert statuses <= {400, 401, 403}
