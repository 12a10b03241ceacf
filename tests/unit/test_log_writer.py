"""Log lines written in the background: all of them, whole, in order, and never in the way."""

import io
import json
import os
import subprocess
import sys
import threading
from collections import defaultdict

from oms_entrypoints.log_writer import LogWriter


class Waiting(io.BytesIO):
    """A file whose reader takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = threading.Event()
        self.asked = threading.Event()

    def write(self, data: object) -> int:
        self.asked.set()
        self.taken.wait(30)
        return super().write(data)  # type: ignore[arg-type]


def test_lines_of_many_threads_arrive_whole_once_and_in_order() -> None:
    file = io.BytesIO()
    writer = LogWriter(file)

    def write(name: int) -> None:
        for number in range(1_000):
            writer.write(b"%d %d\n" % (name, number))

    threads = [threading.Thread(target=write, args=(name,)) for name in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.drain()

    by_thread = defaultdict(list)
    for line in file.getvalue().splitlines():
        name, number = line.split()
        by_thread[int(name)].append(int(number))
    assert by_thread == {name: list(range(1_000)) for name in range(16)}


def test_lines_are_written_without_being_asked_for() -> None:
    file = Waiting()
    writer = LogWriter(file)

    writer.write(b"one\n")

    assert file.asked.wait(10)
    file.taken.set()


def test_a_reader_that_takes_nothing_holds_nobody_up_and_costs_bounded_memory() -> None:
    file = Waiting()
    writer = LogWriter(file, lines_max=10)
    writer.write(b"first\n")
    assert file.asked.wait(10)

    for number in range(25):
        writer.write(b"%d\n" % number)
    file.taken.set()
    writer.drain()

    *kept, last = file.getvalue().splitlines()
    assert kept == [b"first", *(b"%d" % number for number in range(10))]
    assert json.loads(last) == {"event": "log lines dropped", "count": 15}


def test_a_log_that_nobody_reads_any_more_breaks_nothing() -> None:
    reading, writing = os.pipe()
    with open(writing, "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor has no path
        os.close(reading)
        writer = LogWriter(file)
        writer.write(b"to nobody\n")
        writer.drain()
        writer.write(b"still to nobody\n")
        writer.drain()


PROGRAM = """
import logging, os, sys
import structlog
from oms_entrypoints.logs import configure_logs

configure_logs("info", "json")
log = structlog.get_logger().bind()
for number in range(2_000):
    log.info("request", number=number)
if "fork" in sys.argv:
    child = os.fork()
    log.info("request", number=2_000 if child else 2_001)
    if child:
        os.waitpid(child, 0)
logging.getLogger("some.library").warning("the end")
"""


def lines_of(*arguments: str) -> list[dict[str, object]]:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], stderr=subprocess.PIPE, text=True, check=True
    )
    return [json.loads(line) for line in ended.stderr.splitlines()]


def test_a_process_that_ends_has_written_everything() -> None:
    *lines, last = lines_of()

    assert [line["number"] for line in lines] == list(range(2_000))
    assert (last["event"], last["logger"]) == ("the end", "some.library")


def test_a_fork_goes_on_writing_and_repeats_nothing() -> None:
    lines = lines_of("fork")

    numbers = sorted(int(str(line["number"])) for line in lines if "number" in line)
    assert numbers == list(range(2_002))
    assert sum(line["event"] == "the end" for line in lines) == 2
