"""One ``oms serve`` takes orders, another keeps the stock: killed in between, nothing is lost."""

import signal
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from oms_adapters.auth.jwt import mint_token
from oms_core import OrderManagement, OrderQuery, OrderStatus, PlaceOrder
from oms_core.application.request_reader import read
from oms_core.domain.inventory import StockItem, StockLevel, StockMovement
from oms_core.ports.authentication import Principal, Role
from oms_core.ports.clock import SystemClock
from oms_entrypoints.bootstrap import open_system
from oms_entrypoints.cli.api_client import ORDERS, ApiClient
from oms_entrypoints.config import load_config
from tests.support.command_line import ARMCHAIR, SCOPE, free_port, started, wait_until_ready

SECRET = "an-unmistakable-signing-secret-of-48-bytes-or-so"
ORDERS_EACH = 12
THREADS = 4
ROUNDS = 3
STOCK = 40
SETTLE_S = 60.0


def the_shop(stock_port: int) -> str:
    return f"""
[storage]
path = "shop.db"

[auth.keys.shop]
secret = "env:SHOP_SECRET"

[inventory]
kind = "http"
url = "http://127.0.0.1:{stock_port}"
signing_secret = "env:STOCK_SECRET"
timeout_s = 2

[saga]
attempts_max = 1000
retry_first_s = 0.05
retry_cap_s = 0.2
"""


WAREHOUSE = """
[storage]
path = "warehouse.db"

[auth.keys.shops]
secret = "env:STOCK_SECRET"
"""
SECRETS = {"SHOP_SECRET": SECRET, "STOCK_SECRET": SECRET[::-1]}


def opened(folder: Path, name: str) -> OrderManagement:
    return open_system(load_config(str(folder / name), SECRETS))


def a_client(port: int) -> ApiClient:
    principal = Principal("pat", SCOPE, Role.EDITOR)
    now = SystemClock().now()
    token = mint_token(SECRET.encode(), principal, now=now, lifetime_s=600)
    return ApiClient(f"http://127.0.0.1:{port}", token, SCOPE)


def a_request(key: str) -> dict[str, object]:
    return {
        "idempotency_key": key,
        "payment_provider": "simulated",
        "payment_reference": f"card_{key}",
        "channel": "web",
        "line_items": [{"sku": ARMCHAIR, "quantity": 1, "unit_price": "129.90"}],
    }


def test_a_stock_server_that_is_killed_loses_no_order_and_sells_nothing_twice(
    tmp_path: Path,
) -> None:
    """48 orders for 40 armchairs; the stock server dies twice in the middle of them."""
    shop_port, stock_port = free_port(), free_port()
    (tmp_path / "shop.toml").write_text(the_shop(stock_port))
    (tmp_path / "warehouse.toml").write_text(WAREHOUSE)
    warehouse = ("serve", "--no-workers", "--config", "warehouse.toml", "--port", str(stock_port))
    shop = ("serve", "--config", "shop.toml", "--port", str(shop_port))
    accepted: list[str] = []
    turn = threading.Barrier(THREADS + 1, timeout=SETTLE_S)

    def buy(customer: int) -> None:
        api = a_client(shop_port)
        for number in range(ORDERS_EACH):
            if number % (ORDERS_EACH // ROUNDS) == 0:
                turn.wait()
            answer = api.post(ORDERS, a_request(f"{customer}-{number}"))
            assert answer.status == 201, answer
            accepted.append(f"{customer}-{number}")
        turn.wait()

    with ExitStack() as processes:
        stock = _start(processes, tmp_path, warehouse, stock_port)
        _start(processes, tmp_path, shop, shop_port)
        with opened(tmp_path, "shop.toml") as beside:  # the command's way, through the service
            beside.inventory.adjust(SCOPE, _delivery())
        customers = [threading.Thread(target=buy, args=(n,)) for n in range(THREADS)]
        for customer in customers:
            customer.start()
        turn.wait()  # the first round is placed
        turn.wait()  # the second begins, and the stock server dies while it is placed
        _kill(stock)
        assert a_client(shop_port).get("/readyz").status == 200
        turn.wait()  # the third begins without a stock server
        _wait_until_one_met_trouble(tmp_path)
        stock = _start(processes, tmp_path, warehouse, stock_port)
        _kill(stock)  # while it is asked for everything at once
        _start(processes, tmp_path, warehouse, stock_port)
        turn.wait()
        for customer in customers:
            customer.join(SETTLE_S)
        statuses = _settled(tmp_path)

    assert len(accepted) == THREADS * ORDERS_EACH
    assert sorted(statuses) == sorted(accepted)
    confirmed = [key for key, status in statuses.items() if status is OrderStatus.CONFIRMED]
    assert len(confirmed) == STOCK
    assert set(statuses.values()) == {OrderStatus.CONFIRMED, OrderStatus.FAILED}
    with opened(tmp_path, "warehouse.toml") as beside:
        (level,) = beside.stock_levels(SCOPE).levels
    assert level == StockLevel(StockItem(ARMCHAIR), on_hand=STOCK, reserved=STOCK)


def test_orders_wait_for_a_person_while_the_stock_server_refuses_our_token(
    tmp_path: Path,
) -> None:
    """Credentials that went out of date must not fail orders that could be filled."""
    stock_port = free_port()
    (tmp_path / "shop.toml").write_text(the_shop(stock_port))
    (tmp_path / "warehouse.toml").write_text(WAREHOUSE)
    warehouse = ("serve", "--no-workers", "--config", "warehouse.toml", "--port", str(stock_port))
    outdated = {**SECRETS, "STOCK_SECRET": "an-outdated-signing-secret-of-40-bytes-or"}

    with ExitStack() as processes:
        _start(processes, tmp_path, warehouse, stock_port)
        with opened(tmp_path, "shop.toml") as beside:
            beside.inventory.adjust(SCOPE, _delivery())
        with open_system(load_config(str(tmp_path / "shop.toml"), outdated)) as wrong:
            order_id = wrong.place_order(SCOPE, read(PlaceOrder, a_request("a"))).order_id
            wrong.run_until_idle()
            parked = wrong.get_order(SCOPE, order_id)
        with opened(tmp_path, "shop.toml") as right:
            right.retry_saga(SCOPE, order_id, reason="new secret", actor="pat")
            right.run_until_idle()
            ended = right.get_order(SCOPE, order_id)

    assert parked.status is OrderStatus.PENDING_PAYMENT
    assert parked.saga.attention is not None
    assert parked.saga.attention.code == "inventory_unusable"
    assert "inventory.signing_secret" in parked.saga.attention.message
    assert ended.status is OrderStatus.CONFIRMED


def _start(
    processes: ExitStack, folder: Path, arguments: tuple[str, ...], port: int
) -> subprocess.Popen[str]:
    process = processes.enter_context(
        started(folder, *arguments, OMS__LOG__LEVEL="error", **SECRETS)
    )
    wait_until_ready(process, port)
    return process


def _kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(10)


def _wait_until_one_met_trouble(folder: Path) -> None:
    """Wait until an order has asked for stock in vain: else nothing would have been tried."""
    ends_at = time.monotonic() + SETTLE_S
    with opened(folder, "shop.toml") as beside:
        while time.monotonic() < ends_at:
            orders = beside.list_orders(SCOPE, OrderQuery(limit=100)).orders
            if any(order.saga.troubles_at("reserve_inventory", "run") for order in orders):
                return
            time.sleep(0.02)
    raise AssertionError("no order noticed that the stock server was gone")


def _delivery() -> StockMovement:
    item = StockItem(ARMCHAIR)
    return StockMovement("delivery", item, STOCK, "delivery", SystemClock().now(), "pat")


def _settled(folder: Path) -> dict[str, OrderStatus]:
    """Wait until every order has ended; returns their statuses by their keys."""
    with opened(folder, "shop.toml") as beside:
        orders = beside.list_orders(SCOPE, OrderQuery(limit=100)).orders
        ended = [beside.wait_for(SCOPE, order.id, timeout_s=SETTLE_S) for order in orders]
    return {order.idempotency_key: order.status for order in ended}
