"""HTTP: the protocol, the endpoints of both listeners, the responses."""
