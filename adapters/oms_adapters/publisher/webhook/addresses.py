"""Which addresses may be connected to: those of the public internet.

An endpoint's host is a stranger's choice. It could name a machine of ours (server-side request
forgery), or a name whose address changes between the look and the call (DNS rebinding). So the
address is checked after it was resolved, and what was checked is what is connected to.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final, TypeAlias

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

ADDRESSES_MAX: Final = 4
"""Of one name: how many are tried."""
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")


class ForbiddenAddress(OSError):
    """The host has an address that nothing is sent to."""


def is_public(address: Address) -> bool:
    """Tell whether *address* is one of the public internet, whatever form it hides in."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner_ipv4(address)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast


def fit(addresses: Sequence[str], *, allow_private: bool) -> Sequence[str]:
    """Return those of a name's *addresses* that are tried, if all are fit to be connected to.

    One address that is not makes all of them unfit: a name that has both is up to no good.

    Raises:
        ForbiddenAddress: one of them is private, loopback, link-local or otherwise not public.
    """
    if not allow_private and not all(map(_is_public_text, addresses)):
        raise ForbiddenAddress
    return addresses[:ADDRESSES_MAX]


def is_forbidden_literal(host: str) -> bool:
    """Tell whether *host* is written as an address, and one that is not public."""
    try:
        return not is_public(ipaddress.ip_address(host))
    except ValueError:
        return False


def _is_public_text(text: str) -> bool:
    try:
        return is_public(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return False


def _inner_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that is reached by way of *address*, if there is one."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64 or address in _IPV4_COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return None
