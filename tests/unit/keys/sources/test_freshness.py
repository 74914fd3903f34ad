from __future__ import annotations

import pytest
from multidict import CIMultiDict

from verifier.keys.sources.http import stated_lifetime

NOW = 1_767_225_600  # Thu, 01 Jan 2026 00:00:00 GMT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Cache-Control": ""}, None),
        ({"Cache-Control": "public"}, None),
        ({"Cache-Control": "max-age=60"}, 60),
        ({"cache-control": "Public, Max-Age = 60"}, 60),
        ({"Cache-Control": 'max-age="60", private'}, 60),
        ({"Cache-Control": "s-maxage=5, max-age=60"}, 60),
        ({"Cache-Control": "s-maxage=5"}, None),
        ({"Cache-Control": "x-max-age=5"}, None),
        ({"Cache-Control": "max-age=-1"}, None),
        ({"Cache-Control": "max-age=x"}, None),
        ({"Cache-Control": "max-age=99999999999"}, None),
        ({"Cache-Control": "max-age=60", "Age": "20"}, 40),
        ({"Cache-Control": "max-age=60", "Age": "90"}, 0),
        ({"Cache-Control": "max-age=60", "Age": "x"}, 60),
        ({"Cache-Control": "no-store, max-age=60"}, 0),
        ({"Cache-Control": "no-cache"}, 0),
        ({"Cache-Control": 'no-cache="Set-Cookie"'}, None),
        ({"Expires": "Thu, 01 Jan 2026 01:00:00 GMT"}, 3600),
        ({"Expires": "Thu, 01 Jan 2026 01:00:00"}, 3600),
        (
            {"Expires": "Thu, 01 Jan 2026 01:00:00 GMT", "Date": "Thu, 01 Jan 2026 00:30:00 GMT"},
            1800,
        ),
        ({"Expires": "Thu, 01 Jan 2026 01:00:00 GMT", "Date": "yesterday"}, 3600),
        ({"Expires": "Wed, 31 Dec 2025 00:00:00 GMT"}, 0),
        ({"Expires": "0"}, 0),
        ({"Expires": ""}, 0),
        ({"Expires": "Thu, 01 Jan 99999 00:00:00 GMT"}, 0),
        ({"Expires": "Thu, 01 Jan 2026 01:00:00 GMT", "Cache-Control": "max-age=5"}, 5),
    ],
)
def test_an_answer_is_fresh_for_as_long_as_it_says(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert stated_lifetime(CIMultiDict(headers), NOW) == seconds
