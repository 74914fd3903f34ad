"""Jitsi's rules, and the operator's own, for one token and one room."""
