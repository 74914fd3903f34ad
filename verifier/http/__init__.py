"""HTTP: the server, the endpoints of both listeners, the responses."""
