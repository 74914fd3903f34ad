"""What Prosody's configuration says about tokens, and how that fits another configuration.

Values in, values out: files come as bytes through callables, and nothing of a configuration is ever
executed. Knows nothing of this program's own options but their names.
"""
