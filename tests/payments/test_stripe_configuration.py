"""Stripe is set up by the configuration, and mistakes are told before anything starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from oms_adapters.payments.stripe import StripePayments
from oms_core.errors import ConfigurationError
from oms_entrypoints import bootstrap
from oms_entrypoints.bootstrap.payments import make_payments
from oms_entrypoints.config import Config, StripeOptions, load_config
from tests.support.stripe_double.double import API_KEY, WEBHOOK_SECRET

TENANT = "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69"
OTHER_TENANT = UUID("00000000-0000-4000-8000-000000000000")
KEYS = {"STRIPE_API_KEY": API_KEY, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET}
ACCOUNT = """
[payments.card]
adapter = "stripe"
api_key = "env:STRIPE_API_KEY"
webhook_secret = "env:STRIPE_WEBHOOK_SECRET"
"""


def read(folder: Path, text: str, **environment: str) -> Config:
    file = folder / "oms.toml"
    file.write_text(f'[storage]\nkind = "memory"\n{text}', encoding="utf-8")
    return load_config(str(file), {**KEYS, **environment})


def mistakes(folder: Path, text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        bootstrap.check(read(folder, text, **environment))
    return list(raised.value.mistakes)


def test_an_account_is_made_without_asking_anybody(tmp_path: Path) -> None:
    config = read(tmp_path, ACCOUNT)

    bootstrap.check(config)
    made = make_payments(config, None).find(UUID(TENANT), "card")

    assert isinstance(made, StripePayments)


def test_accounts_differ_by_name_and_by_tenant(tmp_path: Path) -> None:
    own = f'[payments.card.tenants.{TENANT}]\napi_key = "env:THEIRS"\nread_timeout_s = 4'
    other = '[payments.europe]\nadapter = "stripe"\napi_key = "env:STRIPE_API_KEY"'

    config = read(tmp_path, f"{ACCOUNT}\n{own}\n{other}", THEIRS="rk_live_1")

    directory = make_payments(config, None)
    found = {
        (name, tenant): directory.find(tenant, name)
        for name in ("card", "europe")
        for tenant in (UUID(TENANT), OTHER_TENANT)
    }
    assert len({id(one) for one in found.values()}) == 3
    assert found["europe", OTHER_TENANT] is found["europe", UUID(TENANT)]
    theirs = config.payments["card"].tenants[UUID(TENANT)]
    assert theirs.api_key.value == "rk_live_1"
    assert theirs.webhook_secret.value == WEBHOOK_SECRET
    assert theirs.read_timeout_s == 4.0


def test_all_mistakes_are_told_at_once_and_no_secret_with_them(tmp_path: Path) -> None:
    told = mistakes(
        tmp_path,
        ACCOUNT + 'base_url = "http://stripe.example"',
        STRIPE_API_KEY="pk_live_TheWrongOne",
        STRIPE_WEBHOOK_SECRET="sk_live_InTheWrongPlace",
    )

    assert [one.partition(" ")[0] for one in told] == ["payments.card:"] * 3
    assert [one.split()[1] for one in told] == ["api_key", "base_url", "webhook_secret"]
    assert "publishable" in told[0]
    assert all("WrongOne" not in one and "WrongPlace" not in one for one in told)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", "payments.card.api_key is missing"),
        ('api_key = "sk_live_written_into_the_file"', "payments.card.api_key must be env:NAME"),
        ('account = "1234"', "payments.card.account must be a connected account"),
        ('return_url = "http://shop.example"', "payments.card.return_url must be a URL"),
        ("read_timeout_s = 0", "payments.card.read_timeout_s must be a number of seconds"),
        ("apikey = 1", "payments.card.apikey is not a setting; did you mean"),
    ],
)
def test_a_malformed_option_is_told_with_its_line(tmp_path: Path, line: str, expected: str) -> None:
    given = "" if "api_key" in line or not line else 'api_key = "env:STRIPE_API_KEY"\n'

    told = mistakes(tmp_path, f'[payments.card]\nadapter = "stripe"\n{given}{line}')

    assert any(expected in one for one in told)
    assert all("written_into" not in one for one in told)


@pytest.mark.parametrize(
    "url",
    [
        "http://stripe.example",
        "https://",
        "ftp://127.0.0.1",
        "https://user:secret@stripe.example",
        "https://stripe.example/?a=b",
        "https://[::1",
    ],
)
def test_an_address_to_which_a_key_must_not_travel_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        StripePayments(API_KEY, base_url=url)

    assert "base_url" in raised.value.sentence


@pytest.mark.parametrize(
    "url", ["https://stripe.example/path", "http://127.0.0.1:1", "http://[::1]"]
)
def test_an_address_that_is_safe_is_taken(url: str) -> None:
    StripePayments(API_KEY, base_url=url)


@pytest.mark.parametrize(
    "key", ["", "sk_live_", "sk_live_é", "sk_live_a\n", "whsec_abc", "Bearer sk"]
)
def test_what_cannot_be_a_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        StripePayments(key)

    assert not key or key not in raised.value.sentence.replace("sk_live_, ", "")


def test_a_missing_sdk_is_one_sentence_that_names_the_extra(tmp_path: Path) -> None:
    file = tmp_path / "oms.toml"
    file.write_text(f'[storage]\nkind = "memory"\n{ACCOUNT}', encoding="utf-8")
    without = (
        "import sys; sys.modules['stripe'] = None; from oms_entrypoints.cli import main; main()"
    )

    ended = subprocess.run(
        [sys.executable, "-c", without, "check-config", "--config", str(file)],
        env=KEYS,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode != 0
    assert "pip install 'oms-core[stripe]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_options_and_adapter_show_no_secret(tmp_path: Path) -> None:
    options = read(tmp_path, ACCOUNT).payments["card"].options
    assert isinstance(options, StripeOptions)

    shown = f"{options!r} {StripePayments(API_KEY, webhook_secret=WEBHOOK_SECRET)!r}"

    assert API_KEY not in shown
    assert WEBHOOK_SECRET not in shown
