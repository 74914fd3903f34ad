"""Revocations: what a revocation is, which requests it matches, and where it is stored."""
