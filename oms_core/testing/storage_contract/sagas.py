"""A store tells operators which sagas run, wait or are stuck."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from attrs import evolve

from oms_core.domain.saga_position import (
    Attention,
    SagaPhase,
    SagaPosition,
    SagaState,
    Wait,
)
from oms_core.testing.clock import NOON
from oms_core.testing.orders import a_saga_position, a_scope, an_order, finished
from oms_core.testing.storage_contract.suite import StorageSuite

if TYPE_CHECKING:
    from oms_core.domain.order import Order

SECOND = timedelta(seconds=1)

RUNNING: Final = a_saga_position()
COMPENSATING: Final = a_saga_position(phase=SagaPhase.COMPENSATING)
WAITING: Final = a_saga_position(wait=Wait("customer_action", NOON + 600 * SECOND))
STUCK: Final = a_saga_position(due_at=None, attention=Attention("unsure", "Look at it.", NOON))
PAUSED: Final = evolve(a_saga_position(due_at=None), paused=True)
PAUSED_AT_REST: Final = evolve(
    a_saga_position(phase=SagaPhase.COMPLETED, step=None, due_at=None), paused=True
)
OVER: Final = a_saga_position(phase=SagaPhase.COMPLETED, step=None, due_at=None)

ALL_STATES: Final = tuple(SagaState)


class ListsSagas(StorageSuite):
    """``list_sagas`` and ``count_sagas``."""

    def _stored_with(self, saga: SagaPosition, key: str, tenant: str = "acme") -> Order:
        return self.stored(an_order(key, saga=saga, scope=a_scope(tenant)))

    def test_sagas_are_listed_by_their_state(self) -> None:
        running = self._stored_with(RUNNING, "running")
        compensating = self._stored_with(COMPENSATING, "compensating")
        waiting = self._stored_with(WAITING, "waiting")
        stuck = self._stored_with(STUCK, "stuck")
        paused = self._stored_with(PAUSED, "paused")
        at_rest = self._stored_with(PAUSED_AT_REST, "paused at rest")
        self._stored_with(OVER, "over")

        assert in_any_order(self.store.list_sagas([SagaState.RUNNING])) == in_any_order(
            [running, compensating]
        )
        assert list(self.store.list_sagas([SagaState.WAITING])) == [waiting]
        assert list(self.store.list_sagas([SagaState.STUCK])) == [stuck]
        assert in_any_order(self.store.list_sagas([SagaState.PAUSED])) == in_any_order(
            [paused, at_rest]
        )
        assert in_any_order(
            self.store.list_sagas([SagaState.WAITING, SagaState.STUCK])
        ) == in_any_order([waiting, stuck])
        assert list(self.store.list_sagas([])) == []

    def test_finished_sagas_are_never_listed(self) -> None:
        self._stored_with(OVER, "over")

        assert list(self.store.list_sagas([SagaState.FINISHED])) == []
        assert list(self.store.list_sagas(ALL_STATES)) == []

    def test_sagas_are_listed_oldest_first_up_to_the_limit(self) -> None:
        for seconds in (3, 1, 4, 2):
            saga = STUCK if seconds % 2 else WAITING
            self.stored(an_order(f"second-{seconds}", saga=saga, at=NOON + seconds * SECOND))

        listed = self.store.list_sagas([SagaState.WAITING, SagaState.STUCK], limit=3)

        assert [order.idempotency_key for order in listed] == ["second-1", "second-2", "second-3"]

    def test_a_scope_sees_only_its_own_sagas_and_an_operator_all(self) -> None:
        for number in range(3):
            self._stored_with(STUCK, f"theirs-{number}", "rival")
        ours = self._stored_with(STUCK, "ours", "acme")

        everywhere = self.store.list_sagas([SagaState.STUCK])
        here = self.store.list_sagas([SagaState.STUCK], scope=a_scope("acme"), limit=1)

        assert len(everywhere) == 4
        assert list(here) == [ours]
        assert list(self.store.list_sagas([SagaState.STUCK], scope=a_scope("nobody"))) == []

    def test_every_unfinished_state_is_counted_over_all_tenants(self) -> None:
        assert self.store.count_sagas() == {
            SagaState.RUNNING: 0,
            SagaState.WAITING: 0,
            SagaState.STUCK: 0,
            SagaState.PAUSED: 0,
        }

        self._stored_with(RUNNING, "running", "acme")
        self._stored_with(COMPENSATING, "compensating", "rival")
        self._stored_with(STUCK, "stuck", "rival")
        self._stored_with(PAUSED, "paused", "rival")
        self._stored_with(OVER, "over")

        assert self.store.count_sagas() == {
            SagaState.RUNNING: 2,
            SagaState.WAITING: 0,
            SagaState.STUCK: 1,
            SagaState.PAUSED: 1,
        }

    def test_lists_and_counts_follow_a_saga_as_it_moves(self) -> None:
        claim = self.stored_and_claimed(an_order(saga=RUNNING))
        waiting = evolve(claim.order, saga=WAITING)
        claim = self.store.checkpoint(waiting, claim.lease, extend_s=30)
        assert list(self.store.list_sagas([SagaState.WAITING])) == [claim.order]
        assert list(self.store.list_sagas([SagaState.RUNNING])) == []

        stuck = self.store.save(evolve(claim.order, saga=STUCK))
        assert list(self.store.list_sagas(ALL_STATES)) == [stuck]
        assert self.store.count_sagas()[SagaState.STUCK] == 1

        self.store.save(finished(evolve(stuck, saga=RUNNING)))
        assert list(self.store.list_sagas(ALL_STATES)) == []
        assert set(self.store.count_sagas().values()) == {0}


def in_any_order(orders: object) -> list[Order]:
    """Sort orders by id, to compare them whatever their order."""
    return sorted(orders, key=lambda order: order.id)  # type: ignore[call-overload,no-any-return]
