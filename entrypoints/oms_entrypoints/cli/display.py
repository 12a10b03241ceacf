"""How things look on a terminal: plain words, few colours, nothing that a pipe cannot take."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from oms_core.domain.order_status import OrderStatus
from oms_core.domain.saga_position import SagaState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

WIDE_COLUMNS: Final = 100
"""From this width on a table shows what is nice to know too."""
PIPE_COLUMNS: Final = 200
"""Into a file or pipe nothing is folded."""

_STATUS_STYLES: Final = {
    OrderStatus.PENDING_PAYMENT: "yellow",
    OrderStatus.PAYMENT_AUTHORIZED: "cyan",
    OrderStatus.CANCELLED: "red",
    OrderStatus.FAILED: "red",
}
_STATE_STYLES: Final = {
    SagaState.STUCK: "red",
    SagaState.WAITING: "yellow",
    SagaState.PAUSED: "yellow",
}


def console() -> Console:
    """Make a console for standard output. Brackets in data are not markup."""
    is_terminal = sys.stdout.isatty()
    width = None if is_terminal or "COLUMNS" in os.environ else PIPE_COLUMNS
    return Console(highlight=False, markup=False, emoji=False, width=width)


def table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    """Make a table without lines; columns in *numbers* stand to the right."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        made.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return made


def facts(rows: Sequence[tuple[str, RenderableType]]) -> Table:
    """Make a list of names and what stands for them."""
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), show_header=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, value)
    return made


def status_text(status: OrderStatus) -> Text:
    """Write an order's status, in its colour."""
    return Text(status.value, style=_STATUS_STYLES.get(status, "green"))


def state_text(state: SagaState) -> Text:
    """Write a saga's state, in its colour."""
    return Text(state.value, style=_STATE_STYLES.get(state, ""))


def moment(at: datetime) -> str:
    """Write a moment to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def clock_time(at: datetime) -> str:
    """Write the time of day to the millisecond."""
    return at.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3]


def age(at: datetime, now: datetime) -> str:
    """Write how long ago something was."""
    return _length(max(0, int((now - at).total_seconds())))


def until(at: datetime, now: datetime) -> str:
    """Write in how long something is."""
    seconds = int((at - now).total_seconds())
    return f"in {_length(seconds)}" if seconds > 0 else "now"


def _length(seconds: int) -> str:
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit_s:
            return f"{seconds // unit_s} {unit}"
    return f"{seconds} s"
