"""A payment adapter of another distribution is found by its entry point and told its options."""

from pathlib import Path
from uuid import UUID

import pytest

from oms_core.errors import ConfigurationError
from oms_entrypoints import bootstrap
from oms_entrypoints.config import Config, load_config
from tests.support.command_line import ORG, TENANT, RunCommand

MODULE = """
class AcmePayments:
    def __init__(self, name, options):
        self.name, self.options = name, options


def make(name, options):
    if "merchant" not in options:
        raise ValueError("merchant is missing; Acme's console shows it")
    return AcmePayments(name, options)
"""


@pytest.fixture
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the distribution ``acme-payments`` as pip would."""
    site = folder / "site"
    metadata = site / "acme_payments-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-payments\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[oms_core.payment_providers]\nacme = acme_payments_of_this_test:make\n"
        "broken = acme_payments_of_nobody:make\n"
    )
    (site / "acme_payments_of_this_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(site)


def configured(folder: Path, text: str, **environment: str) -> Config:
    (folder / "oms.toml").write_text(text)
    return load_config(environment=environment)


@pytest.mark.usefixtures("installed")
def test_it_is_made_with_its_own_options_for_each_tenant(folder: Path) -> None:
    config = configured(
        folder,
        f"""
        [payments.card]
        adapter = "acme"
        merchant = "everybody"
        secret = "env:ACME_SECRET"
        capture = "manual"
        [payments.card.tenants.{TENANT}]
        merchant = "this tenant"
        renew_before_s = 60
        """,
        ACME_SECRET="hunter2",
    )

    with bootstrap.open_system(config) as oms:
        own = oms.payments.find(UUID(TENANT), "card")
        common = oms.payments.find(UUID(ORG), "card")

    assert vars(own) == {
        "name": "card",
        "options": {"merchant": "this tenant", "secret": "hunter2"},
    }
    assert vars(common) == {
        "name": "card",
        "options": {"merchant": "everybody", "secret": "hunter2"},
    }


@pytest.mark.usefixtures("installed")
def test_what_it_objects_to_is_told_with_the_accounts_name(folder: Path, oms: RunCommand) -> None:
    configured(folder, '[payments.card]\nadapter = "acme"\n[payments.other]\nadapter = "broken"\n')

    assert oms("check-config").refusal == (
        2,
        (
            "oms: The configuration has 2 mistakes:\n"
            "  payments.card: merchant is missing; Acme's console shows it\n"
            "  payments.other: the adapter broken needs acme_payments_of_nobody; install it\n"
        ),
    )


@pytest.mark.usefixtures("installed")
def test_an_unknown_adapter_is_told_with_all_that_are_installed(folder: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        configured(folder, '[payments.card]\nadapter = "acmee"\n')

    (told,) = refused.value.mistakes
    assert "did you mean acme?" in told
    assert {"acme", "broken", "simulated"} <= set(told.replace(",", "").replace(";", "").split())
