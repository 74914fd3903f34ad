"""Redis or Valkey, as every store that lives there reaches it."""
