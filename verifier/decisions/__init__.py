"""Decisions of a running service: the verifier of each host, the cache, bypass and throttle."""
