"""Tokens: compact JWS, claims, minting and redaction."""
