"""HTTP: the server, the endpoints of both listeners, and their responses."""
