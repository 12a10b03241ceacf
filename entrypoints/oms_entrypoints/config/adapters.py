"""The payment adapters that a configuration may name, and the options each has."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from oms_entrypoints.config.payment_options import (
    AdyenOptions,
    PaypalOptions,
    SimulatedOptions,
    StripeOptions,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

ENTRY_POINT_GROUP: Final = "oms_core.payment_providers"
"""Where installed distributions announce adapters: an entry point's name is the adapter's name,
its object a function ``(name, options)`` that returns a ``PaymentProvider``. *name* is the name
of the account, *options* a dictionary of what stands in its table, secrets fetched; what any
account may have (``adapter``, ``tenants``, ``capture``, ``renew_before_s``) is not in it. It
raises ``ValueError`` with a sentence about an option it does not accept."""

OUR_ADAPTERS: Final[Mapping[str, type]] = MappingProxyType(
    {
        "simulated": SimulatedOptions,
        "stripe": StripeOptions,
        "paypal": PaypalOptions,
        "adyen": AdyenOptions,
    }
)


def is_known(adapter: str) -> bool:
    """Tell whether a configuration may use the adapter."""
    return adapter in OUR_ADAPTERS or adapter in _installed()


def options_of(adapter: str) -> type | None:
    """Return the class of an adapter's options; ``None``: it checks them itself."""
    return OUR_ADAPTERS.get(adapter)


def known_adapters() -> tuple[str, ...]:
    """List the names that a configuration may use."""
    return tuple(sorted({*_installed(), *OUR_ADAPTERS}))


def _installed() -> set[str]:
    # Imported late: few configurations name an adapter that is not ours, and it takes a while.
    from importlib.metadata import entry_points  # noqa: PLC0415

    return {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
