"""The service itself, with PyJWT's ``decode`` in the place of its own rules.

Listeners, decision cache, metrics and answers are unchanged. The program patches a module of the
verifier, for the comparison only.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jwt

from verifier import cli
from verifier.decisions import verifier
from verifier.keys.model import KeyLookup
from verifier.rules.engine import SignatureCheck
from verifier.rules.model import AccessRequest, Allow, Decision, DenialCode, Deny, no_record
from verifier.rules.policy import Policy
from verifier.rules.room import check_room
from verifier.tokens.claims import Claims


@dataclass(slots=True)
class DecodeCheck(SignatureCheck):
    """A check that leaves everything to ``jwt.decode``; it takes turns as the service does."""

    def suspend(self) -> SignatureCheck:
        return self

    def finish(self, now: float) -> Decision:  # noqa: ARG002  # jwt.decode reads the clock itself
        try:
            claims = jwt.decode(
                self.request.token or "",
                _key(),
                algorithms=[os.environ["ALGORITHM"]],
                issuer=os.environ["ISSUER"],
                audience=os.environ["AUDIENCE"],
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.InvalidTokenError as error:
            return Deny(DenialCode.SIGNATURE_INVALID, type(error).__name__)
        denial = check_room(self.request, Claims(claims), self.policy)
        return denial if isinstance(denial, Deny) else Allow(Claims(claims))


def begin(
    request: AccessRequest, policy: Policy, keys: KeyLookup, _now: float, **_options: Any
) -> SignatureCheck:
    """Return a check in which no rule was applied yet; ``jwt.decode`` applies its own."""
    algorithm = os.environ["ALGORITHM"]
    return DecodeCheck(request, policy, keys, algorithm, None, None, no_record)


@cache
def _key() -> str:
    return Path(os.environ["KEY_FILE"]).read_text(encoding="ascii")


def main() -> None:
    """Serve as the command ``serve`` does."""
    with patch.object(verifier, "begin", begin):
        sys.exit(cli.main(["serve", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
