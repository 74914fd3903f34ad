"""Sources of keys: configuration, files, a document, an ASAP server."""
