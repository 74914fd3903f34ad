"""What waits, reads clocks and opens files: settings, key sources, the service."""
