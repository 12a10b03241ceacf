"""The adapter, installed and named in a configuration, holds the money of an order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oms_core import AdjustStock, NewLineItem, OrderStatus, PlaceOrder
from oms_core.ports.clock import SystemClock
from oms_entrypoints.bootstrap import open_system
from oms_entrypoints.config import load_config
from tests.examples.harbour_bank.double import API_KEY, HarbourBank
from tests.support.command_line import ARMCHAIR, SCOPE

POINT = "harbour = tests.examples.harbour_bank.payments:make_provider"


@pytest.fixture
def bank() -> Iterator[HarbourBank]:
    made = HarbourBank(SystemClock())
    yield made
    made.close()


def test_an_order_is_paid_at_the_bank(
    bank: HarbourBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "site" / "harbour_bank_oms-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: harbour\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[oms_core.payment_providers]\n{POINT}\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    file = tmp_path / "oms.toml"
    file.write_text(
        f"""
        [storage]
        kind = "memory"
        [payments.bank]
        adapter = "harbour"
        base_url = "{bank.url}"
        api_key = "env:HARBOUR_KEY"
        capture = "confirmation"
        """
    )
    reference = bank.create(1_999, "USD")

    with open_system(load_config(str(file), {"HARBOUR_KEY": API_KEY})) as oms:
        oms.adjust_stock(
            SCOPE, AdjustStock(ARMCHAIR, 1, "delivery"), idempotency_key="delivery", actor="clerk"
        )
        request = PlaceOrder("first", "bank", reference, "web", [NewLineItem(ARMCHAIR, 1, "19.99")])
        order_id = oms.place_order(SCOPE, request).order_id
        oms.run_until_idle()
        order = oms.get_order(SCOPE, order_id)

    assert order.status is OrderStatus.CONFIRMED
    assert order.payment.captured.minor == 1_999
    assert bank.payments[reference]["order"] == str(order.id)
    assert bank.payments[reference]["taken"] == 1_999
