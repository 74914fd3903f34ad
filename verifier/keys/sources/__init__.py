"""Sources of verification keys: configuration and files, one key document, an ASAP key server."""
