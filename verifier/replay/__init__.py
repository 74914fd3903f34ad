"""Replay: which requests of an access log the rules would allow."""
