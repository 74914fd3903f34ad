"""Parameters for tests: which gates they go through."""

from __future__ import annotations

import pytest

from tests.system.proxies.programs import PROXIES
from tests.system.proxies.auth_requests import QUESTIONS

EVERY_GATE = pytest.mark.parametrize("gate", [*PROXIES, *QUESTIONS], indirect=True)
REAL_GATES = pytest.mark.parametrize("gate", list(PROXIES), indirect=True)
GATES_WITH_PAGES = pytest.mark.parametrize("gate", ["caddy", "envoy"], indirect=True)
"""nginx' pages have tests of their own."""
