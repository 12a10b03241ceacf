"""A PayPal account in the configuration: checked without a network, made when it is needed."""

import sys
from pathlib import Path
from uuid import UUID

import pytest

from oms_adapters.payments.paypal import LIVE_URL, SANDBOX_URL, PaypalPayments
from oms_core.errors import ConfigurationError
from oms_entrypoints import bootstrap
from oms_entrypoints.config import Config, PaypalOptions, load_config
from tests.support.command_line import ORG, TENANT, RunCommand

SECRET = "an-unmistakable-secret-of-paypal"
GOOD = """
[storage]
kind = "memory"
[payments.wallet]
adapter = "paypal"
environment = "sandbox"
client_id = "AeA-everybody"
client_secret = "env:PAYPAL_SECRET"
"""


def configured(folder: Path, text: str = GOOD) -> Config:
    (folder / "oms.toml").write_text(text)
    return load_config(environment={"PAYPAL_SECRET": SECRET, "OWN_SECRET": "another"})


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        configured(folder, text)
    return [told.partition(": ")[2] for told in refused.value.mistakes]


def test_an_account_is_made_without_asking_paypal(folder: Path) -> None:
    with bootstrap.open_system(configured(folder)) as oms:
        provider = oms.payments.find(UUID(ORG), "wallet")

    assert isinstance(provider, PaypalPayments)
    assert provider.capabilities.can_reauthorize


def test_a_tenant_need_not_repeat_what_is_the_same_for_it(folder: Path) -> None:
    text = f'{GOOD}[payments.wallet.tenants.{TENANT}]\nwebhook_id = "1JE4291016473214C"\n'

    options = configured(folder, text).payments["wallet"].tenants[UUID(TENANT)]

    assert isinstance(options, PaypalOptions)
    assert options.webhook_id == "1JE4291016473214C"
    assert options.client_id == "AeA-everybody"
    assert options.client_secret.value == SECRET


def test_a_tenants_own_mistakes_are_told_at_their_place(folder: Path) -> None:
    text = f'{GOOD}[payments.wallet.tenants.{TENANT}]\nwebhook_id = "https://x"\nenviron = "live"\n'

    told = mistakes(folder, text)

    own = f"payments.wallet.tenants.{TENANT}"
    assert told == [
        f"{own}.webhook_id must be the id of a webhook: letters and digits, no URL.",
        f"{own}.environ is not a setting; did you mean {own}.environment?",
    ]


def test_what_is_missing_is_told_all_at_once(folder: Path) -> None:
    told = mistakes(folder, '[payments.wallet]\nadapter = "paypal"\n')

    assert sorted(told) == [
        "payments.wallet.client_id is missing: The client id of the REST application.",
        "payments.wallet.client_secret is missing: Its secret; env:NAME or file:PATH.",
        "payments.wallet.environment is missing: Sandbox, where no money moves, or live.",
    ]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ('environment = "production"', "environment must be one of sandbox, live."),
        (f'client_secret = "{SECRET}"', "client_secret must be env:NAME or file:PATH"),
        ('client_id = "two words"', "client_id must be the client id of a REST application"),
        ('base_url = "http://api.example"', "base_url must be https:// and a host"),
        ('base_url = "https://api.example/v1"', "base_url must be https:// and a host"),
        ('base_url = "http://127.0.0.1.example"', "base_url must be https:// and a host"),
        ('base_url = "https://user:secret@host"', "base_url must be https:// and a host"),
        ("read_timeout_s = 0", "read_timeout_s must be a number of seconds from 0.1 to 300."),
    ],
)
def test_a_malformed_setting_is_named(folder: Path, setting: str, told: str) -> None:
    name = setting.partition(" ")[0]
    lines = [line for line in GOOD.splitlines() if not line.startswith(f"{name} ")]

    (found,) = mistakes(folder, "\n".join([*lines, setting, ""]))

    assert found.startswith(f"payments.wallet.{told}")
    assert SECRET not in found


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("", SANDBOX_URL),
        ('base_url = "http://127.0.0.1:8080"', "http://127.0.0.1:8080"),
        ('base_url = "https://gateway.example:8443"', "https://gateway.example:8443"),
    ],
)
def test_the_environment_says_where_paypal_is_unless_a_url_does(
    folder: Path, setting: str, url: str
) -> None:
    config = configured(folder, GOOD + setting + "\n")

    with bootstrap.open_system(config) as oms:
        provider = oms.payments.find(UUID(ORG), "wallet")

    assert isinstance(provider, PaypalPayments)
    assert provider.base_url == url


def test_live_is_live(folder: Path) -> None:
    config = configured(folder, GOOD.replace('"sandbox"', '"live"'))

    with bootstrap.open_system(config) as oms:
        provider = oms.payments.find(UUID(ORG), "wallet")

    assert isinstance(provider, PaypalPayments)
    assert provider.base_url == LIVE_URL


def test_check_config_names_the_account_and_no_secret(
    folder: Path, oms: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYPAL_SECRET", SECRET)
    (folder / "oms.toml").write_text(GOOD)

    said = oms("check-config").out

    assert "wallet (paypal)" in said
    assert SECRET not in said


def test_a_missing_library_is_one_sentence_that_names_the_extra(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name for name in sys.modules if name.startswith("oms_adapters.payments.paypal")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "requests", None)

    with pytest.raises(ConfigurationError) as refused:
        bootstrap.check(configured(folder))

    assert refused.value.mistakes == (
        (
            "payments.wallet: the adapter paypal needs the package requests; install it with "
            "pip install 'oms-core[paypal]'."
        ),
    )
