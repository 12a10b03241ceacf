"""Use cases, the saga table and its runner."""
