"""``oms token``: tokens for clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from oms_core.ports.authentication import Principal, Role
from oms_entrypoints.cli.options import DURATION, read_config, with_config, with_scope

if TYPE_CHECKING:
    from oms_core.domain.scope import Scope
    from oms_entrypoints.config import Config


@click.command(short_help="Print a token for a client.")
@with_config
@with_scope
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role], case_sensitive=False),
    metavar="[VIEWER|EDITOR|ADMIN]",
    default=Role.EDITOR.value,
    show_default=True,
)
@click.option("--subject", default="operator", show_default=True, help="Who the client is.")
@click.option(
    "--ttl", type=DURATION, default="12h", show_default=True, help="How long it is good for."
)
@click.option("--curl", is_flag=True, help="Print a curl command that uses it, ready to paste.")
@click.option(
    "--static",
    is_flag=True,
    help="Make a token without an end, and the lines that let the configuration know it.",
)
def token(
    config_file: str | None,
    scope: Scope,
    role: str,
    subject: str,
    ttl: float,
    curl: bool,
    static: bool,
) -> None:
    """Print a token that the server accepts, and nothing else.

    It is signed with the secret in the configuration, or with the one beside the store.
    """
    from oms_entrypoints import bootstrap

    if not subject or not subject.isprintable():
        raise click.BadParameter("must be a name on one line", param_hint="--subject")
    config = read_config(config_file)
    if static:
        click.echo(_static(scope, Role(role), subject))
        return
    principal = Principal(subject, scope, Role(role))
    minted = bootstrap.mint_token(config, principal, lifetime_s=ttl)
    click.echo(_curl(config, scope, minted) if curl else minted)


def _curl(config: Config, scope: Scope, minted: str) -> str:
    from oms_entrypoints.cli.curl import curl_get

    host = "127.0.0.1" if config.server.host in {"0.0.0.0", "::"} else config.server.host  # noqa: S104
    return curl_get(
        f"http://{host}:{config.server.port}/api/v1/oms/orders", token=minted, scope=scope
    )


def _static(scope: Scope, role: Role, subject: str) -> str:
    import json

    from oms_entrypoints import bootstrap

    made, hashed = bootstrap.new_static_token()
    return "\n".join(
        [
            "# Give this to the client. It is shown only now:",
            f"# {made}",
            f"[auth.tokens.{json.dumps(subject, ensure_ascii=False)}]",
            f'hash = "{hashed}"',
            f'tenant = "{scope.tenant_id}"',
            f'org = "{scope.org_id}"',
            f'role = "{role}"',
        ]
    )
