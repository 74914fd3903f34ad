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
31     claim types         ``token``           ours: forms and types that Jitsi never looks at
=====  ==================  ==================  =====================================================

Where Jitsi's Lua would raise an error, the engine denies. Step 31 is last, so that it never
hides one of Jitsi's own answers. Where ``rules = "strict"`` asks for more than Jitsi does, the step
asks ``strict``.

Two things take longer than all steps together: to check a public-key signature, and to read a token
in bad form as Jitsi's decoders would. They divide the engine into two phases, and the service makes
a request wait for its turn between them:

=================  =================================  ============================================
The token          ``begin`` (first phase)            ``finish`` (second phase)
=================  =================================  ============================================
none               all steps of guests                nothing: ``begin`` has decided
in good form       steps 1 to 8, and the keys that    ``SignatureCheck``: steps 9 to 31
                   may have made the signature
in bad form        tries to read it                   ``LenientReading``: reads it, steps 1 to 31
=================  =================================  ============================================

``AccessRequest.read`` keeps the token as it was read. So no step reads it again, and ``begin`` goes
on with a token in bad form that was read before.

Some facts are known to Prosody only: whether the room exists, and what its owner configured.
Prosody sends them in ``AccessRequest``. The room address is compared as it is written, without
XMPP's string preparation. Prosody's modules that change a session after its token was verified have
no influence on the decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

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
    forget_long_token,
    read_at_once,
    read_token,
)
from verifier.tokens.claims import Claims
from verifier.tokens.jws import Token
from verifier.tokens.lenient_jws import read_leniently


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
        keys: The known keys; a ``kid`` that is not among them is denied as ``key-unknown``.
        now: Unix time, seconds.
        revoked: Denies what is revoked; None if there are no revocations.
        record: Is called at each step, to explain the decision.

    Returns:
        The decision. Nothing that a token or an address contains makes this raise.
    """
    check = begin(request, policy, keys, now, revoked=revoked, record=record)
    return check if isinstance(check, (Allow, Deny)) else check.finish(now)


def begin(  # noqa: PLR0913  # as for decide
    request: AccessRequest,
    policy: Policy,
    keys: KeyLookup,
    now: float,
    *,
    revoked: RevocationCheck | None = None,
    record: Recorder = no_record,
) -> Decision | SecondPhase:
    """Take the first phase; for the arguments see ``decide``.

    Returns:
        The decision if the first phase makes it; otherwise the second phase.
    """
    # 1. token. Required unless guests are allowed. An empty string is a token, a malformed one.
    found = "none" if request.token is None else "a token"
    record("token", REQUIRED[not policy.allow_empty_token], found)
    if request.token is None:
        return _decide_guest(request, policy, now, revoked, record)
    token = read_at_once(request)
    if isinstance(token, str):
        return LenientReading(request, policy, keys, token, revoked, record)

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

    # 9. signature, first phase: find the keys that may have made it.
    if candidates is None:
        static = find_static_keys(token, policy, keys, now, record)
        if isinstance(static, Deny):
            return static
        candidates = static
    algorithm = token.header.algorithm
    return SignatureCheck(request, policy, keys, algorithm, candidates, revoked, record)


@dataclass(slots=True)
class LenientReading:
    """A request whose token is in bad form, and was not yet read as Jitsi's decoders would.

    Attributes:
        request: The token and the room.
        policy: What this host accepts.
        keys: The known keys.
        strict_error: Why the token is not strict.
        revoked: Denies what is revoked.
        record: Is called at each step.
    """

    request: AccessRequest
    policy: Policy
    keys: KeyLookup = field(repr=False)
    strict_error: str
    revoked: RevocationCheck | None = field(repr=False)
    record: Recorder = field(repr=False)

    @property
    def is_cheap(self) -> bool:
        """Whether the second phase costs no more than the first: it always costs more."""
        return False

    def suspend(self) -> LenientReading:
        """Return the phase in the form in which it may wait; nothing was read yet."""
        return self

    def finish(self, now: float) -> Decision:
        """Read the token and take all steps, at ``now`` (Unix seconds)."""
        self.request.read = read_leniently(self.request.token or "", self.strict_error)
        return decide(
            self.request, self.policy, self.keys, now, revoked=self.revoked, record=self.record
        )


@dataclass(slots=True)
class SignatureCheck:
    """A request that passed all steps before its signature.

    Attributes:
        request: The token and the room.
        policy: What this host accepts.
        keys: The known keys.
        algorithm: The signature's algorithm, one that the policy accepts.
        candidates: The keys that may have made the signature; None to look them up again.
        revoked: Denies what is revoked.
        record: Is called at each step.
    """

    request: AccessRequest
    policy: Policy
    keys: KeyLookup = field(repr=False)
    algorithm: str
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
        """
        forget_long_token(self.request)
        return replace(self, candidates=None)

    def finish(self, now: float) -> Decision:
        """Take the steps from 9 on, at ``now`` (Unix seconds)."""
        request, policy, record = self.request, self.policy, self.record
        token = read_token(request)

        # 9. signature, second phase: check whether one of these keys made it.
        candidates = self._find_again(token, now) if self.candidates is None else self.candidates
        if isinstance(candidates, Deny):
            return candidates
        refused = check_signature(token, policy, self.algorithm, candidates, record)
        if refused is not None:
            return refused
        claims = Claims(token.claims)
        decision = self._check_claims(token, claims, now)
        return decision if isinstance(decision, Allow) else self._until_end(decision, claims, now)

    def _check_claims(self, token: Token, claims: Claims, now: float) -> Decision:
        """Take the steps from 10 on, for a token whose signature is good."""
        request, policy, record = self.request, self.policy, self.record
        key_id = token.header.key_id

        # 10-11. exp and nbf; `now >= exp` is expired.
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
        # 25. revocation. After the signature, which proves the claims; before the room.
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

    def _until_end(self, denial: Deny, claims: Claims, now: float) -> Deny:
        """Return a denial that ends with its token, which is denied as expired from then on."""
        if claims.expires_at is None:
            return denial
        ends = claims.expires_at + self.policy.leeway
        if ends <= now or (denial.until is not None and denial.until <= ends):
            return denial
        return replace(denial, until=ends)

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


SecondPhase: TypeAlias = SignatureCheck | LenientReading
"""What is left to decide. Unless it ``is_cheap``, it waits for its turn, in the form that
``suspend`` returns."""


def _decide_guest(
    request: AccessRequest,
    policy: Policy,
    now: float,
    revoked: RevocationCheck | None,
    record: Recorder,
) -> Decision:
    """Take the steps that concern a request without a token: 1, 24, 25 and 26-27."""
    # Step 24 comes first. Prosody admits some guests that this verifier denies with token-missing,
    # and a denial of step 24 must not be hidden by that.
    refused = None
    if policy.operator_policy is not None:
        refused = check_new_room(policy.operator_policy, request, record, moderator=False)
    compares_domain = policy.enable_domain_verification or policy.strict
    is_known = request.authenticated_elsewhere and not compares_domain
    if refused is None and not (policy.allow_empty_token or is_known):
        return deny(DenialCode.TOKEN_MISSING, "expected a token")
    # 25. revocation. A room or tenant can be revoked for guests, too.
    if refused is None and revoked is not None:
        refused = revoked(request, None, now, record)
    # 26-27. Guests enter every room that does not require authentication.
    mismatch = refused or check_room(request, None, policy, record)
    return mismatch if isinstance(mismatch, Deny) else Allow()
