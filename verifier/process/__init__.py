"""Processes: start, supervision, workers, sockets and shutdown."""
