"""Options that several commands have, and the types of their values."""

from __future__ import annotations

import re
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

import click

from oms_core.domain.rules import UuidText
from oms_core.domain.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from oms_entrypoints.config import Config

CommandT = TypeVar("CommandT", bound="Callable[..., Any]")

_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd]?)", re.ASCII)
_UNIT_S: Final = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


class UuidType(click.ParamType[UUID]):
    """A UUID in its canonical form."""

    name = "uuid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> UUID:
        """Read it."""
        wrong = UuidText().mistake(value)
        if wrong is not None:
            self.fail(wrong, param, ctx)
        return value if isinstance(value, UUID) else UUID(value)


class DurationType(click.ParamType[float]):
    """A length of time such as ``90``, ``15m``, ``12h`` or ``30d``; becomes seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it."""
        if isinstance(value, int | float):
            return float(value)
        found = _DURATION.fullmatch(value)
        if found is None or int(found[1]) == 0:
            self.fail("must be a length of time such as 90s, 15m, 12h or 30d", param, ctx)
        return float(int(found[1]) * _UNIT_S[found[2]])


UUID_TEXT: Final = UuidType()
DURATION: Final = DurationType()

with_config: Final = click.option(
    "-c",
    "--config",
    "config_file",
    metavar="FILE",
    help="Configuration file; default: $OMS_CONFIG, else oms.toml if it is here.",
)
as_json: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def with_scope(command: CommandT) -> CommandT:
    """Add --tenant and --org, which become ``scope``."""
    return _with_options(command, required=True)


def with_optional_scope(command: CommandT) -> CommandT:
    """Add --tenant and --org for both or neither; ``scope`` is ``None`` without them."""
    return _with_options(command, required=False)


def with_tenant_or_scope(command: CommandT) -> CommandT:
    """Add --tenant and --org, which narrow to a tenant, or to an organization of it."""
    from functools import wraps

    @click.option(
        "--tenant",
        type=UUID_TEXT,
        metavar="UUID",
        envvar="OMS_TENANT",
        help="Only this tenant; default: $OMS_TENANT, else all tenants.",
    )
    @click.option(
        "--org",
        type=UUID_TEXT,
        metavar="UUID",
        envvar="OMS_ORG",
        help="Only this organization of the tenant; default: $OMS_ORG.",
    )
    @wraps(command)
    def run(tenant: UUID | None, org: UUID | None, **arguments: Any) -> Any:
        if org is not None and tenant is None:
            raise click.UsageError("--org needs --tenant; name the organization's tenant too")
        return command(tenant=tenant, org=org, **arguments)

    return run  # type: ignore[return-value]


def read_config(config_file: str | None) -> Config:
    """Read the configuration: of the command's own --config, or of that before the command.

    Raises:
        ConfigurationError: every mistake in it.
    """
    from oms_entrypoints.config import load_config

    return load_config(config_file or click.get_current_context().find_root().obj)


def _with_options(command: CommandT, *, required: bool) -> CommandT:
    from functools import wraps

    @wraps(command)
    def run(tenant: UUID | None, org: UUID | None, **arguments: Any) -> Any:
        if (tenant is None) != (org is None):
            raise click.UsageError("--tenant and --org belong together; give both or neither")
        scope = Scope(tenant, org) if tenant is not None and org is not None else None
        return command(scope=scope, **arguments)

    options = [
        click.option(
            "--tenant",
            type=UUID_TEXT,
            metavar="UUID",
            required=required,
            envvar="OMS_TENANT",
            help="The tenant; default: $OMS_TENANT.",
        ),
        click.option(
            "--org",
            type=UUID_TEXT,
            metavar="UUID",
            required=required,
            envvar="OMS_ORG",
            help="The organization; default: $OMS_ORG.",
        ),
    ]
    return reduce(lambda decorated, option: option(decorated), reversed(options), run)  # type: ignore[return-value]
