"""What the core asks of the world: one port a file, and the promises its adapters keep."""
