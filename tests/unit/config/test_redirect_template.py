"""Redirect templates: placeholders and the values in their place."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from verifier.config.redirect_template import fill, has_stray_brace, unknown_placeholders

LOGIN = "https://login.example.org/?why={code}&room={room}&to={url}"


def test_values_are_percent_encoded() -> None:
    url = "https://meet.example.org/a?b=c&d=e#f"
    filled = fill(LOGIN, code="token-expired", room="%d0%ba", url=url)
    assert filled == (
        "https://login.example.org/?why=token-expired&room=%25d0%25ba"
        "&to=https%3A%2F%2Fmeet.example.org%2Fa%3Fb%3Dc%26d%3De%23f"
    )


@given(st.text(), st.text(), st.text())
def test_values_cannot_change_the_rest_of_the_url(code: str, room: str, url: str) -> None:
    values = {"code": code, "room": room, "url": url}
    parts = urlsplit(fill(LOGIN, **values))
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "login.example.org", "")
    read = parse_qs(parts.query, keep_blank_values=True, strict_parsing=True)
    assert read == {"why": [code], "room": [room], "to": [url]}


def test_placeholder_in_a_value_stays_text() -> None:
    assert fill("https://x/{code}", code="{url}", room="", url="u") == "https://x/%7Burl%7D"


def test_unknown_placeholders_are_returned_once_each() -> None:
    template = "https://x/{token}/{code}/{jwt}/{token}/{}"
    assert unknown_placeholders(template) == ["{token}", "{jwt}", "{}"]
    assert unknown_placeholders(LOGIN) == []


def test_unpaired_brace_is_stray() -> None:
    assert has_stray_brace("https://x/{code")
    assert has_stray_brace("https://x/code}")
    assert has_stray_brace("https://x/{{code}}")
    assert not has_stray_brace(LOGIN)
