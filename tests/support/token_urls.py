"""Targets that contain a token in every place where a log could pick it up."""

from __future__ import annotations


def urls_with_token(token: str) -> list[str]:
    """Return targets with this token: good, denied, ambiguous, badly encoded and too long ones.

    The first three have no encoded "?" and no "#": a parameter can be appended to them.
    """
    return [
        f"/standup?jwt={token}",
        f"/other?jwt={token}",
        f"/standup?jwt={token}x",
        f"/other?token={token}",
        f"/standup?jwt={token}&jwt={token}",
        f"/a/b/c?jwt={token}",
        f"/libs/none.js?jwt={token}",
        f"/http-bind?room=standup&token={token}",
        f"/%zz?jwt={token}",
        f"/standup%3Fjwt={token}",
        f"/standup%3fjwt={token}",
        f"/standup%253Fjwt={token}",
        f"/standup%23jwt=%22{token}%22",
        f"/standup&jwt={token}",
        f"/standup;jwt={token}",
        f"/standup%ef%bc%9fjwt={token}",
        f"/{token}",
        f"/standup?jwt={token}{'x' * 9_000}",
        f"/standup?jwt={token}{'x' * 20_000}",
        f"/standup?jwt={token}{'x' * 40_000}",
        f"/standup?jwt={token} x",
    ]
