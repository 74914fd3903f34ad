"""Rooms: addresses, URLs, host names and room patterns."""
