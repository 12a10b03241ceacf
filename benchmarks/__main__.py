"""The command line: ``python -m benchmarks`` lists the rows, and a row's name measures it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import report
from benchmarks.machine import describe
from benchmarks.options import NotHere, Options
from benchmarks.table import ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.figures import Figure
    from benchmarks.table import Row


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what *arguments* ask for."""
    chosen = _parser().parse_args(arguments)
    if chosen.command is None:
        _list_rows()
        return 0
    if chosen.command == "report":
        report.update(chosen.results, chosen.page)
        return 0
    options = Options(
        rounds=chosen.rounds,
        seconds=chosen.seconds,
        clients=chosen.clients,
        at_once=tuple(chosen.at_once),
        orders=chosen.orders,
    )
    machine = describe()
    print(", ".join(f"{name} {what}" for name, what in machine.items()))
    figures = []
    for row in ROWS:
        if chosen.command in {row.command, "all"}:
            figures += _measured(row, options)
    if chosen.json is not None:
        document = {"machine": machine, "figures": [figure.to_document() for figure in figures]}
        chosen.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


def _measured(row: Row, options: Options) -> list[Figure]:
    try:
        figures = row.measure(options)
    except NotHere as missing:
        print(f"{row.numbers}  skipped: {missing}")
        return []
    for figure in figures:
        print("\n".join(figure.lines()), flush=True)
    return figures


def _list_rows() -> None:
    print("Each row is a ratio to a base that is taken in the same run.\n")
    for row in ROWS:
        print(f"  {row.command:13} {row.numbers:6} {row.says} (about {row.takes})")
    print(
        "\n  all                  every row, one after the other"
        "\n  report               write the table of docs/speed.md from a file of --json"
        "\n\npython -m benchmarks ROW --help shows the options. The peers are an extra:"
        " pip install -e '.[bench]'"
    )


def _parser() -> argparse.ArgumentParser:
    default = Options()
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--rounds", type=_count, default=default.rounds, help="alternated rounds")
    shared.add_argument(
        "--seconds", type=float, default=default.seconds, help="length of a round of HTTP or sagas"
    )
    shared.add_argument(
        "--clients", type=_count, default=default.clients, help="HTTP connections kept busy"
    )
    shared.add_argument(
        "--at-once",
        type=int,
        nargs="+",
        choices=default.at_once,
        default=default.at_once,
        help="sagas under way at once",
    )
    shared.add_argument(
        "--orders", type=_count, help="orders in a store or in a round, where they are counted"
    )
    shared.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="ROW")
    for row in ROWS:
        commands.add_parser(row.command, parents=[shared], help=f"{row.numbers}: {row.says}")
    commands.add_parser("all", parents=[shared], help="every row, one after the other")
    page = commands.add_parser("report", help="write the table of docs/speed.md")
    page.add_argument("results", type=Path, help="a file that --json wrote")
    page.add_argument("--page", type=Path, default=report.PAGE, help="the page with the table")
    return parser


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        message = "must be 1 or more"
        raise argparse.ArgumentTypeError(message)
    return count


if __name__ == "__main__":
    sys.exit(main())
