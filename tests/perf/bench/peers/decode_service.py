"""The verifier itself, whole, but with PyJWT's ``decode`` where its own reading of tokens is.

Everything else is as it is served: listeners, gate, decision cache, metrics, answers. Reached
into from outside, for a comparison only.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from unittest.mock import patch

import jwt

from verifier import cli
from verifier.decisions import verifier
from verifier.keys.model import KeyLookup
from verifier.rules.engine import Recorder, RevocationCheck, check_room
from verifier.rules.model import AccessRequest, Allow, Decision, DenialCode, Deny
from verifier.rules.policy import Policy
from verifier.tokens.claims import Claims
from verifier.tokens.jws import Token


def main() -> None:
    """Serve as the command does."""
    key = Path(os.environ["KEY_FILE"]).read_text(encoding="ascii")

    def decide(
        request: AccessRequest,
        policy: Policy,
        _keys: KeyLookup,
        _now: float,
        note: Recorder = lambda *_: None,
        read: Token | None = None,
        revoked: RevocationCheck | None = None,
    ) -> Decision:
        del read, revoked  # it is jwt.decode that reads here, and nothing is revoked
        # Where signatures take turns, this one does, too.
        note("signature", os.environ["ALGORITHM"], None)
        try:
            claims = jwt.decode(
                request.token or "",
                key,
                algorithms=[os.environ["ALGORITHM"]],
                issuer=os.environ["ISSUER"],
                audience=os.environ["AUDIENCE"],
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.InvalidTokenError as error:
            return Deny(DenialCode.SIGNATURE_INVALID, type(error).__name__)
        refused = check_room(request, Claims(claims), policy)
        return refused if isinstance(refused, Deny) else Allow(Claims(claims))

    reading = patch.object(verifier, "read_token", lambda _token: None)
    with patch.object(verifier, "decide", decide), reading:
        sys.exit(cli.main(["serve", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
