"""Placeholders of logs are told from tokens, and from what broken programs send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tokens import sign
from verifier.replay.redaction import ends_within_token, is_redacted
from verifier.rooms.url import parse_target

TOKEN = sign({"iss": "app", "room": "standup"})


def redacted(text: str) -> bool:
    target = parse_target(text)
    assert target is not None
    return is_redacted(target)


@pytest.mark.parametrize(
    "query",
    [
        *("[params_redacted]", "[redacted]", "***", "REDACTED", "<redacted>", "[FILTERED]", "..."),
        *("…", "%5Bredacted%5D", "%2A%2A%2A", "xxxxx", "{removed}", "__REDACTED__", "[query]"),
        *("jwt=***", "jwt=*", "jwt=REDACTED", "token=[FILTERED]", "jwt=%5BFILTERED%5D"),
        *("jwt=<redacted>&lang=de", "room=a&token=hidden", "jwt=XXXXXXXX", "jwt=[token]"),
        *("token=[jwt redacted]", "jwt=removed_by_proxy", "jwt=eyJhbGciOi...", "jwt=eyJhb***"),
        *("jwt=eyJhbGciOi%E2%80%A6", "jwt=eyJh[...]c2ln", "jwt=1f3870be", "jwt=sha256:abcdef"),
        "lang=de&[redacted]",
        "jwt=" + "e" * 5000 + "***",
    ],
)
def test_placeholder_of_a_log_is_recognised(query: str) -> None:
    assert redacted(f"/standup?{query}")


@pytest.mark.parametrize(
    "target",
    [
        *("/***?lang=de", "/acme/[redacted]?jwt=a", "/standup[redacted]", "/http-bind?room=***"),
        "/http-bind?room=%5BREDACTED%5D&lang=de",
    ],
)
def test_hidden_room_is_recognised(target: str) -> None:
    assert redacted(target)


@pytest.mark.parametrize(
    "target",
    [
        *(
            "/standup",
            "/standup?",
            "/redacted",
            "/hidden?lang=de",
            "/standup?debug",
            "/a?redacted=",
        ),
        *("/standup?jwt=", "/standup?jwt=undefined", "/standup?jwt=null", "/standup?jwt={token}"),
        *("/standup?jwt=[object%20Object]", "/standup?jwt=a.b.c", "/standup?jwt=a", "/a?jwt=1234"),
        *("/http-bind?room=hidden", "/http-bind?room=a...", "/standup?config.x=***", "/a...b"),
        f"/standup?jwt={TOKEN}",
        f"/standup?jwt={TOKEN[:-9]}",
    ],
)
def test_other_requests_are_decided(target: str) -> None:
    assert not redacted(target)


@given(st.text("ABCabcxyzXYZ019-_", min_size=1, max_size=40))
def test_no_token_is_a_placeholder(segment: str) -> None:
    assert not redacted(f"/a?jwt=eyJ{segment}.eyJ{segment}.{segment}")


@pytest.mark.parametrize("cut", [1, 10, 40, len(TOKEN) - 1])
def test_target_that_ends_within_a_token_is_recognised(cut: int) -> None:
    assert ends_within_token(f"/standup?lang=de&jwt={TOKEN[:-cut]}")
    assert not ends_within_token(f"/standup?jwt={TOKEN[:-cut]}&lang=de")


def test_target_with_a_whole_token_is_not_cut_off() -> None:
    assert not ends_within_token(f"/standup?jwt={TOKEN}")
    assert not ends_within_token("/standup?lang=de")
