from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from verifier.config.redirect_template import fill, has_stray_brace, unknown_placeholders
from verifier.rooms.address import parse_target
from verifier.rooms.clean_target import without_tokens

LOGIN = "https://login.example.org/?why={code}&room={room}&to={url}"


def cleaned(target: str) -> str:
    parsed = parse_target(target)
    assert parsed is not None
    return without_tokens(parsed)


def test_values_are_percent_encoded_in_their_places() -> None:
    url = "https://meet.example.org/a?b=c&d=e#f"
    filled = fill(LOGIN, code="token-expired", room="%d0%ba", url=url)
    assert filled == (
        "https://login.example.org/?why=token-expired&room=%25d0%25ba"
        "&to=https%3A%2F%2Fmeet.example.org%2Fa%3Fb%3Dc%26d%3De%23f"
    )


@given(st.text(), st.text(), st.text())
def test_no_value_leaves_its_place(code: str, room: str, url: str) -> None:
    values = {"code": code, "room": room, "url": url}
    parts = urlsplit(fill(LOGIN, **values))
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "login.example.org", "")
    read = parse_qs(parts.query, keep_blank_values=True, strict_parsing=True)
    assert read == {"why": [code], "room": [room], "to": [url]}


def test_a_placeholder_in_a_value_is_text() -> None:
    assert fill("https://x/{code}", code="{url}", room="", url="u") == "https://x/%7Burl%7D"


def test_unknown_placeholders_are_named_once_each() -> None:
    template = "https://x/{token}/{code}/{jwt}/{token}/{}"
    assert unknown_placeholders(template) == ["{token}", "{jwt}", "{}"]
    assert unknown_placeholders(LOGIN) == []


def test_a_brace_without_its_like_is_stray() -> None:
    assert has_stray_brace("https://x/{code")
    assert has_stray_brace("https://x/code}")
    assert has_stray_brace("https://x/{{code}}")
    assert not has_stray_brace(LOGIN)


def test_tokens_leave_a_target_and_nothing_else_does() -> None:
    assert cleaned("/a/b?jwt=T") == "/a/b"
    assert cleaned("/a?x=1&jwt=T&y=2&token=T&z") == "/a?x=1&y=2&z"
    assert cleaned("/a?%6awt=T&tok%65n=T&jwtx=1&JWT=2") == "/a?jwtx=1&JWT=2"
    assert cleaned("/a?jwt&x=%26") == "/a?x=%26"
    assert cleaned("/a") == "/a"


def test_a_target_never_names_another_host() -> None:
    assert cleaned("//evil.example?jwt=T") == "/evil.example"
    assert cleaned("///evil.example") == "/evil.example"


@given(st.text(st.characters(exclude_categories=()), max_size=50))
def test_a_cleaned_target_is_printable_ascii_below_one_slash(text: str) -> None:
    result = cleaned(f"/{text}")
    assert result.isascii()
    assert result.isprintable()
    assert " " not in result
    assert result.startswith("/")
    assert not result.startswith("//")
