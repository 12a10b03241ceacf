"""``oms demo``: the whole way of several orders, on a store that is thrown away."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import click

from oms_entrypoints.cli.demo_orders import DEMO_ORDERS, SCOPE, STOCK, DemoOrder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from rich.console import Console, RenderableType

    from oms_entrypoints.cli.api_client import ApiClient
    from oms_entrypoints.config import Config

PATIENCE_S: Final = 60.0
POLL_S: Final = 0.03
TOKEN_LIFETIME_S: Final = 7 * 86_400.0


@click.command(short_help="Watch a few orders go their way, on a throw-away store.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Default: any free port.")
@click.option("--exit", "ends", is_flag=True, help="End after the orders instead of serving on.")
@click.pass_context
def demo(ctx: click.Context, port: int, ends: bool) -> None:
    """Watch orders go their way: plain, retried, out of stock, declined, answer lost.

    Starts a server with a store of its own that is thrown away at the end, receives stock, places
    the orders over HTTP, and goes on serving until Ctrl-C. Reads no configuration.

    With --exit the exit code is 0 only if every order ended as it must.
    """
    from oms_entrypoints.cli.display import console

    out = console()
    with TemporaryDirectory(prefix="oms-demo-") as folder, _serving(Path(folder), port) as at:
        config, client = at
        demonstration = _Demonstration(config, client, out)
        good = demonstration.run()
        demonstration.show_curl(serves_on=not ends)
        if not ends:
            _serve_on(out, client)
    if ends and not good:
        ctx.exit(1)


@contextmanager
def _serving(folder: Path, port: int) -> Iterator[tuple[Config, ApiClient]]:
    """Run server and workers for the length of a ``with`` block."""
    from oms_core.ports.authentication import Principal, Role
    from oms_entrypoints import bootstrap
    from oms_entrypoints.cli.api_client import ApiClient
    from oms_entrypoints.config import Config, LogSection, ServerSection, StorageSection
    from oms_entrypoints.http.server import serve
    from oms_entrypoints.logs import configure_logs
    from oms_entrypoints.server import application, http_settings

    config = Config(
        server=ServerSection(port=port),
        storage=StorageSection(path=folder / "oms.db"),
        log=LogSection(level="error"),
    )
    configure_logs(config.log.level, "text")
    signal.signal(signal.SIGTERM, _interrupt)
    with bootstrap.open_system(config) as oms:
        server = serve(application(config, oms), http_settings(config))
        try:
            oms.start()
            token = bootstrap.mint_token(
                config, Principal("demo", SCOPE, Role.EDITOR), lifetime_s=TOKEN_LIFETIME_S
            )
            yield config, ApiClient(server.url, token, SCOPE)
        finally:
            server.stop()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Let SIGTERM end the demonstration as Ctrl-C does: the store is removed."""
    raise KeyboardInterrupt


def _serve_on(out: Console, client: ApiClient) -> None:
    out.print(f"\nServing at {client.url} until Ctrl-C; read the API at {client.url}/docs")
    try:
        while True:
            time.sleep(3_600)
    except KeyboardInterrupt:
        out.print("\nStopped; the store is removed.")


class _Demonstration:
    """Places the orders and shows what becomes of each."""

    def __init__(self, config: Config, client: ApiClient, out: Console) -> None:
        self._config = config
        self._client = client
        self._out = out
        self._first_order: str | None = None

    def run(self) -> bool:
        """Show everything; tells whether every order ended as it must."""
        self._out.print(f"The server answers at {self._client.url}.")
        self._out.print(f"Its store is temporary: {self._config.storage.path}", soft_wrap=True)
        self._receive_stock()
        good = [self._place(number, order) for number, order in enumerate(DEMO_ORDERS, 1)]
        self._title("What is in stock now")
        self._show_stock()
        self._title("What the payment provider's own books say")
        charged_once = self._audit()
        self._out.print()
        if all(good) and charged_once:
            self._out.print(f"All {len(good)} orders ended as they must.", style="bold green")
        elif charged_once:
            self._out.print(
                f"Only {sum(good)} of {len(good)} orders ended as they must.", style="bold red"
            )
        else:
            self._out.print("The provider holds other money than it must.", style="bold red")
        return all(good) and charged_once

    def show_curl(self, *, serves_on: bool) -> None:
        """Print commands that can be pasted as they are."""
        from oms_entrypoints.cli.api_client import ORDERS
        from oms_entrypoints.cli.curl import curl_get, curl_post

        url, token = self._client.url, self._client.token
        mine = DemoOrder("", "", reference="card_mine", name="mine").request
        first = f"{url}{ORDERS}/{self._first_order}"
        self._title("Paste these into another terminal" if serves_on else "The same with curl")
        for comment, command in (
            (
                "Place an order. Paste it twice, and it is still one order.",
                curl_post(url + ORDERS, mine, token=token, scope=SCOPE),
            ),
            ("Read the first order's timeline.", curl_get(first, token=token, scope=SCOPE)),
            ("List all orders.", curl_get(url + ORDERS, token=token, scope=SCOPE)),
        ):
            self._out.print(f"\n# {comment}", style="dim")
            # Folded by the terminal, not by us: so it stays one command when it is copied.
            self._out.print(command, soft_wrap=True)

    # -- steps ---------------------------------------------------------------------------

    def _receive_stock(self) -> None:
        from oms_entrypoints.cli.api_client import ADJUST

        self._title("Stock is received")
        for sku, pieces in STOCK.items():
            body = {"sku": sku, "quantity_delta": pieces, "reason": "delivery 4711"}
            answer = self._client.post(
                ADJUST, body, headers={"Idempotency-Key": f"delivery-4711-{sku}"}
            )
            self._say(f"POST {ADJUST}  {pieces} {sku}  → {answer.status}")

    def _place(self, number: int, order: DemoOrder) -> bool:
        from oms_entrypoints.cli.api_client import ORDERS

        self._title(f"{number}. {order.title}", order.explains)
        answers = [self._client.post(ORDERS, order.request) for _ in range(order.times)]
        for answer in answers:
            replayed = answer.headers.get("Idempotent-Replayed") == "true"
            same = "  Idempotent-Replayed: true" if replayed else ""
            self._say(f"POST {ORDERS}  → {answer.status}{same}")
        ids = {answer.document.get("order_id") for answer in answers}
        order_id = answers[0].document.get("order_id")
        if len(ids) != 1 or order_id is None:
            self._say(f"expected one order, got {answers[0].document}")
            return False
        self._first_order = self._first_order or order_id
        self._say(f"Order {order_id}")
        ended = self._follow(order_id)
        failure = (ended["failure"] or {}).get("code")
        good: bool = (ended["status"], failure) == (order.becomes, order.because)
        if not good:
            self._say(f"expected {order.becomes} {order.because or ''}")
        return good

    def _follow(self, order_id: str) -> dict[str, Any]:
        """Show the timeline as it grows, until the order has ended."""
        from oms_entrypoints.cli.api_client import ORDERS
        from oms_entrypoints.cli.timeline import timeline

        path, etag, seen, shown = f"{ORDERS}/{order_id}", None, 0, {}
        ends_at = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends_at:
            answer = self._client.get(path, etag=etag)
            if answer.status == 200:  # noqa: PLR2004 - otherwise 304: nothing is new
                shown, etag = answer.document, answer.headers["ETag"]
                news = shown["timeline"][seen:]
                if news:
                    self._print(timeline(shown, news))
                seen += len(news)
                if shown["saga"]["phase"] in {"completed", "compensated"}:
                    break
            time.sleep(POLL_S)
        for step in shown["saga"]["steps"]:
            if step["error"]:
                self._say(f"{step['step']} took {step['attempts']} attempts: {step['error']}")
        return shown

    def _show_stock(self) -> None:
        from oms_entrypoints.cli.api_client import LEVELS
        from oms_entrypoints.cli.display import table

        numbers = ("on hand", "reserved", "available")
        rows = table("sku", *numbers, numbers=numbers)
        for level in self._client.get(LEVELS).document["levels"]:
            counts = (str(level[name]) for name in ("on_hand", "reserved", "available"))
            rows.add_row(level["sku"], *counts)
        self._print(rows)

    def _audit(self) -> bool:
        """Show what the provider holds, and tell whether it is what the orders say."""
        from oms_entrypoints.bootstrap import audit_simulated
        from oms_entrypoints.cli.simulated import audit_table

        books = audit_simulated(self._config, "simulated")
        self._print(audit_table(books))
        held = {str(row["reference"]): row["live_authorizations"] for row in books}
        return all(
            held.get(order.request["payment_reference"], 0) == order.holds for order in DEMO_ORDERS
        )

    # -- looks ---------------------------------------------------------------------------

    def _title(self, title: str, explains: str = "") -> None:
        self._out.print()
        self._out.print(title, style="bold")
        if explains:
            self._print_dim(explains)

    def _print_dim(self, text: str) -> None:
        from rich.padding import Padding
        from rich.text import Text

        self._out.print(Padding(Text(text, style="dim"), (0, 0, 0, 3), expand=False))

    def _say(self, text: str) -> None:
        from rich.text import Text

        self._print(Text(text))

    def _print(self, what: RenderableType) -> None:
        from rich.padding import Padding

        self._out.print(Padding(what, (0, 0, 0, 3), expand=False))
