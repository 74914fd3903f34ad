"""Tokens that were cut off, lengthened, wrapped or never signed."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from tests.support.explanations import (
    GOOD,
    KEYS,
    POLICY,
    PRIVATE_KEY,
    RS256,
    check_suggestion,
    rs256,
    signed,
)
from tests.support.tokens import SECRET, segment, sign
from verifier.explain import unwrap
from verifier.keys.model import KeySet, bind

TOKEN = signed()
HEADER, PAYLOAD, SIGNATURE = TOKEN.split(".")
UNSIGNED = segment({"typ": "JWT", "alg": "none"})


@pytest.mark.parametrize(("length", "octets"), [(42, 31), (23, 17), (22, 16), (21, 15), (1, 0)])
def test_cut_signature_is_counted(length: int, octets: int) -> None:
    token = f"{HEADER}.{PAYLOAD}.{SIGNATURE[:length]}"
    found = check_suggestion("signature-invalid", token, "the link was cut off", "Copy the whole")
    assert found.startswith(f"The signature has {octets} of 32 bytes")


@pytest.mark.parametrize(("algorithm", "octets"), [("HS384", 48), ("HS512", 64)])
def test_each_algorithm_has_its_own_length(algorithm: str, octets: int) -> None:
    policy = replace(POLICY, signature_algorithm=algorithm)
    token = sign(GOOD, key=SECRET * 2, algorithm=algorithm)[:-20]
    check_suggestion("signature-invalid", token, f"of {octets} bytes", policy=policy)


def test_cut_signature_of_a_private_key_is_counted() -> None:
    key = bind(PRIVATE_KEY.public_key(), None, "file")
    policy = replace(POLICY, signature_algorithm="RS256")
    cut = rs256()[:-100]
    check_suggestion("signature-invalid", cut, "of 256 bytes", policy=policy, keys=KeySet((key,)))


def test_lengthened_signature_is_named() -> None:
    check_suggestion("signature-invalid", f"{TOKEN}AAAA", "has 35 bytes", "makes 32")


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (f"{HEADER}.{PAYLOAD[:-9]}", "ends within its payload"),
        (f"{HEADER}.{PAYLOAD}", "ends before its signature"),
        (HEADER[:-3], "ends within its header"),
        (TOKEN[4:], "beginning is missing"),
        (f"{PAYLOAD}.{SIGNATURE}", "Send the whole token"),
        (f"{TOKEN[:60]}...", "was shortened by the program that showed it"),
        (f"{TOKEN[:60]}…", "was shortened by the program that showed it"),
        (TOKEN + TOKEN, "Two tokens stand one behind the other"),
    ],
)
def test_part_of_a_token_is_named(token: str, words: str) -> None:
    check_suggestion("token-malformed", token, words)


def test_no_part_of_a_broken_signature_is_shown() -> None:
    for token in (f"{HEADER}.{PAYLOAD}.{SIGNATURE[:20]}+{SIGNATURE[20:]}", TOKEN[:-3] + "+/A"):
        found = check_suggestion("token-malformed", token, "base64url")
        assert SIGNATURE[20:30] not in found


@pytest.mark.parametrize("end", [".", "", f".{SIGNATURE}"])
@pytest.mark.parametrize("algorithm", ["none", "None", "NONE"])
def test_unsigned_token_says_how_to_sign(end: str, algorithm: str) -> None:
    header = segment({"typ": "JWT", "alg": algorithm})
    code = "algorithm-not-allowed" if len(end) > 1 else "token-malformed"
    words = ("unsigned", "never accepted", '"alg": "HS256"', "app_secret")
    check_suggestion(code, f"{header}.{PAYLOAD}{end}", *words)


def test_unsigned_token_without_key_id_has_a_note() -> None:
    found = check_suggestion(
        "key-id-missing", f"{UNSIGNED}.{PAYLOAD}.", "kid", policy=RS256, keys=KeySet()
    )
    assert "kid" in found


@pytest.mark.parametrize(
    "text",
    [
        *("b'{}'", 'b"{}"', "[b'{}']", "jwt={}", "?jwt={}", "&jwt={}", "#jwt={}", "token: {}"),
        *("jwt: '{}',", '{{"jwt":"{}"}}', '{{"access_token": "{}", "expires_in": 60}}', "'{}',"),
        *('const token = "{}";', "$jwt = '{}';", "export JWT={}", '"jwt" => "{}"', "({})", "<{}>"),
        *("`{}`", "\u201c{}\u201d", '{{:ok, "{}", %{{}}}}', "<jwt>{}</jwt>", 'Optional("{}")'),
        *("Token {}", "JWT {}", "Cookie: jwt={}; a=b", "%22{}%22", '\\"{}\\"', 'string(9) "{}"'),
        *("Array ( [jwt] => {} )", "-H 'Authorization: Bearer {}'", "jwt:\n  {}\n", "--jwt={}"),
    ],
)
def test_token_is_taken_out_of_the_text_around_it(text: str) -> None:
    token, note = unwrap(text.format(TOKEN))
    assert token == TOKEN
    assert note is not None
    assert ("Python's bytes: decode them" in note) == ("b'" in text or 'b"' in text)


def test_text_that_begins_with_a_token_is_left_alone() -> None:
    for tail in (",", "/standup", ' "', " is my token"):
        assert unwrap(f"{TOKEN}{tail}") == (f"{TOKEN}{tail}", None)


def test_first_of_several_tokens_is_explained() -> None:
    other = signed(sub="*")
    token, note = unwrap(f'{{"id_token": "{TOKEN}", "access_token": "{other}"}}')
    assert token == TOKEN
    assert "several tokens" in str(note)


def test_unsigned_token_in_other_text_keeps_its_last_dot() -> None:
    assert unwrap(f"jwt={UNSIGNED}.{PAYLOAD}.")[0] == f"{UNSIGNED}.{PAYLOAD}."
    assert KEYS.static


@pytest.mark.parametrize(
    ("code", "parts", "order"),
    [
        ("type-not-jwt", (PAYLOAD, HEADER, SIGNATURE), "payload, header, signature"),
        ("token-malformed", (HEADER, SIGNATURE, PAYLOAD), "header, signature, payload"),
        ("token-malformed", (SIGNATURE, HEADER, PAYLOAD), "signature, header, payload"),
    ],
)
def test_parts_in_wrong_order_are_named(code: str, parts: tuple[str, ...], order: str) -> None:
    check_suggestion(code, ".".join(parts), f"wrong order: {order}.")


def test_signature_in_hexadecimal_is_named() -> None:
    octets = base64.urlsafe_b64decode(f"{SIGNATURE}=")
    for signature in (octets.hex(), segment(octets.hex().encode())):
        token = f"{HEADER}.{PAYLOAD}.{signature}"
        check_suggestion("signature-invalid", token, "written in hexadecimal", "hash_hmac")


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (TOKEN.replace(".", "%2E"), "percent-encoded twice"),
        (f"{TOKEN}%3D", "percent-encoded twice"),
        (TOKEN.upper(), "only capitals"),
        (TOKEN.lower(), "only small letters"),
        (f".{PAYLOAD}.{SIGNATURE}", "beginning is missing"),
        (f"{PAYLOAD}.{SIGNATURE}", "header is missing"),
        (PAYLOAD, "header is missing"),
        (HEADER, "only the header"),
        (f"{TOKEN}`", 'stands "`", which is no part of it. Send the token alone'),
        (f"{TOKEN} {TOKEN}", "Two tokens"),
        (f"{TOKEN}\u200b", "A zero-width space"),
        (f"{HEADER}.{PAYLOAD[:20]}\n{PAYLOAD[20:]}.{SIGNATURE}", "A line break"),
        ("%s", "had no token"),
        ("YOUR_JWT_HERE", "had no token"),
        ("[jwt]", "had no token"),
        (sign(b'{"iss": "app",}'), "payload is not JSON"),
    ],
)
def test_change_on_the_way_is_named(token: str, words: str) -> None:
    check_suggestion("token-malformed", token, words)


def test_base64_in_a_url_is_named_and_no_blanks() -> None:
    token = sign(GOOD | {"x": "~~~>>>"})
    standard = token.replace("-", "+").replace("_", "/")
    assert "+" in standard
    check_suggestion("token-malformed", standard.replace("+", " "), "base64, whose + is a blank")
