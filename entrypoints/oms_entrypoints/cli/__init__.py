"""The command line: ``oms``."""

from oms_entrypoints.cli.main import main

__all__ = ["main"]
