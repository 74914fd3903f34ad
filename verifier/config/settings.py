"""The configuration as one frozen value, every default applied, and the part for each package.

``load`` makes it and has checked it. This module reads neither file nor environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from verifier.config.options import Options
from verifier.keys.pem import looks_like_pem
from verifier.keys.sources.settings import KeyLocations, KeySourceSettings
from verifier.rooms.host import name_of_host
from verifier.rules.policy import OperatorPolicy, Policy


@dataclass(frozen=True, kw_only=True)
class Settings(Options):
    """Every option as an attribute, and what follows from them.

    Attributes:
        other_algorithms: Algorithms accepted besides ``signature_algorithm``; strict rules only.
        hosts: By virtual host, lower case: the whole configuration as it is for that host.
        notices: What an operator should know, for the log at start; never a secret.
        file: The configuration file that was read; None without one.
        source: The file and the variables that were read, in words.
        watched_files: Secret and key files; a change in one asks for a reload.
        origins: Where the values come from that were given, by the options' names.
    """

    other_algorithms: tuple[str, ...] = ()
    hosts: Mapping[str, Settings] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    file: Path | None = None
    source: str = ""
    watched_files: tuple[Path, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)

    def for_host(self, host: str) -> Settings | None:
        """Return the settings of a host; None if ``strict_hosts`` excludes it.

        Args:
            host: A host as clients send it, perhaps with a port.
        """
        own = self.hosts.get(name_of_host(host))
        return own if own is not None or self.strict_hosts else self

    @property
    def key_server(self) -> bool:
        """Whether keys are looked up by key id at a URL."""
        return self.asap_key_server is not None or self.cache_keys_url is not None

    @property
    def strict(self) -> bool:
        """Whether the standards hold where Jitsi is lenient."""
        return self.rules == "strict"

    @property
    def operator_policy(self) -> OperatorPolicy | None:
        """The ``[policy]`` table; None where all of it is off."""
        policy = OperatorPolicy(
            **{rule.name: getattr(self, f"policy_{rule.name}") for rule in fields(OperatorPolicy)}
        )
        return None if policy == OperatorPolicy() else policy

    @property
    def longest_leeway(self) -> float:
        """The longest time, seconds, for which any host accepts an expired token."""
        return max(settings.leeway for settings in (self, *self.hosts.values()))

    def policy(self) -> Policy:
        """Return what the rules accept."""
        return Policy(**{part.name: getattr(self, part.name) for part in fields(Policy)})

    def cookie_secrets(self) -> tuple[str, ...]:
        """Return the secrets of hand-off cookies; none if ``handoff`` is off.

        The first one signs. The others verify, so that a cookie outlives a change of the secret.
        """
        if not self.handoff:
            return ()
        if self.handoff_secret:
            return (self.handoff_secret,)
        return tuple(secret for secret in self.app_secret if not looks_like_pem(secret))

    def key_source_settings(self) -> KeySourceSettings:
        """Return the settings of key sources; those that are not options keep their defaults."""
        given = {part.name for part in fields(KeySourceSettings)} & vars(self).keys()
        return KeySourceSettings(**{name: getattr(self, name) for name in given})

    def key_locations(self) -> KeyLocations:
        """Return where the keys are."""
        return KeyLocations(
            secrets=self.app_secret,
            public_keys=self.public_keys,
            document_url=self.cache_keys_url,
            asap_url=self.asap_key_server,
        )

    def value(self, name: str) -> Any:
        """Return the value of the option of this TOML key, with every accepted algorithm."""
        if name == "signature_algorithm":
            return (self.signature_algorithm, *self.other_algorithms)
        return getattr(self, name.replace(".", "_"))
