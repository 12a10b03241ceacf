"""An account of Adyen in the configuration: checked without asking Adyen, and then used."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

import pytest

from oms_adapters.payments.adyen import AdyenAccount
from oms_adapters.payments.adyen.checkout import Checkout
from oms_core import PaymentDirectory
from oms_core.errors import ConfigurationError, CredentialsRejected
from oms_core.ports.payments import PaymentProvider
from oms_core.testing import refusal
from oms_entrypoints.bootstrap import check
from oms_entrypoints.bootstrap.payments import make_payments
from oms_entrypoints.bootstrap.stores import CLOCK, open_store
from oms_entrypoints.config import Config, load_config
from tests.support.adyen_double import (
    API_KEY,
    HMAC_KEY,
    MERCHANT_ACCOUNT,
    AdyenDouble,
    batch,
    item,
    signed,
)

TENANT = UUID("7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69")
GOOD = {
    "api_key": "env:KEY",
    "merchant_account": MERCHANT_ACCOUNT,
    "hmac_key": "env:HMAC",
    "environment": "test",
}
SECRETS = {
    "KEY": API_KEY,
    "HMAC": HMAC_KEY,
    "BAD": "not hexadecimal",
    "NEW": "0" * 64,
    "WORD": "password",
}


@pytest.fixture
def double() -> Iterator[AdyenDouble]:
    made = AdyenDouble()
    yield made
    made.close()


def read(
    folder: Path, end: str = "", *, more: Mapping[str, str | None] = MappingProxyType({})
) -> Config:
    settings = {name: value for name, value in {**GOOD, **more}.items() if value is not None}
    lines = [f'{name} = "{value}"' for name, value in settings.items()]
    text = "\n".join(["[payments.card]", 'adapter = "adyen"', *lines, end])
    file = folder / "oms.toml"
    file.write_text(text, encoding="utf-8")
    return load_config(str(file), {**SECRETS, "OMS__STORAGE__KIND": "memory"})


def found_in(payments: PaymentDirectory, tenant_id: UUID = TENANT) -> PaymentProvider:
    provider = payments.find(tenant_id, "card")
    assert provider is not None
    return provider


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"api_key": None}, "payments.card.api_key is missing"),
        ({"api_key": "AQEyhmfxK4"}, "payments.card.api_key must be env:NAME or file:PATH"),
        ({"api_key": "env:BAD"}, "payments.card.api_key has characters that no API key has"),
        ({"merchant_account": "My Shop"}, "payments.card.merchant_account must be the name"),
        ({"merchant_account": None}, "payments.card.merchant_account is missing"),
        ({"hmac_key": None}, "payments.card.hmac_key is missing"),
        ({"hmac_key": "env:BAD"}, "payments.card.hmac_key must be 64 hexadecimal digits"),
        ({"previous_hmac_key": "env:BAD"}, "payments.card.previous_hmac_key must be 64"),
        ({"environment": None}, "payments.card.environment is missing"),
        ({"environment": "life"}, "payments.card.environment must be one of test, live"),
        ({"environment": "live"}, "payments.card.live_prefix must be given for the live"),
        ({"live_prefix": "1797-Shop"}, 'payments.card.live_prefix is for environment = "live"'),
        (
            {"environment": "live", "live_prefix": "1797-Shop", "base_url": "https://x.example"},
            'payments.card.base_url is for environment = "test" alone',
        ),
        ({"captures": "twice"}, "payments.card.captures must be one of once, in_parts"),
        ({"base_url": "http://x.example"}, "payments.card.base_url must begin with https://"),
        ({"base_url": "https://x-live.example"}, "payments.card.base_url must not contain -live"),
        ({"webhook_username": "adyen"}, "payments.card.webhook_password must be given too"),
        ({"webhook_password": "env:WORD"}, "payments.card.webhook_username must be given too"),
        ({"mode": "fast"}, "payments.card.mode is not a setting"),
    ],
)
def test_a_mistake_is_a_sentence_without_the_secret(
    tmp_path: Path, more: dict[str, str | None], expected: str
) -> None:
    refused = refusal(ConfigurationError, lambda: read(tmp_path, more=more))

    assert any(expected in one for one in refused.mistakes)
    for secret in SECRETS.values():
        if secret != "password":
            assert secret not in str(refused)


def test_a_good_configuration_is_checked_without_asking_adyen(
    tmp_path: Path, double: AdyenDouble
) -> None:
    check(read(tmp_path, more={"base_url": double.base_url}))

    assert double.server.requests == []


def test_what_is_configured_speaks_to_adyen_and_hears_what_the_store_keeps(
    tmp_path: Path, double: AdyenDouble
) -> None:
    config = read(tmp_path, more={"base_url": double.base_url})
    store = open_store(config)
    try:
        provider = found_in(make_payments(config, store))
        psp = double.customer_pays(10_000)
        events = provider.parse_webhook(TENANT, {}, double.notification(psp))
        store.inbox().store("card", events, at=CLOCK.now())

        seen = provider.lookup(events[0].ref)

        assert seen.state == "authorized"
        provider.probe()
    finally:
        store.close()


def test_a_tenant_has_an_account_of_its_own(tmp_path: Path, double: AdyenDouble) -> None:
    own = f'[payments.card.tenants.{TENANT}]\nmerchant_account = "ShopNL"'
    config = read(tmp_path, own, more={"base_url": double.base_url})

    payments = make_payments(config, None)

    found_in(payments, UUID(int=1)).probe()
    trouble = refusal(CredentialsRejected, found_in(payments).probe)
    assert trouble.reason == "http_403_901"
    foreign = batch([signed(item("AUTHORISATION", "QFQTPCQ8HXSKGK82", account="ShopNL"))])
    assert found_in(payments).parse_webhook(TENANT, {}, foreign)


@pytest.mark.parametrize(
    ("captures", "expected"), [(None, False), ("once", False), ("in_parts", True)]
)
def test_an_account_is_captured_in_parts_only_where_it_says_so(
    tmp_path: Path,
    captures: str | None,
    expected: bool,  # noqa: FBT001 - a column of the table
) -> None:
    config = read(tmp_path, more={"captures": captures})

    capabilities = found_in(make_payments(config, None)).capabilities

    assert capabilities.captures_in_parts is expected


def test_both_keys_are_good_while_one_is_replaced(tmp_path: Path) -> None:
    config = read(tmp_path, more={"hmac_key": "env:NEW", "previous_hmac_key": "env:HMAC"})

    provider = found_in(make_payments(config, None))

    old = batch([signed(item("AUTHORISATION", "QFQTPCQ8HXSKGK82"))])
    assert provider.parse_webhook(TENANT, {}, old)


def test_the_live_environment_is_reached_at_its_prefix() -> None:
    account = AdyenAccount(API_KEY, MERCHANT_ACCOUNT, (HMAC_KEY,), live_prefix="1797a841-Shop")

    client = Checkout(account)._modifications.client
    url = client._determine_api_url("live", "https://checkout-test.adyen.com/v72/cancels")

    assert url == "https://1797a841-Shop-checkout-live.adyenpayments.com/checkout/v72/cancels"


def test_a_missing_library_is_one_sentence_that_names_the_extra(tmp_path: Path) -> None:
    read(tmp_path)
    program = (
        "import sys; sys.modules['Adyen'] = None\n"
        "from oms_entrypoints.bootstrap import check\n"
        "from oms_entrypoints.config import load_config\n"
        "try: check(load_config(sys.argv[1]))\n"
        "except Exception as error: print(error)"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "oms.toml")],
        env=SECRETS,
        capture_output=True,
        text=True,
        check=True,
    )

    expected = (
        "payments.card: the adapter adyen needs the package Adyen; install it with "
        "pip install 'oms-core[adyen]'."
    )
    assert ran.stdout.strip() == expected
    assert ran.stderr == ""


def test_an_embedding_program_hears_all_mistakes_of_an_account_at_once() -> None:
    refused = refusal(
        ConfigurationError,
        lambda: AdyenAccount(
            "two words", "My Shop", ("short",), live_prefix="é", base_url="ftp://x"
        ),
    )

    assert len(refused.mistakes) == 6
    assert "two words" not in str(refused)
    assert "short" not in str(refused)
