"""How long the key of an external call is good for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from oms_core.domain.saga_position import SagaPhase
from oms_core.errors import OutcomeUnknown
from oms_core.ports.payments import OperationStatus

if TYPE_CHECKING:
    from oms_core.application.saga import Work
    from oms_core.ports.payments import OperationResult

FRESH_PART_OF_TTL: Final = 0.8
"""A key this near to being forgotten by the provider is not relied on any more."""


def key_is_used_up(work: Work, *, ttl_s: float, proof_after_s: float) -> bool:
    """Tell whether the present step's key is of no use any more.

    The provider, which remembers keys for *ttl_s* seconds, soon forgets it; or its answer was
    lost again and again (a provider may replay a stored 500 for ever) and the call is
    *proof_after_s* seconds old, so that a look-up proves whether it had an effect.
    """
    age = _age(work)
    if age is None:
        return False
    if age >= timedelta(seconds=FRESH_PART_OF_TTL * ttl_s):
        return True
    saga = work.order.saga
    action = "undo" if saga.phase is SagaPhase.COMPENSATING else "run"
    journal = saga.journal_of(saga.step or "", action)
    return (
        journal is not None
        and journal.outcome == "retrying"
        and (journal.error or "").startswith(OutcomeUnknown.code)
        and age >= timedelta(seconds=proof_after_s)
    )


def may_be_repeated(work: Work, found: OperationResult, *, ttl_s: float) -> bool:
    """Tell whether what a look-up *found* is to be sent again under its key.

    PENDING without an id of the provider's was sent and not heard of: it may never have arrived.
    Sending it again is right as long as the provider remembers the key.
    """
    age = _age(work)
    return (
        found.status is OperationStatus.PENDING
        and found.operation_ref is None
        and (age is None or age < timedelta(seconds=FRESH_PART_OF_TTL * ttl_s))
    )


def _age(work: Work) -> timedelta | None:
    """Tell how long ago the present key was first used, if that is known."""
    since = work.order.saga.generation_since
    return None if since is None else work.now - since
