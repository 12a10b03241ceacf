"""What a server says of its readiness: open to everybody, so names that are configured at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from oms_entrypoints.http.views import Shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oms_core.application.provider_gate import Refusing


class ReadyView(TypedDict):
    """The server can take requests."""

    status: Literal["ok"]
    payment_providers_refusing_us: Annotated[
        list[str],
        Shown(
            "Configured payment accounts that refuse the server's credentials, as it has last "
            "heard from them. Orders are accepted, and wait. Usually empty."
        ),
    ]


def ready_view(refusing: Iterable[Refusing]) -> ReadyView:
    """Show that all is well here, and with whom it is not."""
    return {
        "status": "ok",
        "payment_providers_refusing_us": sorted({one.account.name for one in refusing}),
    }
