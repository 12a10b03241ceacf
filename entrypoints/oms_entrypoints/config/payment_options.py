"""What each payment adapter of ours asks for in its table of the configuration."""

from __future__ import annotations

from attrs import frozen

from oms_entrypoints.config.rules import SecretReference, setting
from oms_entrypoints.config.secret import Secret


@frozen
class SimulatedOptions:
    """The simulated provider, which moves nobody's money."""

    webhook_secret: Secret | None = setting(
        SecretReference(),
        default=None,
        example="env:OMS_WEBHOOK_SECRET",
        says="Signs notifications; env:NAME or file:PATH.",
    )
