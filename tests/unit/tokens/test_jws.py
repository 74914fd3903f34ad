from __future__ import annotations

import base64
from typing import Any

import jwt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.tokens import SECRET, segment
from verifier.tokens import jws

CLAIMS = {"iss": "app", "aud": "jitsi", "sub": "meet.example.org", "room": "standup"}
HEADER = {"typ": "JWT", "alg": "HS256"}


def token(header: Any = HEADER, payload: Any = CLAIMS, signature: bytes = b"signature") -> str:
    return f"{segment(header)}.{segment(payload)}.{segment(signature)}"


def test_strict_token_is_read() -> None:
    read = jws.read(token())
    assert (read.header.raw, read.claims, read.signature) == (HEADER, CLAIMS, b"signature")
    assert read.signing_input == token().rpartition(".")[0].encode()
    assert not read.strict_error


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("", "expected three non-empty segments, found 0"),
        ("a.b", "expected three non-empty segments, found 2"),
        ("a.b.c.d", "expected three non-empty segments, found 4"),
        ("..", "expected three non-empty segments, found 0"),
        (token() + "=", "signature: expected canonical, unpadded base64url"),
        (token() + "\n", "signature: expected canonical, unpadded base64url"),
        (token().replace(".", ". "), "payload: expected canonical, unpadded base64url"),
        (token(payload=b"[1]"), "payload: expected a JSON object, found a list"),
        (token(payload=b"null"), "payload: expected a JSON object, found null"),
        (token(payload=b"1"), "payload: expected a JSON object, found a number"),
        (token(header=b'{"a":1,"a":2}'), "header: expected every member name once"),
        (token(payload=b'{"a":{"b":1,"b":1}}'), "payload: expected every member name once"),
        (token(payload=b'{"a":NaN}'), "payload: expected finite numbers"),
        (token(payload=b'{"a":-Infinity}'), "payload: expected finite numbers"),
        (token(payload=b'{"a":9223372036854775808}'), "payload: expected numbers below 2^63"),
        (token(payload=b'{"a":1' + b"0" * 5000 + b"}"), "payload: expected numbers below 2^63"),
        (token(payload=b'{"a":1e400}'), "payload: expected numbers below 2^63"),
        (token(payload=b'{"a":"\\ud800"}'), "payload: expected no lone surrogates"),
        (token(payload=b'{"\\udc00":1}'), "payload: expected no lone surrogates"),
        (token(payload=b'{"a":"\xff"}'), "payload: expected UTF-8"),
        (token(payload=b'\xef\xbb\xbf{"a":1}'), "payload: expected strict JSON"),
        (token(payload=b'{"a":' * 65 + b"1" + b"}" * 65), "payload: expected at most 64 levels"),
        (token(payload=b'{"a":' + b"[" * 9000), "payload: expected at most 64 levels"),
        (token(payload=b'{"a":' + b"]" * 9000), "payload: expected strict JSON"),
        (token(payload=b'{"a":"\x01"}'), "payload: expected strict JSON"),
        (token(payload=b'{"a":1,}'), "payload: expected strict JSON"),
        (token(payload=b'{"a":1}x'), "payload: expected strict JSON"),
        ("é.b.c", "header: expected"),
        ("\ud800.b.c", "header: expected"),
        ("a" * 20_000, "expected at most 16384 bytes, found 20000"),
    ],
)
def test_error_names_the_segment_and_the_mistake(given: str, complaint: str) -> None:
    with pytest.raises(jws.MalformedError, match="^" + complaint.replace("^", r"\^")) as caught:
        jws.read(given)
    assert segment(CLAIMS) not in str(caught.value)


def test_sixty_four_levels_are_allowed() -> None:
    deep = b'{"a":' + b"[" * 63 + b"]" * 63 + b"}"
    assert jws.parse_object(deep)


@pytest.mark.parametrize("levels", [1_000, 1_500, 6_000])
@pytest.mark.parametrize(("begin", "end"), [(b"[", b"]"), (b'{"a":', b"}"), (b'["\\"",', b"]")])
def test_depth_has_one_bound_on_every_python(levels: int, begin: bytes, end: bytes) -> None:
    deep = b'{"a":' + begin * levels + b"1" + end * levels + b"}"
    with pytest.raises(jws.MalformedError, match="at most 64 levels"):
        jws.parse_object(deep)


def test_brackets_in_strings_are_no_levels() -> None:
    text = rb'{"a":"' + b"[{" * 500 + rb'\"[\\","b":' + b"[" * 63 + b"]" * 63 + b"}"
    assert jws.parse_object(text)["a"].endswith('"[\\')


SCALARS = r"""
0 -7 1.5 -2e3 true null NaN 01 "a" "[{" "\\" "\"" "\ud83d\ude00" "\ud83d" [] {} 1e19 1e999
9223372036854775807 9223372036854775808 -9223372036854775808 1234567890123456789012
"""
VALUES = st.recursive(
    st.sampled_from(SCALARS.split()),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(st.sampled_from("abcdefgh"), inner), max_size=3).map(
            lambda items: "{" + ",".join(f'"{name}":{value}' for name, value in items) + "}"
        )
    ),
    max_leaves=8,
)


def parsed(text: str) -> Any:
    try:
        return jws.parse_object(text.encode())
    except jws.MalformedError:
        return None


@given(VALUES, st.sampled_from(["0", '"a"', "[]", "{}", '{"a":0}', "1000000000000000000"]))
def test_token_with_many_values_is_read_like_one_with_few(value: str, filling: str) -> None:
    few = parsed(f'{{"x":{value}}}')
    many = parsed(f'{{"x":{value},"y":[{",".join([filling] * 200)}]}}')
    assert (many and many["x"]) == (few and few["x"])


def test_number_of_objects_and_lists_is_bounded() -> None:
    for count, allowed in ((1_022, True), (1_023, False)):
        assert (
            parsed(f'{{"x":[{",".join(["{}"] * count)}],"y":"{"[" * 2_000}"}}') is not None
        ) is allowed


def test_number_of_fractions_is_bounded() -> None:
    for count, allowed in ((128, True), (129, False)):
        assert (parsed(f'{{"x":[{",".join(["1.5"] * count)}]}}') is not None) is allowed


def test_unused_bits_that_are_not_zero_are_refused() -> None:
    assert jws.decode_base64url(b"QQ") == b"A"
    with pytest.raises(jws.MalformedError, match="canonical"):
        jws.decode_base64url(b"QR")


@given(st.binary(max_size=80))
def test_encoded_bytes_decode_to_themselves(raw: bytes) -> None:
    assert jws.decode_base64url(base64.urlsafe_b64encode(raw).rstrip(b"=")) == raw


def test_base64url_accepts_exactly_what_it_would_encode() -> None:
    good = base64.urlsafe_b64encode(bytes(range(250, 256)) + b"ab").rstrip(b"=")
    for at in range(len(good)):
        for other in range(256):
            given = good[:at] + bytes([other]) + good[at + 1 :]
            accepted = True
            try:
                decoded = jws.decode_base64url(given)
            except jws.MalformedError:
                accepted, decoded = False, b""
            # Python's decoder skips what it does not know, so it encodes fewer bytes again.
            again = base64.urlsafe_b64encode(base64.urlsafe_b64decode(given + b"==")).rstrip(b"=")
            assert accepted == (again == given)
            assert not accepted or base64.urlsafe_b64encode(decoded).rstrip(b"=") == given


def test_tokens_with_one_header_share_it_read_only() -> None:
    first, second = jws.read(token(payload={"a": 1})), jws.read(token(payload={"a": 2}))
    assert first.header is second.header
    with pytest.raises(TypeError):
        first.header.raw["alg"] = "none"  # type: ignore[index]  # the mistake


def test_few_and_short_headers_are_remembered() -> None:
    before = jws.read(token()).header
    for number in range(1_000):
        jws.read(token({"kid": str(number)}))
    after = jws.read(token()).header
    assert before is not after
    assert before.raw == after.raw == HEADER
    long = token(HEADER | {"kid": "k" * 256})
    assert jws.read(long).header is not jws.read(long).header


def test_malformed_header_is_refused_each_time() -> None:
    for _ in range(3):
        with pytest.raises(jws.MalformedError, match="header: expected every member name"):
            jws.read(token(b'{"alg":"HS256","alg":"none"}'))


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """Return a valid token with one to three edits, or random pieces."""
    text = jwt.encode(CLAIMS, SECRET, algorithm="HS256")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 3))
        piece = draw(
            st.sampled_from(["", ".", "=", "A", "_", "+", "/", " ", "\n", "é", "e30", "%"])
        )
        text = text[:at] + piece + text[at + cut :]
    return text


def unverified(text: str) -> bool:
    """Return whether PyJWT accepts the form; it checks neither claims nor the signature."""
    try:
        jwt.decode(text, SECRET, algorithms=["HS256"], options={"verify_signature": False})
    except jwt.PyJWTError:
        return False
    return True


def verified(text: str) -> bool:
    options: Any = {"verify_aud": False, "verify_iss": False, "verify_sub": False}
    try:
        jwt.decode(text, SECRET, algorithms=["HS256"], options=options)
    except jwt.PyJWTError:
        return False
    return True


def readable(text: str) -> bool:
    try:
        jws.read(text)
    except jws.MalformedError:
        return False
    return True


@pytest.mark.slow
@settings(max_examples=3000, deadline=None, derandomize=True)
@given(damaged())
@example(jwt.encode(CLAIMS, SECRET, algorithm="HS256"))
def test_form_that_pyjwt_refuses_is_refused(text: str) -> None:
    assert unverified(text) or not readable(text)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None, derandomize=True)
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_json_that_pyjwt_refuses_is_refused(header: bytes, payload: bytes) -> None:
    text = token(header, payload)
    assert unverified(text) or not readable(text)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None, derandomize=True)
@given(damaged())
@example(jwt.encode(CLAIMS, SECRET, algorithm="HS256"))
def test_signature_that_pyjwt_refuses_is_refused(text: str) -> None:
    algorithm = jwt.get_algorithm_by_name("HS256")
    if readable(text):
        read = jws.read(text)
        genuine = algorithm.verify(read.signing_input, SECRET.encode(), read.signature)
        assert verified(text) or not genuine or read.header.raw != HEADER
