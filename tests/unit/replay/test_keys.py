"""The keys of a replay: hosts share resolvers, and the number of lookups is limited."""

from __future__ import annotations

import pytest

from tests.support.key_server import running_key_server
from tests.support.tokens import SECRET
from verifier.keys.resolver import open_resolver
from verifier.keys.sources.base import Missing
from verifier.keys.sources.http import open_session
from verifier.keys.sources.settings import KeyLocations, KeySourceSettings
from verifier.replay import keys as replay_keys
from verifier.replay.keys import LimitedResolver, open_keys


def test_hosts_with_the_same_keys_share_a_resolver() -> None:
    one, two = KeyLocations(secrets=(SECRET,)), KeyLocations(secrets=(SECRET * 2,))
    with open_keys([one, two, one], KeySourceSettings()) as keys:
        assert keys.resolver_for(one) is keys.resolver_for(KeyLocations(secrets=(SECRET,)))
        assert keys.resolver_for(one) is not keys.resolver_for(two)


async def test_lookups_of_invented_key_ids_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_keys, "_MAX_KEY_IDS", 20)
    async with running_key_server() as server, open_session() as session:
        resolver = open_resolver(KeyLocations(asap_url=server.url), session)
        keys = LimitedResolver(resolver)
        answers = [await keys.fetch(f"invented-{number % 50}") for number in range(100)]
        assert len(server.requests) == 20
        assert answers == ([Missing.UNKNOWN] * 20 + [Missing.UNAVAILABLE] * 30) * 2
        await resolver.close()
