"""The server fails every command that the adapters send, before and after its effect.

Which commands those are is seen on the wire, not listed by hand: each is failed when it is
first sent, and at the end the commands that failed are the commands that were sent.
"""

from __future__ import annotations

import threading
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import frozen

from oms_adapters.mongodb import MongoDatabase
from tests.support import mongo_server
from tests.support.lossy_wire import LossyWire
from tests.support.mongo_lives import (
    Facts,
    a_life_of_money,
    a_life_of_notifications,
    a_life_of_orders,
    a_life_of_stock,
    make_collections,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

Command = dict[str, Any]

LATE_MS: Final = 150
"""Longer than the clients of the wire wait: the effect comes when it was repeated already."""


def shape_of(command: Command) -> str:
    """Tell commands apart by what they do: by everything but the values."""
    parts = {key: command[key] for key in _SHAPING if key in command}
    return f"{next(iter(command))} {command[next(iter(command))]} {_fields(parts)}"


def target_of(command: Command) -> str:
    """Tell commands apart by their kind and collection; all collections are made alike."""
    kind = next(iter(command))
    return kind if kind in _MAKING else f"{kind} {command[kind]}"


_MAKING: Final = frozenset({"create", "createIndexes", "listIndexes"})
_SHAPING: Final = ("filter", "updates", "pipeline", "sort", "hint", "startTransaction")


def _fields(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + " ".join(f"{key}{_fields(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        # However many there are, they are alike.
        return "[" + " ".join(sorted({_fields(each) for each in value})) + "]"
    return ""


@frozen
class Fault:
    """What the server does to a command that it sees for the first time.

    Twice, as a rule: the driver repeats a command itself, but only once; the second failure is
    for us. Where a failure takes the driver half a second, commands are told apart less finely.
    """

    data: Command
    times: int = 2
    takes_long: bool = False

    def name_of(self, command: Command) -> str:
        """Name what is failed once: a command like this one."""
        return target_of(command) if self.takes_long else shape_of(command)


FAULTS: Final = {
    "before it, the connection is closed": Fault(
        {"closeConnection": True}, times=1, takes_long=True
    ),
    "before it, the primary steps down": Fault(
        {"errorCode": 189, "errorLabels": ["RetryableWriteError"]}
    ),
    "after it, no majority answers in time": Fault(
        {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}
    ),
    "after it, the majority cannot be reached": Fault(
        {
            "writeConcernError": {"code": 89, "errmsg": "network timeout"},
            "errorLabels": ["RetryableWriteError"],
        }
    ),
    "after everybody gave it up": Fault(
        {"blockConnection": True, "blockTimeMS": LATE_MS}, takes_long=True
    ),
}
LIVES: Final = (
    make_collections,
    a_life_of_orders,
    a_life_of_stock,
    a_life_of_money,
    a_life_of_notifications,
)
OPENING: Final = {"find", "listIndexes", "update"}
KINDS: Final[dict[Callable[[MongoDatabase], Facts], set[str]]] = {
    make_collections: {"create", "createIndexes", "listCollections", *OPENING},
    a_life_of_orders: {"aggregate", "commitTransaction", "insert", *OPENING},
    a_life_of_stock: {"commitTransaction", "insert", *OPENING},
    a_life_of_money: {"insert", *OPENING},
    a_life_of_notifications: {"aggregate", "commitTransaction", "insert", *OPENING},
}
"""The kinds of commands of each life, those of opening the database among them."""


class Saboteur:
    """Lets the server fail each different command of one wire when it is first sent."""

    def __init__(self, fault: Fault, *, spares: Collection[str] = ()) -> None:
        self._fault = fault
        self._spares = spares
        self._admin = mongo_server.client().admin
        self._lock = threading.Lock()
        self._armed: str | None = None
        self._fired_before = self._fired()
        self.seen: set[str] = set()
        self.failed: set[str] = set()

    def strike(self, command: Command) -> None:
        """Arm the server if *command* is a new one that this fault can meet."""
        kind, name = next(iter(command)), self._fault.name_of(command)
        if target_of(command) in self._spares:
            return
        # What stands inside a transaction waits for no majority; its commit does.
        if "writeConcernError" in self._fault.data and "writeConcern" not in command:
            return
        with self._lock:
            if name in self.seen:
                return
            self.seen.add(name)
            self.disarm()
            self._armed = name
            data = {"failCommands": [kind], "appName": "oms", **self._fault.data}
            mode = {"times": self._fault.times}
            self._admin.command("configureFailPoint", "failCommand", mode=mode, data=data)

    def disarm(self) -> None:
        """End the fault; note whether it met the command that it was meant for."""
        fired = self._fired()
        if self._armed is not None and fired > self._fired_before:
            self.failed.add(self._armed)
        self._armed, self._fired_before = None, fired

    def _fired(self) -> int:
        answer = self._admin.command("configureFailPoint", "failCommand", mode="off")
        return int(answer["count"])


@pytest.fixture
def place() -> Iterator[str]:
    """Name a database that is empty when the life begins."""
    name = mongo_server.new_name()
    yield name
    mongo_server.client().drop_database(name)


def lived(life: Callable[[MongoDatabase], Facts], name: str, wire: LossyWire) -> Facts:
    with MongoDatabase(wire.uri, name) as database:
        return life(database)


@pytest.mark.parametrize(("life", "fault"), list(product(LIVES, FAULTS)))
def test_every_command_may_fail_before_or_after_its_effect(
    place: str, life: Callable[[MongoDatabase], Facts], fault: str
) -> None:
    with mongo_server.new_database() as whole:
        make_collections(whole)
        expected = life(whole)
    spares: set[str] = set()
    if life is not make_collections:
        with LossyWire(mongo_server.uri()) as wire:
            lived(make_collections, place, wire)
            # Opening the database has a life of its own.
            spares = {target_of(command) for command in wire.sent}
    saboteur = Saboteur(FAULTS[fault], spares=spares)

    with LossyWire(mongo_server.uri(), before=saboteur.strike, patience_ms=200) as wire:
        facts = lived(life, place, wire)
    saboteur.disarm()

    assert facts == expected
    assert saboteur.failed == saboteur.seen != set()
    assert {next(iter(command)) for command in wire.sent} == KINDS[life]
