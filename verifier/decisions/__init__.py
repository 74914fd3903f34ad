"""Decisions: the verifier of each host, cache, bypass and throttle."""
