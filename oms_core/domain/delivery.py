"""How far a subscription's deliveries are: bounded, whatever its endpoint does.

Events are sent in the order of the feed. One that is not taken holds back the later events of
*its order*, or of its stock item, alone. Only when several attempts in a row fail, whatever they
were about, is the endpoint itself taken to be in trouble: then nothing is sent but one probe at
a time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from attrs import evolve, frozen

if TYPE_CHECKING:
    from oms_core.domain.event_envelope import EventEnvelope

FAILURES_IN_A_ROW_MAX: Final = 3
"""From so many on, the endpoint is in trouble, and not just one order's events."""
HELD_ORDERS_MAX: Final = 100
HELD_EVENTS_MAX: Final = 1_000
"""With more held back, nothing new is read: the feed keeps it."""
DEAD_LETTERS_MAX: Final = 1_000
"""With so many, the subscription stops: its endpoint refuses nearly everything."""

GONE: Final = "the endpoint answered 410 Gone: it wants no more"
FULL: Final = f"{DEAD_LETTERS_MAX} dead letters wait; see why, then replay them"


@frozen
class HeldEvents:
    """Events of one order or stock item that wait for the first of them to be taken."""

    subject_id: UUID
    positions: tuple[int, ...]
    """In the feed, rising."""
    attempts: int
    since: datetime
    due_at: datetime
    error: str


@frozen
class DeadLetter:
    """An event that was given up, until somebody replays it."""

    position: int
    event_id: UUID
    event_type: str
    order_id: UUID | None
    subject_id: UUID
    sequence: int
    attempts: int
    since: datetime
    at: datetime
    error: str


@frozen
class Failure:
    """An attempt that was not taken: when, why, and how long to wait for the next."""

    at: datetime
    error: str
    wait_s: float
    give_up_after_s: float


@frozen
class DeliveryProgress:
    """Everything that happened at or below ``position`` was taken, is held, or is dead."""

    position: int = 0
    held: tuple[HeldEvents, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    failures: int = 0
    """In a row, over all orders."""
    failing_since: datetime | None = None
    resume_at: datetime | None = None
    """Nothing is sent before."""
    stopped: str | None = None
    """Why nothing is sent until a person acts."""
    version: int = 1

    # -- what may be sent --------------------------------------------------------------------

    @property
    def is_in_trouble(self) -> bool:
        """The endpoint fails whatever is sent: one probe at a time."""
        return self.failures >= FAILURES_IN_A_ROW_MAX

    @property
    def next_held_at(self) -> datetime | None:
        """When the next held order is due; ``None``: there is none."""
        if not self.held:
            return None
        if self.is_in_trouble:
            return self.resume_at
        return min(held.due_at for held in self.held)

    @property
    def held_since(self) -> datetime | None:
        """When the first of the held events was refused first; ``None``: there is none."""
        return min((held.since for held in self.held), default=None)

    @property
    def done_up_to(self) -> int:
        """The position up to which the feed is not needed any more, dead letters aside."""
        return min((self.position, *(held.positions[0] - 1 for held in self.held)))

    @property
    def has_room(self) -> bool:
        """Whether new events may be read: each of them may have to be held."""
        events = sum(len(held.positions) for held in self.held)
        return len(self.held) < HELD_ORDERS_MAX and events < HELD_EVENTS_MAX

    def may_send(self, at: datetime) -> bool:
        """Whether anything may be sent now."""
        return self.stopped is None and (self.resume_at is None or at >= self.resume_at)

    def due(self, at: datetime) -> tuple[HeldEvents, ...]:
        """Return the held orders that are due, the longest due first; in trouble, one probe."""
        in_turn = sorted(self.held, key=lambda held: held.due_at)
        if self.is_in_trouble:
            return tuple(in_turn[:1])
        return tuple(held for held in in_turn if held.due_at <= at)

    def holding(self, subject_id: UUID) -> HeldEvents | None:
        """Return what is held of an order or stock item."""
        return next((held for held in self.held if held.subject_id == subject_id), None)

    # -- what came of it ---------------------------------------------------------------------

    def passed(self, position: int) -> DeliveryProgress:
        """Go on after *position*: nobody wants it."""
        return evolve(self, position=max(self.position, position))

    def queued(self, position: int, subject_id: UUID) -> DeliveryProgress:
        """Let a new event wait behind the earlier ones of its order or stock item."""
        held = tuple(
            evolve(one, positions=(*one.positions, position))
            if one.subject_id == subject_id
            else one
            for one in self.held
        )
        return evolve(self.passed(position), held=held)

    def taken(self, position: int, subject_id: UUID, *, at: datetime) -> DeliveryProgress:
        """Record that the endpoint took an event; what it refused before is due again soon."""
        held = []
        for one in self.held:
            left = one
            if one.subject_id == subject_id:
                rest = tuple(number for number in one.positions if number != position)
                if not rest:
                    continue
                left = evolve(one, positions=rest, attempts=0, since=at, due_at=at)
            elif self.is_in_trouble:
                left = evolve(one, due_at=min(one.due_at, at))
            held.append(left)
        return evolve(
            self.passed(position),
            held=tuple(held),
            failures=0,
            failing_since=None,
            resume_at=None,
        )

    def forgotten(self, position: int, subject_id: UUID) -> DeliveryProgress:
        """Pass over a held event that the feed does not have any more."""
        held = (
            evolve(one, positions=tuple(number for number in one.positions if number != position))
            if one.subject_id == subject_id
            else one
            for one in self.held
        )
        return evolve(self, held=tuple(one for one in held if one.positions))

    def not_taken(self, position: int, event: EventEnvelope, failure: Failure) -> DeliveryProgress:
        """Hold back its order or stock item; give the event up if it has failed for so long."""
        at, give_up_after = failure.at, timedelta(seconds=failure.give_up_after_s)
        known = self.holding(event.subject_id)
        positions = (position,) if known is None else known.positions
        since = at if known is None else known.since
        attempts = 1 if known is None else known.attempts + 1
        due_at = at + timedelta(seconds=failure.wait_s)
        dead = self.dead
        if at - since >= give_up_after:
            letter = DeadLetter(
                position,
                event.event_id,
                event.event_type,
                event.order_id,
                event.subject_id,
                event.sequence,
                attempts,
                since,
                at,
                failure.error,
            )
            dead = (*dead, letter)
            # The next event of the order is another matter: it gets the whole time.
            positions, attempts, since = positions[1:], 0, at
        held = [one for one in self.held if one.subject_id != event.subject_id]
        if positions:
            held.append(
                HeldEvents(event.subject_id, positions, attempts, since, due_at, failure.error)
            )
        failures = self.failures + 1
        failing_since = self.failing_since or at
        after = evolve(
            self.passed(position),
            held=tuple(held),
            dead=dead,
            failures=failures,
            failing_since=failing_since,
            resume_at=due_at if failures >= FAILURES_IN_A_ROW_MAX else None,
        )
        if len(dead) >= DEAD_LETTERS_MAX:
            return after.halted(FULL)
        if after.is_in_trouble and at - failing_since >= give_up_after:
            return after.halted(f"nothing was taken since {failing_since:%Y-%m-%d %H:%M} UTC")
        return after

    def halted(self, why: str) -> DeliveryProgress:
        """Send nothing until a person acts; nothing is lost, the feed goes on."""
        return evolve(self, stopped=why)

    # -- what a person does --------------------------------------------------------------------

    def resumed(self, *, at: datetime) -> DeliveryProgress:
        """Begin again where it stopped, with the whole patience."""
        held = tuple(evolve(one, attempts=0, since=at, due_at=at) for one in self.held)
        return evolve(self, held=held, failures=0, failing_since=None, resume_at=None, stopped=None)

    def replayed(
        self, event_id: UUID | None, *, at: datetime, kept_from: int = 1
    ) -> DeliveryProgress:
        """Let dead letters be sent again: one by its event's id, or all of them.

        Those below *kept_from* stay dead: the feed does not have their events any more.
        """
        chosen = [
            one
            for one in self.dead
            if one.position >= kept_from and (event_id is None or one.event_id == event_id)
        ]
        held = {one.subject_id: one for one in self.held}
        for letter in chosen:
            known = held.get(letter.subject_id)
            positions = (letter.position,) if known is None else (*known.positions, letter.position)
            held[letter.subject_id] = HeldEvents(
                letter.subject_id, tuple(sorted(positions)), 0, at, at, letter.error
            )
        kept = tuple(one for one in self.dead if one not in chosen)
        return evolve(self, held=tuple(held.values()), dead=kept)
