"""Decides one request, step by step, in the order in which Jitsi's own modules check it.

Follows jitsi/jitsi-meet ``resources/prosody-plugins`` as of late 2026. Each step has one number,
which counts through all files of this package; ``rules.model.STEPS`` names the steps in this order.

=====  ==================  ==================  =====================================================
Steps  What is checked     Where               After whose code
=====  ==================  ==================  =====================================================
1      token, or guest     here                ``process_and_verify_token`` (``token/util.lib.lua``)
2-5    key of a server     ``token``           the same, only if keys come from a key server or JWKS
6-9    form to signature   ``token``           ``verify`` (``luajwtjitsi.lib.lua``)
10-16  claims              ``token``           ``verify``, then ``process_and_verify_token``
17-24  operator policy     ``operator_policy`` ours: the ``[policy]`` table
25     revocation          the caller's check  ours: what an operator has revoked
26-30  room                ``room``            ``verify_room`` (``token/util.lib.lua``)
31     claim types         ``token``           ours: forms and types that upstream never looks at
=====  ==================  ==================  =====================================================

Where upstream's Lua would raise an error, the engine denies. Step 31 is last, so that it never
hides one of Jitsi's own answers. Where ``rules = "strict"`` asks for more than Jitsi does, the step
asks ``strict``.

The signature divides the engine into two phases. ``begin`` takes the cheap steps before it, and
``SignatureCheck.finish`` takes the signature and what follows. Between the two, the service makes a
request wait for its turn: checking a public-key signature takes longer than all other steps.

The engine cannot see what only Prosody knows. Whether the room exists and what its owner configured
is in ``AccessRequest``, if Prosody asks. Stanza preparation does not happen here: the room address
is compared as it is written. Modules that change a session after its token was verified have no
part in the decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from verifier.keys.model import KeyLookup, VerificationKey
from verifier.rules.denials import deny
from verifier.rules.model import (
    REQUIRED,
    AccessRequest,
    Allow,
    Decision,
    DenialCode,
    Deny,
    Recorder,
    RevocationCheck,
    no_record,
)
from verifier.rules.operator_policy import check_new_room, check_operator_policy
from verifier.rules.policy import Policy
from verifier.rules.room import check_room
from verifier.rules.token import (
    check_claim_types,
    check_form,
    check_key_server_header,
    check_parties,
    check_required_claims,
    check_signature,
    check_times,
    find_named_key,
    find_static_keys,
    read_token,
)
from verifier.tokens.claims import Claims
from verifier.tokens.jws import Token

_MAX_WAITING_BYTES: Final = 2_048  # of a token; JSON in memory can be 25 times as long as written


def decide(  # noqa: PLR0913  # the four parts of a decision, and two options
    request: AccessRequest,
    policy: Policy,
    keys: KeyLookup,
    now: float,
    *,
    revoked: RevocationCheck | None = None,
    record: Recorder = no_record,
) -> Decision:
    """Decide one request, both phases at once.

    Args:
        request: The token and the room.
        policy: What this host accepts.
        keys: The keys at hand; a ``kid`` that is not among them is denied as ``key-unknown``.
        now: Unix time, seconds.
        revoked: Denies what is revoked; None if there are no revocations.
        record: Is called at each step, for explanations.

    Returns:
        The decision. Nothing that a token or an address contains makes this raise.
    """
    check = begin(request, policy, keys, now, revoked=revoked, record=record)
    return check.finish(now) if isinstance(check, SignatureCheck) else check


def begin(  # noqa: PLR0913  # as for decide
    request: AccessRequest,
    policy: Policy,
    keys: KeyLookup,
    now: float,
    *,
    revoked: RevocationCheck | None = None,
    record: Recorder = no_record,
) -> Decision | SignatureCheck:
    """Take the steps before the signature; for the arguments see ``decide``.

    Returns:
        The decision if the request needs no signature check, or else what is left to do.
    """
    # 1. token. Required unless guests are allowed. An empty string is a token, a malformed one.
    found = "none" if request.token is None else "a token"
    record("token", REQUIRED[not policy.allow_empty_token], found)
    if request.token is None:
        return _decide_guest(request, policy, now, revoked, record)
    token = read_token(request.token)

    # 2-5. With a key server the key comes first: header, kid, alg, and only then the token.
    candidates: Sequence[VerificationKey] | None = None
    if policy.key_server:
        refused = check_key_server_header(token, policy, record)
        if refused is not None:
            return refused
        named = find_named_key(token, policy, keys, now, record)
        if isinstance(named, Deny):
            return named
        candidates = named

    # 6-8. Three segments, header and payload are JSON objects; typ; alg.
    refused = check_form(token, policy, record)
    if refused is not None:
        return refused

    # 9. The keys that may have made the signature.
    if candidates is None:
        static = find_static_keys(token, policy, keys, now, record)
        if isinstance(static, Deny):
            return static
        candidates = static
    algorithm = token.header["alg"]
    return SignatureCheck(request, policy, keys, algorithm, token, candidates, revoked, record)


@dataclass(slots=True)
class SignatureCheck:
    """A request that passed all steps before its signature.

    Attributes:
        request: The token and the room.
        policy: What this host accepts.
        keys: The keys at hand.
        algorithm: The signature's algorithm, one that the policy accepts.
        token: The token, read; None if it is to be read again.
        candidates: The keys that may have made the signature; None to look them up again.
        revoked: Denies what is revoked.
        record: Is called at each step.
    """

    request: AccessRequest
    policy: Policy
    keys: KeyLookup = field(repr=False)
    algorithm: str
    token: Token | None = field(repr=False)
    candidates: Sequence[VerificationKey] | None = field(repr=False)
    revoked: RevocationCheck | None = field(repr=False)
    record: Recorder = field(repr=False)

    @property
    def is_cheap(self) -> bool:
        """Whether the signature is a keyed hash, which costs no more than reading the token."""
        return self.algorithm.startswith("HS")

    def suspend(self) -> SignatureCheck:
        """Return the check in the form in which it may wait.

        ``finish`` then looks the keys up again, because a key may be dropped while the check waits.
        It also reads a long token again, so that many waiting tokens cannot fill the memory.
        """
        token = self.token if len(self.request.token or "") <= _MAX_WAITING_BYTES else None
        return replace(self, token=token, candidates=None)

    def finish(self, now: float) -> Decision:
        """Take the signature's step and those after it, at ``now`` (Unix seconds)."""
        request, policy, record = self.request, self.policy, self.record
        token = self.token or read_token(request.token or "")

        # 9. The signature.
        candidates = self._find_again(token, now) if self.candidates is None else self.candidates
        if isinstance(candidates, Deny):
            return candidates
        refused = check_signature(token, policy, self.algorithm, candidates, record)
        if refused is not None:
            return refused

        # 10-11. exp and nbf; `now >= exp` is expired.
        claims = Claims(token.claims)
        key_id = token.header.get("kid")
        refused = check_times(claims, policy, now, key_id, record)
        if refused is not None:
            return self._prefer_revoked(refused, token, now)

        # 12-16. iss, aud; room and sub are present; context, where the session requires it.
        refused = check_parties(claims, policy, key_id, record) or check_required_claims(
            claims, policy, request, key_id, record
        )
        if refused is not None:
            return refused

        # 17-24. What the operator asks of a token in addition.
        if policy.operator_policy is not None:
            refused = check_operator_policy(claims, policy, request, now, record)
        # 25. revocation. After the signature, which vouches for the claims; before the room.
        if refused is None and self.revoked is not None:
            refused = self.revoked(request, token, now, record)
        # 26-30. The room; the result says whether the tenants of token and URL differ.
        mismatch = refused or check_room(request, claims, policy, record)
        if isinstance(mismatch, Deny):
            return replace(mismatch, key_id=key_id if isinstance(key_id, str) else None)

        # 31. Last, so that no answer of Jitsi's is hidden: strict form and the claims' types.
        refused = check_claim_types(token, claims, policy, record)
        if refused is not None:
            return refused
        return Allow(claims, "owner" if claims.is_moderator else "member", mismatch)

    def _find_again(self, token: Token, now: float) -> Sequence[VerificationKey] | Deny:
        find = find_named_key if self.policy.key_server else find_static_keys
        return find(token, self.policy, self.keys, now, self.record)

    def _prefer_revoked(self, refused: Deny, token: Token, now: float) -> Deny:
        """For a session admitted earlier, report ``revoked`` in preference to ``token-expired``.

        Prosody lets such a session return after its token's end, but not after a revocation.
        """
        may_return = self.request.admitted_before and refused.code is DenialCode.TOKEN_EXPIRED
        if self.revoked is None or not may_return:
            return refused
        return self.revoked(self.request, token, now, self.record) or refused


def _decide_guest(
    request: AccessRequest,
    policy: Policy,
    now: float,
    revoked: RevocationCheck | None,
    record: Recorder,
) -> Decision:
    """Take the steps that concern a request without a token: 1, 24, 25 and 26-27."""
    # 24 before the denial of step 1: Prosody lets guests of other hosts in who are denied here
    # only because they have no token, so that any other denial has to come first.
    refused = None
    if policy.operator_policy is not None:
        refused = check_new_room(policy.operator_policy, request, record, moderator=False)
    if refused is None and not policy.allow_empty_token:
        return deny(DenialCode.TOKEN_MISSING, "expected a token")
    # 25. revocation. A room or tenant can be revoked for guests, too.
    if refused is None and revoked is not None:
        refused = revoked(request, None, now, record)
    # 26-27. Guests enter every room that does not require authentication.
    mismatch = refused or check_room(request, None, policy, record)
    return mismatch if isinstance(mismatch, Deny) else Allow()
