"""``oms check-config --live``: what can be used, and what to do about what cannot.

The real libraries, over loopback sockets, against doubles of the providers.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import frozen

from oms_core.testing import SimulatedClock
from tests.support.adyen_double import API_KEY as ADYEN_KEY
from tests.support.adyen_double import HMAC_KEY, MERCHANT_ACCOUNT, AdyenDouble
from tests.support.adyen_double.double import VERSION
from tests.support.command_line import TENANT, RunCommand, free_port
from tests.support.http_faults import FaultyHttpServer, HttpFault, answers, html
from tests.support.paypal_double import CLIENT_ID, CLIENT_SECRET, PaypalDouble
from tests.support.stripe_double.double import API_KEY as STRIPE_KEY
from tests.support.stripe_double.double import StripeDouble

WRONG = "sk_test_AnUnmistakablyWrongKey4711"
REFUSED = "the provider refuses the credentials"
SILENT = "the provider gives no answer that can be used"


@frozen
class Bank:
    """A double of a provider, and how it is configured."""

    server: FaultyHttpServer
    secret: str
    """The good credential; the file names the variable SECRET."""
    text: str
    own: str
    """What a tenant of its own writes to have credentials of its own."""
    path: str = ""

    def at(self, url: str) -> str:
        account = f'[payments.card]\n{self.text}base_url = "{url}{self.path}"\n'
        return f'[storage]\nkind = "memory"\n{account}'


def stripe() -> Iterator[Bank]:
    double = StripeDouble(SimulatedClock())
    text = 'adapter = "stripe"\napi_key = "env:SECRET"\n'
    yield Bank(double.server, STRIPE_KEY, text, 'api_key = "env:OWN"')
    double.close()


def adyen() -> Iterator[Bank]:
    double = AdyenDouble()
    text = (
        f'adapter = "adyen"\nenvironment = "test"\napi_key = "env:SECRET"\n'
        f'merchant_account = "{MERCHANT_ACCOUNT}"\nhmac_key = "env:HMAC"\n'
    )
    yield Bank(double.server, ADYEN_KEY, text, 'api_key = "env:OWN"', VERSION)
    double.close()


def paypal() -> Iterator[Bank]:
    double = PaypalDouble(SimulatedClock())
    text = (
        f'adapter = "paypal"\nenvironment = "sandbox"\nclient_id = "{CLIENT_ID}"\n'
        'client_secret = "env:SECRET"\n'
    )
    yield Bank(double.http, CLIENT_SECRET, text, 'client_secret = "env:OWN"')
    double.close()


BANKS: dict[str, Callable[[], Iterator[Bank]]] = {
    "stripe": stripe,
    "adyen": adyen,
    "paypal": paypal,
}


@pytest.fixture(params=BANKS)
def bank(
    request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bank]:
    del folder
    making = BANKS[request.param]()
    made = next(making)
    monkeypatch.setenv("SECRET", made.secret)
    monkeypatch.setenv("OWN", WRONG)
    monkeypatch.setenv("HMAC", HMAC_KEY)
    yield made
    next(making, None)


def told(oms: RunCommand, text: str, *, code: int) -> dict[str, str]:
    """Check the configuration *text*, and return what is said of each thing that is asked."""
    Path("oms.toml").write_text(text, encoding="utf-8")
    shown, listed = oms("check-config", "--live"), oms("check-config", "--live", "--json")
    assert (shown.code, shown.err) == (code, "")
    assert (listed.code, listed.err) == (code, "")
    found = json.loads(listed.out)
    assert found["ok"] == (code == 0) == all(one["ok"] for one in found["checks"])
    for one in found["checks"]:
        line = next(line for line in shown.out.splitlines() if line.split()[0] == one["setting"])
        assert line.split(maxsplit=1)[1] == one["message"]
        assert one["ok"] == one["message"].startswith("ok")
        for secret in (WRONG, STRIPE_KEY, ADYEN_KEY, CLIENT_SECRET, HMAC_KEY):
            assert secret not in shown.out + listed.out
    return {one["setting"]: one["message"] for one in found["checks"]}


def test_good_credentials_are_accepted(oms: RunCommand, bank: Bank) -> None:
    assert told(oms, bank.at(bank.server.url), code=0) == {
        "storage": "ok: memory, forgotten at the end",
        "payments.card": "ok: the credentials are accepted",
    }


def test_wrong_credentials_are_told_with_what_to_do(
    oms: RunCommand, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", WRONG)

    message = told(oms, bank.at(bank.server.url), code=1)["payments.card"]

    assert message.startswith(REFUSED)
    assert message.endswith(
        "Correct them in [payments.card]; are they of the same environment, test or live?"
    )


def test_a_tenants_own_credentials_are_tried_too(oms: RunCommand, bank: Bank) -> None:
    own = f"payments.card.tenants.{TENANT}"

    messages = told(oms, f"{bank.at(bank.server.url)}[{own}]\n{bank.own}\n", code=1)

    assert messages["payments.card"] == "ok: the credentials are accepted"
    assert messages[own].startswith(REFUSED)
    assert f"[{own}]" in messages[own]


def test_a_provider_that_cannot_be_reached_is_told(oms: RunCommand, bank: Bank) -> None:
    message = told(oms, bank.at(f"http://127.0.0.1:{free_port()}"), code=1)["payments.card"]

    assert message.startswith(SILENT)
    assert "Check its address" in message


@pytest.mark.parametrize("fault", [answers(503), html(502), html(200)], ids=lambda one: one.name)
def test_a_provider_that_is_ill_is_told(oms: RunCommand, bank: Bank, fault: HttpFault) -> None:
    bank.server.plan(fault, times=10)

    message = told(oms, bank.at(bank.server.url), code=1)["payments.card"]

    assert message.startswith((SILENT, "the provider does not understand"))


def test_without_a_configuration_there_is_nothing_to_refuse_us(
    oms: RunCommand, folder: Path
) -> None:
    before = list(folder.iterdir())

    live = oms("check-config", "--live")

    assert live.code == 0
    assert "oms.db will be made" in live.out
    assert "ok: simulated" in live.out
    assert list(folder.iterdir()) == before, "checking made something"


def test_a_store_and_an_inventory_that_cannot_be_used_are_told_together(
    oms: RunCommand, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "oms.db").write_bytes(b"this is no database at all, but a letter" * 200)
    monkeypatch.setenv("TOKEN", "a-token-of-the-inventory")

    messages = told(
        oms,
        f'[inventory]\nkind = "http"\nurl = "http://127.0.0.1:{free_port()}"\n'
        'token = "env:TOKEN"\n',
        code=1,
    )

    assert set(messages) == {"storage", "inventory", "payments.simulated"}
    assert not messages["storage"].startswith("ok")
    assert "not available" in messages["inventory"]


def test_a_mistake_in_the_configuration_comes_before_any_question(
    oms: RunCommand, folder: Path
) -> None:
    (folder / "oms.toml").write_text("[server]\nprot = 1\n", encoding="utf-8")

    refused = oms("check-config", "--live")

    assert (refused.code, refused.out) == (2, "")


def test_json_is_only_for_what_is_asked_live(oms: RunCommand, folder: Path) -> None:
    assert oms("check-config", "--json").refusal == (
        2,
        "oms: --json goes with --live; see oms check-config --help.\n",
    )
