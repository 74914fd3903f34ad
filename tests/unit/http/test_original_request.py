from typing import get_args

from verifier.http.decision_service import ProgramEndpoint
from verifier.http.original_request import CONVENTIONS
from verifier.observability.decision_metrics import ENDPOINTS


def test_metrics_know_every_endpoint() -> None:
    # Without this, every answer of a new endpoint would be a 500.
    assert {*ENDPOINTS} == {*CONVENTIONS, *get_args(ProgramEndpoint)}
