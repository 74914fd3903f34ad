"""The configurations whose costs are measured: each option that adds work to a denial."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.tokens import SECRET

KEY_ID: Final = "key-1"
ADMIN_TOKEN: Final = "an-admin-token-of-more-than-thirty-two-bytes"
_SHARED: Final = f"""
app_id = "app"
app_secret = "{SECRET}"
admin_token = "{ADMIN_TOKEN}"
log_format = "json"
muc_mapper_domain_base = "meet.example.org"
"""
_REDIRECT: Final = (
    'denied_redirect_url = "https://portal.example.org/?code={code}&room={room}&back={url}"\n'
)
_HANDOFF: Final = 'handoff = true\nsingle_use = "jti"\ntoken_cookie = "jwt"\n'
_BYPASS: Final = 'bypass = ["10.1.0.0/16", "fd00::/8"]\ntrusted_proxies = ["127.0.0.1", "unix"]\n'
_POLICY: Final = """
[policy]
forbid_wildcard_room = true
forbid_wildcard_sub = true
forbid_room_patterns = true
max_token_lifetime = 3600
require_jti = true
require_expiry = true
require_user_id = true
moderators_create_rooms = true
"""
_CORS: Final = 'cors_origins = ["https://page.example.org", "https://app.example.org"]\n'
_HOSTS: Final = '[hosts."meet.example.org"]\nasap_accepted_audiences = ["jitsi"]\n'


@cache
def public_pem() -> str:
    """Return a public key of RSA, 2,048 bits; no test has its private key."""
    key = rsa.generate_private_key(65_537, 2_048).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode()


def _audit_log(folder: Path) -> str:
    return f'audit_log = "{folder}/audit.log"\n'


def _public_keys(_folder: Path) -> str:
    shared = _SHARED.replace(f'app_secret = "{SECRET}"\n', "")
    return f'{shared}public_keys = {{ {KEY_ID} = """{public_pem()}""" }}\n'


def _everything(folder: Path) -> str:
    options = f'rules = "strict"\n{_REDIRECT}{_HANDOFF}{_BYPASS}{_CORS}{_audit_log(folder)}'
    return f"{_SHARED}strict_hosts = true\n{options}{_POLICY}{_HOSTS}"


def _report_only(folder: Path) -> str:
    options = f'mode = "report-only"\nrules = "strict"\n{_HANDOFF}{_audit_log(folder)}'
    return f"{_SHARED}{options}{_POLICY}{_HOSTS}"


def _key_server(folder: Path) -> str:
    # Nothing listens there, so that unknown keys are denied without a fetch after the first ones.
    server = 'asap_key_server = "http://127.0.0.1:9/"\nmode = "report-only"\n'
    return f"{_public_keys(folder)}{server}{_audit_log(folder)}"


MODES: Final[dict[str, Callable[[Path], str]]] = {
    "defaults": lambda _: _SHARED,
    "guests": lambda _: f"{_SHARED}allow_empty_token = true\n{_BYPASS}",
    "redirect": lambda folder: f"{_SHARED}{_REDIRECT}{_audit_log(folder)}",
    "hand-off": lambda _: f"{_SHARED}{_REDIRECT}{_HANDOFF}",
    "strict": lambda _: f'{_SHARED}rules = "strict"\nallow_empty_token = true\n',
    "report-only": _report_only,
    "everything": _everything,
    "public key": _public_keys,
    "key server": _key_server,
}
"""For each mode a function from a folder for its files to its configuration, TOML."""

PUBLIC_KEY_MODES: Final = frozenset({"public key", "key server"})
"""The modes in which tokens are signed with RS256."""
