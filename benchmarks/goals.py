"""The goals: what each figure is divided by, and how far it should get."""

from __future__ import annotations

from typing import Final

from benchmarks.figures import Bound, Goal

ACCEPT_MEMORY: Final = Goal(
    "P1",
    "POST an order, in-memory store, authenticated and validated / bare Falcon POST",
    Bound.AT_LEAST,
    goal=0.80,
    aim=0.90,
)
ACCEPT_SQLITE: Final = Goal(
    "P2",
    "POST an order, durable on SQLite / bare Falcon POST",
    Bound.AT_LEAST,
    goal=0.40,
    aim=0.60,
)
ACCEPT_MONGODB: Final = Goal(
    "P3",
    "POST an order, durable on MongoDB / bare Falcon POST",
    Bound.AT_LEAST,
    goal=0.35,
    aim=0.50,
)
CONFIRM: Final = Goal(
    "P4",
    "sustained POST to confirmed, on SQLite / bare Falcon POST",
    Bound.AT_LEAST,
    goal=0.20,
    aim=0.40,
)
CONFIRMED_SHARE: Final = Goal(
    "P4",
    "share of the accepted orders that is confirmed when the load stops",
    Bound.AT_LEAST,
    goal=0.95,
    aim=0.99,
    unit="of 1",
)
GROUP_COMMIT: Final = Goal(
    "P5",
    "acknowledged durable inserts, 16 clients: group commit / one commit each",
    Bound.AT_LEAST,
    goal=1.6,
    aim=2.1,
)
FSYNC: Final = {
    at_once: Goal(
        "P6",
        f"fsync per completed order, {at_once} at once",
        Bound.AT_MOST,
        goal=goal,
        aim=aim,
        unit="fsync",
    )
    for at_once, goal, aim in ((1, 6.0, 4.0), (8, 2.5, 1.5), (32, 1.0, 0.5))
}
SAGAS: Final = {
    at_once: Goal(
        "P7",
        f"completed sagas on SQLite, {at_once} at once / DBOS Transact on SQLite in WAL mode",
        Bound.AT_LEAST,
        goal=goal,
        aim=aim,
    )
    for at_once, goal, aim in ((1, 5.0, 10.0), (8, 10.0, 25.0), (32, 15.0, 40.0))
}
SAGAS_MONGODB: Final = {
    at_once: Goal(
        "P8",
        f"completed sagas on MongoDB, {at_once} at once / DBOS Transact on SQLite in WAL mode",
        Bound.AT_LEAST,
        goal=goal,
        aim=aim,
    )
    for at_once, goal, aim in ((1, 1.2, 2.0), (8, 4.0, 7.0), (32, 5.0, 9.0))
}
SAGAS_BESIDE_COMMANDS: Final = {
    at_once: Goal(
        "M5",
        f"completed sagas on MongoDB, {at_once} at once / their commands, sent by the driver alone",
        Bound.AT_LEAST,
        goal=0.5,
        aim=0.8,
    )
    for at_once in (1, 8, 32)
}
FIRST_PAGE: Final = Goal(
    "P9",
    "time of the first page at 1 000 000 orders / at 10 000",
    Bound.AT_MOST,
    goal=1.5,
    aim=1.2,
)
DEEP_PAGE: Final = Goal(
    "P9",
    "time of a cursor page at depth 500 000 / of the first page",
    Bound.AT_MOST,
    goal=1.5,
    aim=1.2,
)
VALIDATION: Final = Goal(
    "P10",
    "time from the bytes of 100 lines to a validated order / cattrs with orjson",
    Bound.AT_MOST,
    goal=1.5,
    aim=1.0,
)
MEMORY_IDLE: Final = Goal(
    "P11",
    "memory of an idle server with HTTP and one payment provider",
    Bound.AT_MOST,
    goal=50.0,
    aim=42.0,
    unit="MB",
)
MEMORY_AFTER: Final = Goal(
    "P11",
    "memory after 100 000 orders / idle",
    Bound.AT_MOST,
    goal=1.5,
    aim=1.2,
)
PUBLISHED: Final = Goal(
    "P13",
    "events published from SQLite into the feed and to a function",
    Bound.AT_LEAST,
    goal=2_000.0,
    aim=5_000.0,
    unit="events/s",
)
DELIVERED: Final = Goal(
    "P13",
    "events delivered to one webhook endpoint, signed / bare posts of the same bodies",
    Bound.AT_LEAST,
    goal=0.40,
    aim=0.60,
)
BESIDE_A_DEAD_ENDPOINT: Final = Goal(
    "P13",
    "events delivered beside eight dead endpoints of another tenant / without them",
    Bound.AT_LEAST,
    goal=0.95,
    aim=0.99,
)
EXPORT_READ: Final = Goal(
    "P14",
    "orders exported as NDJSON from SQLite / read page by page and left alone",
    Bound.AT_LEAST,
    goal=0.5,
    aim=0.8,
)
EXPORT_PARSED: Final = Goal(
    "P14",
    "orders exported as NDJSON from SQLite / rows read in one go and parsed as JSON",
    Bound.AT_LEAST,
    goal=0.5,
    aim=0.8,
)
IMPORT: Final = Goal(
    "P14",
    "orders imported into SQLite / posted one after the other to a server on SQLite",
    Bound.AT_LEAST,
    goal=2.0,
    aim=4.0,
)
EXPORT_MEMORY: Final = Goal(
    "P14",
    "peak memory of an export / of an export of a tenth of the orders",
    Bound.AT_MOST,
    goal=1.1,
    aim=1.05,
)
IMPORTS: Final = Goal(
    "P12",
    "time to import oms_core / to import attrs and cattrs",
    Bound.AT_MOST,
    goal=1.5,
    aim=1.2,
)
FRAMEWORKS: Final = Goal(
    "P12",
    "packages besides attrs and cattrs that import oms_core brings along",
    Bound.AT_MOST,
    goal=0.0,
    aim=0.0,
    unit="packages",
)
INSERT: Final = {
    threads: Goal(
        "M1",
        f"accepting an order on MongoDB, {threads} at once / insert_one of the same document",
        Bound.AT_LEAST,
        goal=0.8,
        aim=0.95,
    )
    for threads in (1, 16)
}
HOT_SKU: Final = Goal(
    "M2",
    "reservations of one SKU on MongoDB, 32 at once / of 32 SKUs",
    Bound.AT_LEAST,
    goal=0.3,
    aim=0.6,
)
WORKERS: Final = {
    processes: Goal(
        "M3",
        f"orders driven on MongoDB by {processes} worker processes / by one",
        Bound.AT_LEAST,
        goal=goal,
        aim=aim,
    )
    for processes, goal, aim in ((2, 1.2, 1.6), (4, 1.2, 1.6))
}
FLOODED: Final = Goal(
    "M4",
    "delay of a tenant's orders while another floods / without it",
    Bound.AT_MOST,
    goal=10.0,
    aim=4.0,
)
HANGING: Final = Goal(
    "M4",
    "delay of a tenant's orders while another's provider hangs / without it",
    Bound.AT_MOST,
    goal=3.0,
    aim=1.5,
)
SLOW_PROVIDER: Final = {
    at_once: Goal(
        "P15",
        f"completed sagas, {at_once} at once, the provider taking 200 ms / calls of it alone",
        Bound.AT_LEAST,
        goal=0.8,
        aim=0.9,
    )
    for at_once in (32, 100)
}
