"""Speed and memory as ratios against a base taken in the same run: ``python -m benchmarks``."""
