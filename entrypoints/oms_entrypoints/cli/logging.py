"""Where a process's logs go, and in which form."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oms_entrypoints.config import Config
    from oms_entrypoints.logs import LogForm


def start_logs(config: Config) -> None:
    """Send logs to standard error: text for a person at a terminal, else JSON lines."""
    from oms_entrypoints.logs import configure_logs

    form: LogForm = "text" if sys.stderr.isatty() else "json"
    if config.log.format != "auto":
        form = "json" if config.log.format == "json" else "text"
    configure_logs(config.log.level, form)
