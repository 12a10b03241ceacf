"""A worker process of ours: drives orders of a MongoDB database until its input ends."""

from __future__ import annotations

import sys

from benchmarks.stores import open_mongodb


def main() -> None:
    """Say when ready, begin when told, and end with the standard input."""
    uri, database = sys.argv[1:]
    with open_mongodb(uri, database) as oms:
        print("ready", flush=True)
        sys.stdin.readline()
        oms.start()
        sys.stdin.read()


if __name__ == "__main__":
    main()
