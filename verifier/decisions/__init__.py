"""Which answer a request gets: the verifier of each host, the cache, the signature throttle."""
