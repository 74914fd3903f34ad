"""Revocations: what one is, what it matches, and where it is stored."""
