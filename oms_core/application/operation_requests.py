"""What is asked of an order after it was placed: the requests, as they are validated."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from attrs import frozen

from oms_core.domain.fulfillment import Tracking
from oms_core.domain.line_item import LineQuantity
from oms_core.domain.returns import Condition, ReceivedLine
from oms_core.domain.rules import (
    Amount,
    Flag,
    ListOf,
    OneOf,
    Text,
    Whole,
    check,
    require,
    ruled,
)
from oms_core.errors import Mistake

LINES_MAX: Final = 500
QUANTITY_MAX: Final = 1_000_000
_NOTE: Final = Text(500, printable=False, example="The customer changed their mind.")
_LINE: Final = Whole(1, LINES_MAX)
_QUANTITY: Final = Whole(1, QUANTITY_MAX)
_AMOUNT_SAYS: Final = "In major units of the order's currency; left out: all of it."


class _Checked:
    """Checks every field when it is made."""

    def __attrs_post_init__(self) -> None:
        """Raise every mistake at once."""
        require(check(self))


@frozen
class Pieces(_Checked):
    """Some pieces of one line."""

    line: int = ruled(_LINE, says="The line's number in the order.")
    quantity: int = ruled(_QUANTITY, says="How many pieces.")


@frozen
class CancelOrder(_Checked):
    """A request to cancel an order of which nothing has left."""

    reason: str | None = ruled(_NOTE, says="Why, for the timeline.", default=None)


@frozen
class CapturePayment(_Checked):
    """A request to take money that is held."""

    amount: str | int | Decimal | None = ruled(Amount(), says=_AMOUNT_SAYS, default=None)
    final: bool = ruled(
        Flag(),
        says="Nothing more is to be captured: the provider releases the rest.",
        default=False,
    )


@frozen
class FulfillOrder(_Checked):
    """A request to let goods leave."""

    lines: tuple[Pieces, ...] | list[Pieces] = ruled(
        ListOf(Pieces, 0, LINES_MAX), says="Which pieces; left out: all that are left.", default=()
    )
    carrier: str | None = ruled(Text(example="DHL"), says="Who carries them.", default=None)
    tracking_number: str | None = ruled(
        Text(example="00340434161094022115"), says="The carrier's number.", default=None
    )
    tracking_url: str | None = ruled(
        Text(
            2_000,
            pattern="https?://[!-~]+",
            says="must be a URL that begins with https://",
            example="https://carrier.example/00340434161094022115",
        ),
        says="Where the parcel can be followed.",
        default=None,
    )

    @property
    def tracking(self) -> Tracking | None:
        """Where the parcel is; ``None``: nobody said."""
        if self.carrier is self.tracking_number is self.tracking_url is None:
            return None
        return Tracking(self.carrier, self.tracking_number, self.tracking_url)


@frozen
class DeliverGoods(_Checked):
    """A request to record that a fulfillment has arrived."""


@frozen
class CompleteOrder(_Checked):
    """A request to close an order that was delivered."""


@frozen
class RequestReturn(_Checked):
    """A request to send goods back."""

    lines: tuple[Pieces, ...] | list[Pieces] = ruled(
        ListOf(Pieces, 0, LINES_MAX),
        says="Which pieces; left out: all that were delivered.",
        default=(),
    )
    reason: str | None = ruled(_NOTE, says="Why, in the customer's words.", default=None)


@frozen
class DecideReturn(_Checked):
    """A request to approve or reject a return."""

    note: str | None = ruled(_NOTE, says="Why, for the timeline.", default=None)


@frozen
class PiecesReceived(_Checked):
    """Some pieces of one line that came back."""

    line: int = ruled(_LINE, says="The line's number in the order.")
    quantity: int = ruled(_QUANTITY, says="How many pieces.")
    condition: Condition | str = ruled(
        OneOf(Condition), says="In which condition.", default=Condition.NEW
    )
    restock: bool = ruled(Flag(), says="They go back into the stock they came from.", default=True)


@frozen
class ReceiveReturn(_Checked):
    """A request to book goods that came back."""

    lines: tuple[PiecesReceived, ...] | list[PiecesReceived] = ruled(
        ListOf(PiecesReceived, 0, LINES_MAX),
        says="What came back; left out: all that is outstanding, as new, and back into stock.",
        default=(),
    )

    @property
    def received(self) -> tuple[ReceivedLine, ...]:
        """The lines as the order keeps them."""
        return tuple(
            ReceivedLine(one.line, one.quantity, Condition(one.condition), one.restock)
            for one in self.lines
        )


@frozen
class RefundPayment:
    """A request to give captured money back: an amount, the share of some pieces, or all."""

    amount: str | int | Decimal | None = ruled(Amount(), says=_AMOUNT_SAYS, default=None)
    lines: tuple[Pieces, ...] | list[Pieces] = ruled(
        ListOf(Pieces, 0, LINES_MAX),
        says="For which pieces: their share of the order's total. Not together with an amount.",
        default=(),
    )
    reason: str | None = ruled(_NOTE, says="Why, for the timeline.", default=None)

    def __attrs_post_init__(self) -> None:
        """Check every field, and that it is one way or the other."""
        mistakes = check(self)
        if self.amount is not None and self.lines:
            mistakes.append(Mistake("/amount", "cannot be combined with lines; send one of them"))
        require(mistakes)


def quantities(lines: tuple[Pieces, ...] | list[Pieces]) -> tuple[LineQuantity, ...]:
    """Return the pieces as the order counts them."""
    return tuple(LineQuantity(one.line, one.quantity) for one in lines)
