"""Many orders at once, out of a store and into one, a few at a time in memory."""
