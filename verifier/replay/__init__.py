"""Replays access logs: which of their requests the configured rules would allow and deny."""
