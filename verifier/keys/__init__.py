"""Verification keys: their formats, their sources, and the resolver."""
