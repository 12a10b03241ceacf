"""Measures the order management system, always as a ratio to a base taken in the same run.

``python -m benchmarks`` lists what can be measured. Absolute figures say more about the machine
and its other tenants than about the program, so each row compares ours with something well known,
in alternated rounds.
"""
