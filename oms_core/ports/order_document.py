"""The document form of an order that every store keeps.

Made of JSON values only (objects, arrays, strings, integers, booleans, null), so that it
fits SQLite's JSON text and BSON alike: instants are integer microseconds since 1970 UTC,
money is ``[minor units, currency]``, ids are strings. Defaults are left out, so a field that
is added later with a default is read from old documents too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin
from uuid import UUID

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

from oms_core.domain import (
    events,
    failure,
    fulfillment,
    line_item,
    money,
    operation,
    order,
    order_status,
    payment,
    quantities,
    returns,
    saga_position,
    scope,
)
from oms_core.domain.money import Money
from oms_core.domain.order import Order
from oms_core.domain.scope import Scope

_MODULES: Final = (
    events,
    failure,
    fulfillment,
    line_item,
    money,
    operation,
    order,
    order_status,
    payment,
    quantities,
    returns,
    saga_position,
    scope,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_CLASSES: Final = (
    order.ShippingAddress,
    failure.FailureReason,
    line_item.LineItem,
    line_item.LineQuantity,
    line_item.Adjustment,
    payment.Authorization,
    payment.Capture,
    payment.Refund,
    payment.Payment,
    fulfillment.Tracking,
    fulfillment.Fulfillment,
    returns.ReceivedLine,
    returns.Receipt,
    returns.Return,
    operation.Operation,
    saga_position.Attention,
    saga_position.Wait,
    saga_position.StepJournal,
    saga_position.SagaPosition,
    events.HistoryEntry,
    order.Order,
)


def to_microseconds(instant: datetime) -> int:
    """Integer microseconds since 1970 UTC: exact, sortable, the same in every store."""
    return (instant - _EPOCH) // _MICROSECOND


def from_microseconds(count: int) -> datetime:
    """Turn microseconds since 1970 back into the instant."""
    return _EPOCH + timedelta(microseconds=count)


def to_document(an_order: Order) -> dict[str, Any]:
    """Return the order as a tree of JSON values."""
    document: dict[str, Any] = _CONVERTER.unstructure(an_order)
    return document


def from_document(document: Mapping[str, Any]) -> Order:
    """Read back what ``to_document`` made, by this version or an earlier one."""
    return _CONVERTER.structure(document, Order)


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=False)
    converter.register_unstructure_hook(datetime, to_microseconds)
    converter.register_structure_hook(datetime, lambda value, _: from_microseconds(value))
    converter.register_unstructure_hook(UUID, str)
    converter.register_structure_hook(UUID, lambda value, _: UUID(value))
    converter.register_unstructure_hook(Money, lambda value: [value.minor, value.currency])
    converter.register_structure_hook(Money, lambda value, _: Money(value[0], value[1]))
    converter.register_unstructure_hook(
        Scope, lambda value: [str(value.tenant_id), str(value.org_id)]
    )
    converter.register_structure_hook(Scope, lambda value, _: _scope(value[0], value[1]))
    converter.register_structure_hook_func(_is_mapping, lambda value, _: value)
    converter.register_unstructure_hook_func(_is_mapping, dict)
    converter.register_structure_hook_factory(_is_series, _structure_series)
    converter.register_structure_hook_factory(_is_optional, _structure_optional)
    names: dict[str, Any] = {"datetime": datetime, "UUID": UUID, "Mapping": Mapping}
    for module in _MODULES:
        names.update(vars(module))
    for cls in _CLASSES:
        attrs.resolve_types(cls, globalns=names)
        converter.register_unstructure_hook(
            cls, make_dict_unstructure_fn(cls, converter, _cattrs_omit_if_default=True)
        )
        converter.register_structure_hook(cls, make_dict_structure_fn(cls, converter))
    return converter


def _is_mapping(annotation: object) -> bool:
    """Tell whether the field holds a flat table of JSON scalars."""
    return get_origin(annotation) is Mapping


# cattrs' own hooks look up at each value how it is read; these do so once a type, which takes a
# fifth off reading an order.


def _is_series(annotation: object) -> bool:
    """Tell whether the field holds a tuple of any number of things of one type."""
    return get_origin(annotation) is tuple and get_args(annotation)[1:] == (...,)


def _structure_series(series: Any, converter: Converter) -> Callable[[Any, object], Any]:
    item = get_args(series)[0]
    hook = converter.get_structure_hook(item)
    return lambda values, _: tuple([hook(value, item) for value in values])


def _is_optional(annotation: object) -> bool:
    """Tell whether the field holds a thing of one type or nothing."""
    arguments = get_args(annotation)
    is_union = get_origin(annotation) in {Union, UnionType}
    return is_union and len(arguments) == 2 and NoneType in arguments  # noqa: PLR2004 - one, None


def _structure_optional(optional: Any, converter: Converter) -> Callable[[Any, object], Any]:
    (inner,) = (one for one in get_args(optional) if one is not NoneType)
    hook = converter.get_structure_hook(inner)
    return lambda value, _: None if value is None else hook(value, inner)


@lru_cache(maxsize=1_024)
def _scope(tenant_id: str, org_id: str) -> Scope:
    """Read ids that all orders of one tenant have in common."""
    return Scope(UUID(tenant_id), UUID(org_id))


_CONVERTER: Final = _make_converter()
