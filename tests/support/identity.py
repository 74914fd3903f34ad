from __future__ import annotations

IDENTITY = {
    "X-Jitsi-Room": "standup",
    "X-Jitsi-Tenant": "acme",
    "X-Jitsi-Subject": "%2A",
    "X-Jitsi-Issuer": "booking-site",
    "X-Jitsi-User-Id": "u-1",
    "X-Jitsi-User-Name": "Ada%20Lovelace",
    "X-Jitsi-User-Email": "ada@example.org",
    "X-Jitsi-Group": "-",
    "X-Jitsi-Moderator": "false",
    "X-Jitsi-Affiliation": "member",
    "X-Jitsi-Features": "-",
    "X-Jitsi-Expires": "98753496345768",
}
