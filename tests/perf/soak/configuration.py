"""The configuration of the service, which reloads change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.perf.soak.users import DOMAIN, KEY_HOST, TTL
from tests.support.tokens import SECRET

GRACE: Final = 20.0
"""``key_grace``: how long, in seconds, a key is accepted after the document no longer has it."""

_OPTIONS: Final = """
app_id = "app"
app_secret_file = "{folder}/secret"
asap_accepted_issuers = {issuers}
asap_accepted_audiences = ["jitsi"]
decision_ttl = {ttl:.0f}
key_grace = {grace:.0f}
log_format = "json"
workers = {workers}
revocation_store = "{store}"
key_cache = "{folder}/keys.json"
[hosts."{host}"]
cache_keys_url = "{key_server}/jwks"
muc_mapper_domain_base = "{domain}"
"""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration file of the service.

    Args:
        folder: The folder of the file.
        key_server: The URL of the key server.
        store: The URL of the revocation store.
        workers: The number of workers.
    """

    folder: Path
    key_server: str
    store: str
    workers: int

    @property
    def file(self) -> Path:
        """The path of the file."""
        return self.folder / "verifier.toml"

    def write(self, *, partner: bool) -> None:
        """Write the file; ``partner`` says whether the second issuer is accepted."""
        (self.folder / "secret").write_text(SECRET)
        text = _OPTIONS.format(
            folder=self.folder,
            issuers='["app", "partner"]' if partner else '["app"]',
            ttl=TTL,
            grace=GRACE,
            workers=self.workers,
            store=self.store,
            host=KEY_HOST,
            key_server=self.key_server,
            domain=DOMAIN,
        )
        self.file.write_text(text)
