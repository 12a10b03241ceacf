"""What the pages list is what there is: nothing is missing, and nothing is made up."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from prometheus_client import generate_latest

from oms_adapters.storage.memory import MemoryStorage
from oms_core import Backoff, Settings
from oms_core.application.doctor import Kind
from oms_core.application.reconciliation import Verdict
from oms_core.domain.inventory import Allocation
from oms_core.domain.order_status import TRANSITIONS
from oms_entrypoints.config import load_config
from oms_entrypoints.config.payment_options import (
    AdyenOptions,
    PaypalOptions,
    SimulatedOptions,
    StripeOptions,
)
from oms_entrypoints.config.rules import Setting, TableOf, TablesOf, settings_of
from oms_entrypoints.config.sections import (
    AccountPolicy,
    AuthSection,
    Config,
    DoctorSection,
    EventsSection,
    InventorySection,
    JwtKey,
    LogSection,
    ReconcileSection,
    SagaSection,
    ServerSection,
    StaticToken,
    StorageSection,
    WebhooksSection,
    WorkerSection,
)
from oms_entrypoints.http.metrics import Metrics
from oms_entrypoints.http.openapi.operations import OPERATIONS
from oms_entrypoints.http.openapi.refusals import STATUSES_OF_ALL, WITH_A_TOKEN
from oms_entrypoints.http.problems import CODE_OF_STATUS, problem_of
from oms_entrypoints.scheduled_checks import CheckReports
from tests.support import pages

LINES_MAX = 29
"""An embedding program's first order takes less than 30 lines."""

SECTIONS = {
    "[server]": ServerSection,
    "[auth]": AuthSection,
    "[auth.keys.NAME]": JwtKey,
    "[auth.tokens.NAME]": StaticToken,
    "[storage]": StorageSection,
    "[inventory]": InventorySection,
    "[payments.NAME]` with `adapter": AccountPolicy,
    '[payments.NAME]` with `adapter = "simulated"': SimulatedOptions,
    '[payments.NAME]` with `adapter = "stripe"': StripeOptions,
    '[payments.NAME]` with `adapter = "paypal"': PaypalOptions,
    '[payments.NAME]` with `adapter = "adyen"': AdyenOptions,
    "[saga]": SagaSection,
    "[worker]": WorkerSection,
    "[events]": EventsSection,
    "[webhooks]": WebhooksSection,
    "[reconcile]": ReconcileSection,
    "[doctor]": DoctorSection,
    "[log]": LogSection,
}


def test_an_embedding_program_places_its_first_order_in_less_than_thirty_lines() -> None:
    text = pages.section(pages.read("embedding.md"), "## A whole order in less than 30 lines")

    lines = pages.blocks(text, "python")[0].splitlines()

    assert 0 < len(lines) <= LINES_MAX


def test_the_embedding_page_lists_the_cores_settings_with_their_defaults() -> None:
    text = pages.section(pages.read("embedding.md"), "## Time and settings")

    listed = {pages.code(row[0])[0]: row[1] for row in pages.rows(text)[1:]}

    assert listed
    settings = Settings()
    assert listed == {
        f"{name}.{field.name}": _core_default(getattr(part, field.name))
        for name, part in (
            ("saga", settings.saga),
            ("runner", settings.runner),
            ("worker", settings.worker),
        )
        for field in attrs.fields(type(part))
    }


def _core_default(value: object) -> str:
    match value:
        case Backoff(attempts_max, first_s, cap_s):
            return f"`Backoff({attempts_max}, {first_s:g}, {cap_s:g})`"
        case Allocation(model):
            return model.name
        case float():
            return f"{value:g}"
        case dict():
            return "`{}`"
        case _:
            return str(value)


# -- configuration ---------------------------------------------------------------------------


def test_every_section_of_the_configuration_has_a_table() -> None:
    tables = {name.partition(".")[0].strip("[]") for name in SECTIONS}

    assert tables == {setting.name for setting in settings_of(Config)}


@pytest.mark.parametrize("section", SECTIONS)
def test_the_configuration_page_lists_a_sections_settings_with_their_defaults(section: str) -> None:
    text = pages.read("configuration.md")
    start = text.index(f"\n`{section}`")
    table = text[text.index("\n| setting", start) :].partition("\n\n")[0]

    listed = {pages.code(name)[0]: default for name, default, *_ in pages.rows(table)[1:]}

    assert listed
    assert listed == {
        setting.name: _configured_default(setting)
        for setting in settings_of(SECTIONS[section])
        if not isinstance(setting.rule, TableOf | TablesOf)
    }


def _configured_default(setting: Setting) -> str:
    match setting.default:
        case _ if setting.required:
            return "required"
        case None:
            return pages.NOTHING
        case str() as text:
            return f'`"{text}"`'
        case bool() as switch:
            return f"`{str(switch).lower()}`"
        case int() | float() as number:
            return f"`{number if isinstance(number, int) else f'{number:g}'}`"
        case _:
            return '`"oms.db"`'


@pytest.mark.parametrize(
    ("page", "number"),
    [
        (page, number)
        for page in (pages.ROOT / "README.md", pages.DOCS / "configuration.md")
        for number in range(len(pages.blocks(page.read_text(encoding="utf-8"), "toml")))
    ],
)
def test_every_example_of_a_configuration_is_a_good_one(
    page: Path, number: int, tmp_path: Path
) -> None:
    example = pages.blocks(page.read_text(encoding="utf-8"), "toml")[number]
    file = tmp_path / "oms.toml"
    file.write_text(example.replace("/var/lib/oms", str(tmp_path)), encoding="utf-8")

    config = load_config(str(file), {"CARD_WEBHOOK_SECRET": "at least 24 bytes, at random"})

    assert config.payments


# -- HTTP ------------------------------------------------------------------------------------


def test_the_api_page_lists_every_call_with_its_role() -> None:
    first_table = pages.read("http-api.md").partition("\n## ")[0]

    listed = {(pages.code(call)[0], role) for call, role, _ in pages.rows(first_table)[1:]}

    assert listed
    assert listed == {(f"{o.method} {o.path}", o.role or pages.NOTHING) for o in OPERATIONS}


def test_the_api_page_lists_every_refusal_that_a_client_may_get() -> None:
    text = pages.section(pages.read("http-api.md"), "## Errors")

    listed = {
        (int(status), code)
        for status, codes, _ in pages.rows(text)[1:]
        for code in pages.code(codes)
    }

    raised = [error for operation in OPERATIONS for error in operation.refusals]
    problems = [problem_of(error) for error in (*WITH_A_TOKEN, *raised)]
    of_the_server = {404, 405, 413, 414, 415, 429, 431, 501, *STATUSES_OF_ALL}
    assert listed == {
        *((problem.status, problem.code) for problem in problems),
        *((status, CODE_OF_STATUS[status][0]) for status in of_the_server),
    }


def test_the_api_page_shows_the_table_of_statuses() -> None:
    text = pages.section(pages.read("http-api.md"), "### Statuses")

    listed = {
        start: set(pages.code(ends))
        for starts, ends in pages.rows(text)[1:]
        for start in pages.code(starts)
    }

    assert listed == {
        start.value: {end.value for end in ends} for start, ends in TRANSITIONS.items()
    }


# -- what programs say -----------------------------------------------------------------------


def test_the_operations_page_lists_every_metric() -> None:
    text = pages.section(pages.read("operations.md"), "## Metrics")

    listed = {pages.code(name)[0] for name, *_ in pages.rows(text)[1:]}

    metrics = Metrics()
    metrics.watch_checks(CheckReports(MemoryStorage(), Config()))
    shown = generate_latest(metrics.registry).decode()
    families = set(re.findall(r"^# TYPE (oms_\w+)", shown, re.MULTILINE))
    ours = {name for name in families if not name.endswith("_created")}
    counted_when_asked = {
        "oms_delivery_dead_letters",
        "oms_delivery_held",
        "oms_delivery_held_since_timestamp_seconds",
        "oms_delivery_subscriptions",
        "oms_events_lag_seconds",
        "oms_inventory_up",
        "oms_payment_provider_up",
        "oms_sagas",
        "oms_store_up",
        "oms_webhook_events_waiting",
    }
    assert listed == ours | counted_when_asked | {"process_…"}


def test_the_reconciliation_page_explains_every_verdict_and_every_finding() -> None:
    page = pages.read("reconciliation.md")
    for heading, words in (("## Reconcile", Verdict), ("## Doctor", Kind)):
        listed = [pages.code(row[0])[0] for row in pages.rows(pages.section(page, heading))[1:]]

        assert listed
        assert listed == [word.value for word in words]


def test_the_operations_page_lists_every_event_that_is_logged() -> None:
    text = pages.section(pages.read("operations.md"), "## Logs")

    listed = {event for events, *_ in pages.rows(text)[1:] for event in pages.code(events)}

    calls = _calls("info", "warning", "error", "exception")
    logged = {text for owner, text in calls if owner.endswith("_log") and "%" not in text}
    assert logged
    assert listed == logged


def test_the_saga_page_names_every_reason_to_fail_and_to_stop() -> None:
    text = pages.without_blocks(pages.read("saga.md"))
    reasons = {text for _, text in _calls("FailureReason", "Stuck", below="oms_core/application")}
    flags = {text for _, text in _calls("Attention", below="oms_core/application")}

    named = set(pages.code(text))

    assert reasons
    assert flags
    assert reasons | flags <= named


def _calls(*names: str, below: str = "") -> Iterator[tuple[str, str]]:
    """Find the calls of functions *names* whose first argument is a text."""
    everything = ("oms_core", "adapters/oms_adapters", "entrypoints/oms_entrypoints")
    for package in (below,) if below else everything:
        for file in (pages.ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(
                        func=ast.Attribute(value=owner, attr=name),
                        args=[ast.Constant(value=str(text)), *_],
                    ) if name in names:
                        yield ast.unparse(owner), text
                    case ast.Call(
                        func=ast.Name(id=name), args=[ast.Constant(value=str(text)), *_]
                    ) if name in names:
                        yield "", text
                    case _:
                        pass


# -- links -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    text = pages.without_blocks(page.read_text(encoding="utf-8"))
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text)]
    named = re.findall(r"`((?:tests|oms_core|adapters|benchmarks)/[\w/.]+?)/?`", text)

    missing = [
        link for link in links if link and "://" not in link and not (page.parent / link).exists()
    ]
    missing += [name for name in named if not (pages.ROOT / name).exists()]

    assert missing == []
