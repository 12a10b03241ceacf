"""The whole system in one thread: a simulated clock, workers as puppets, faults at will."""
