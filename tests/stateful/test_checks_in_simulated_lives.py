"""Crashes, zombies and lost answers make no finding; what is found at the end can be healed."""

from collections import Counter

import pytest

from oms_core.application.doctor import Patience
from oms_core.application.reconciliation import Verdict
from oms_core.ports.payments import PaymentRef
from tests.stateful.simulation.invariants import Invariants
from tests.stateful.test_whole_system import Life

FOR_EVER_S = 1e9
ENDLESS = Patience(FOR_EVER_S, FOR_EVER_S, FOR_EVER_S, FOR_EVER_S, FOR_EVER_S)
"""How late something may be is not the question here."""
SEEDS = 8


class Examined(Invariants):
    """At every moment of a life the doctor finds nothing."""

    examinations = 0

    def check(self) -> None:
        """Have the store examined, in the middle of whatever is under way."""
        super().check()
        self.examinations += 1
        assert list(self.world.oms.doctor(ENDLESS).examine()) == []


@pytest.mark.parametrize("seed", range(1_000, 1_000 + SEEDS))
def test_nothing_is_found_at_any_moment_of_a_life_full_of_faults(seed: int) -> None:
    life = Life(seed, orders=12)
    life.watch = examined = Examined(life.world)

    life.live(deeds=120)

    assert examined.examinations > 100


def test_what_providers_say_after_lives_full_of_faults_is_agreed_on_in_the_end() -> None:
    verdicts = Counter[Verdict]()

    for seed in range(2_000, 2_000 + SEEDS):
        life = Life(seed, orders=12)
        life.live(deeds=120)
        world = life.world
        world.clock.advance(600)
        fixed = list(world.oms.reconciler().run(fix=True))
        world.oms.run_until_idle()
        again = list(world.oms.reconciler().run())

        verdicts.update(one.verdict for one in (*fixed, *again))
        assert [one for one in again if not one.verdict.is_good] == []
        for order in world.orders():
            if order.status.is_dead:
                ref = PaymentRef(order.scope.tenant_id, order.payment.reference)
                rows = [r for r in world.payments.audit() if r.order_id == order.id]
                assert [r for r in rows if r.live_authorizations] == [], ref

    assert verdicts[Verdict.AGREES] > 60
