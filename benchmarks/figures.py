"""A goal, and the figure that was measured for it."""

from __future__ import annotations

from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROUNDS_MIN: Final = 5
"""Fewer rounds show that a benchmark works, not how fast anything is."""


class Bound(StrEnum):
    """On which side of the goal is good."""

    AT_LEAST = "≥"
    AT_MOST = "≤"

    def holds(self, value: float, limit: float) -> bool:
        """Tell whether *value* is on the good side of *limit*."""
        return value >= limit if self is Bound.AT_LEAST else value <= limit


class Verdict(StrEnum):
    """How far a figure got."""

    AIMED = "reaches the aim"
    PASSED = "pass"
    SHORT = "short"


@frozen
class Goal:
    """What one figure should be; ``aim`` is what it would be if all went well.

    A figure without ``unit`` is a ratio: ours to the base.
    """

    number: str
    what: str
    bound: Bound
    goal: float
    aim: float
    unit: str = ""

    @property
    def text(self) -> str:
        """Goal and aim as they are printed."""
        return f"goal {self.bound} {written(self.goal)}, aim {self.bound} {written(self.aim)}"


@frozen
class Side:
    """What was measured, round by round, of ours or of its base."""

    name: str
    values: tuple[float, ...]
    unit: str

    def __str__(self) -> str:
        return f"{self.name} {written(median(self.values))} {self.unit}"


@frozen
class Figure:
    """What was measured for a goal: one value a round."""

    goal: Goal
    values: tuple[float, ...]
    sides: tuple[Side, ...] = ()
    remarks: tuple[str, ...] = ()

    @classmethod
    def ratio(cls, goal: Goal, ours: Side, base: Side, *remarks: str) -> Figure:
        """Divide ours by the base, round by round: what disturbed one round disturbed both."""
        ratios = tuple(o / b for o, b in zip(ours.values, base.values, strict=True))
        return cls(goal, ratios, (ours, base), remarks)

    @classmethod
    def absolute(cls, goal: Goal, values: Sequence[float], *remarks: str) -> Figure:
        """Take what has a unit of its own and needs no base."""
        return cls(goal, tuple(values), (), remarks)

    @property
    def median(self) -> float:
        """The figure: the median of all rounds."""
        return median(self.values)

    @property
    def verdict(self) -> Verdict:
        """Whether the figure reaches its aim, its goal or neither."""
        if self.goal.bound.holds(self.median, self.goal.aim):
            return Verdict.AIMED
        if self.goal.bound.holds(self.median, self.goal.goal):
            return Verdict.PASSED
        return Verdict.SHORT

    @property
    def spread(self) -> str:
        """The lowest and the highest round."""
        return f"{written(min(self.values))} to {written(max(self.values))}"

    def lines(self) -> list[str]:
        """Write the figure for a terminal."""
        rounds = len(self.values)
        unit = f" {self.goal.unit}" if self.goal.unit else ""
        found = [
            f"{self.goal.number}  {self.goal.what}",
            f"     {written(self.median)}{unit}: {self.verdict} ({self.goal.text})",
            f"     median of {rounds} rounds, {self.spread}"
            + ("" if rounds >= ROUNDS_MIN else f"; fewer than {ROUNDS_MIN} rounds prove nothing"),
        ]
        if self.sides:
            found.append("     " + "; ".join(map(str, self.sides)))
        return found + [f"     {remark}" for remark in self.remarks]

    def to_document(self) -> dict[str, Any]:
        """Return the figure as JSON values."""
        return {
            "number": self.goal.number,
            "what": self.goal.what,
            "bound": self.goal.bound.value,
            "goal": self.goal.goal,
            "aim": self.goal.aim,
            "unit": self.goal.unit,
            "values": list(self.values),
            "sides": [
                {"name": side.name, "values": list(side.values), "unit": side.unit}
                for side in self.sides
            ],
            "remarks": list(self.remarks),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Figure:
        """Read back what ``to_document`` made."""
        goal = Goal(
            document["number"],
            document["what"],
            Bound(document["bound"]),
            document["goal"],
            document["aim"],
            document["unit"],
        )
        sides = tuple(
            Side(side["name"], tuple(side["values"]), side["unit"]) for side in document["sides"]
        )
        return cls(goal, tuple(document["values"]), sides, tuple(document["remarks"]))


def written(value: float) -> str:
    """Write a number as precisely as a measurement deserves: three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"
