"""Every error: a stable code, a sentence, a verdict, and it survives a process boundary."""

import copy
import pickle
import re
from uuid import UUID

import attrs
import pytest

from oms_core import errors
from oms_core.errors import InvalidInput, Mistake, OmsError, PaymentTrouble

ORDER_ID = UUID("7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69")
EXAMPLES = {
    "order_id": ORDER_ID,
    "part_id": ORDER_ID,
    "kind": "return",
    "action": "cancel",
    "why": "Goods of the order have left.",
    "version": 7,
    "subscription_id": ORDER_ID,
    "mistakes": (Mistake("/sku", "must not be empty"), Mistake("", "must be an object")),
    "sku": "SILENT-DRUM",
    "location": "default",
    "available": 3,
    "status": "confirmed",
    "wanted": "failed",
    "expected": "19.99 USD",
    "got": "20.00 USD",
    "reason": "made up for this test",
    "retry_after_s": 2.5,
}
CODES = {
    "amount_mismatch",
    "not_possible",
    "part_not_found",
    "version_mismatch",
    "authentication_failed",
    "authentication_unavailable",
    "configuration_error",
    "conflict",
    "feed_switched_off",
    "idempotency_key_reused",
    "illegal_transition",
    "insufficient_stock",
    "invalid_input",
    "inventory_unavailable",
    "inventory_unusable",
    "lease_lost",
    "nothing_to_steer",
    "oms_error",
    "order_not_found",
    "payment_credentials_rejected",
    "payment_idempotency_mismatch",
    "payment_in_progress",
    "payment_invalid_request",
    "payment_invalid_state",
    "payment_not_executed",
    "payment_not_found",
    "payment_outcome_unknown",
    "payment_provider_not_found",
    "payment_reference_in_use",
    "payment_trouble",
    "permission_denied",
    "stale_version",
    "storage_trouble",
    "store_unavailable",
    "store_unusable",
    "subscription_not_found",
    "webhook_rejected",
}
"""Clients branch on them: one may be added, none changed."""
RETRYABLE = {
    "authentication_unavailable",
    "inventory_unavailable",
    "payment_in_progress",
    "payment_not_executed",
    "payment_outcome_unknown",
    "store_unavailable",
}


def tree(root: type[OmsError] = OmsError) -> list[type[OmsError]]:
    return [root] + [found for child in root.__subclasses__() for found in tree(child)]


def an_error(cls: type[OmsError]) -> OmsError:
    given = {field.name: EXAMPLES[field.name] for field in attrs.fields(cls)}
    if cls is errors.ConfigurationError:
        given["mistakes"] = ("payments.stripe.secret is missing", "http.port must be a number")
    return cls(**given)


ALL = [cls for cls in tree() if cls.__module__ == errors.__name__]


def test_the_tree_is_what_the_module_defines_and_what_its_drawing_shows() -> None:
    defined = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, OmsError)
    }
    drawn = re.findall(r"^ *[│├└─ ]*(\w+)(?:  |$)", errors.__doc__ or "", re.MULTILINE)
    names = {name for name in drawn if name[:1].isupper() and hasattr(errors, name)}

    assert ALL
    assert set(ALL) == defined
    assert {cls.__name__ for cls in ALL} == names


def test_every_code_is_unique_and_stable() -> None:
    codes = [cls.code for cls in ALL]

    assert len(set(codes)) == len(codes)
    assert set(codes) == CODES


def test_retryable_is_what_the_same_call_unchanged_can_heal() -> None:
    assert {cls.code for cls in ALL if cls.retryable} == RETRYABLE


@pytest.mark.parametrize("cls", ALL)
def test_an_error_is_a_sentence_without_a_place_holder(cls: type[OmsError]) -> None:
    error = an_error(cls)

    assert str(error) == error.sentence
    assert len(error.sentence) > 15
    assert not re.search(r"None|\{|\}|<class|oms_core\.", error.sentence)


@pytest.mark.parametrize("cls", [c for c in ALL if "order_id" in {f.name for f in attrs.fields(c)}])
def test_an_error_about_an_order_names_it(cls: type[OmsError]) -> None:
    assert str(ORDER_ID) in an_error(cls).sentence


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_survives_pickling(cls: type[OmsError], protocol: int) -> None:
    error = an_error(cls)

    for again in (
        pickle.loads(pickle.dumps(error, protocol)),  # noqa: S301 - our own
        copy.copy(error),
        copy.deepcopy(error),
    ):
        assert type(again) is cls
        assert again.sentence == error.sentence
        assert attrs.asdict(again) == attrs.asdict(error)


@pytest.mark.parametrize("cls", ALL)
def test_two_errors_are_never_equal_and_both_can_be_chained(cls: type[OmsError]) -> None:
    error, other = an_error(cls), an_error(cls)
    error.__cause__ = other

    assert error != other
    assert len({error, other}) == 2
    with pytest.raises(cls):
        raise error


@pytest.mark.parametrize("cls", tree(PaymentTrouble))
def test_trouble_with_a_provider_needs_no_reason_and_no_moment(cls: type[PaymentTrouble]) -> None:
    error = cls()

    assert (error.reason, error.retry_after_s) == ("", None)
    assert error.sentence == f"The payment provider reports {cls.code}."
    assert cls("http_500").sentence == f"The payment provider reports {cls.code} (http_500)."


def test_mistakes_may_come_from_any_iterable_and_are_all_told() -> None:
    error = InvalidInput(Mistake(pointer, "is required") for pointer in ("/a", "/b"))

    assert error.mistakes == (Mistake("/a", "is required"), Mistake("/b", "is required"))
    assert str(error) == "/a: is required; /b: is required"
    assert str(InvalidInput([Mistake("", "must be an object")])) == "request: must be an object"


def test_a_configurations_mistakes_stand_on_a_line_each() -> None:
    assert str(errors.ConfigurationError(["one", "two"])) == "one\ntwo"
