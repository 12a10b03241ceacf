"""A configuration file with every setting, its meaning and its default."""

from __future__ import annotations

import textwrap
from typing import Final

from oms_entrypoints.config.adapters import OUR_ADAPTERS
from oms_entrypoints.config.document import PREFIX
from oms_entrypoints.config.payment_options import SimulatedOptions
from oms_entrypoints.config.rules import Setting, TableOf, TablesOf, UuidName, settings_of
from oms_entrypoints.config.sections import AccountPolicy, Config

_TENANT: Final = "11111111-1111-4111-8111-111111111111"
_HEAD: Final = f"""\
# Every setting, with its default. Lines that begin with # change nothing: take the mark away.
# {PREFIX}SERVER__PORT=8081 in the environment overrides port in [server], and so on.
"""


def example_file() -> str:
    """Write the file. With all marks left in place it means the same as no file at all."""
    parts = [_HEAD]
    for section in settings_of(Config):
        if isinstance(section.rule, TableOf):
            parts.append(_table(section.rule.cls, section.name))
        elif section.name == "payments":
            parts.append(_payments())
    return "\n".join(parts)


def _table(cls: type, name: str, *, optional: bool = False) -> str:
    mark = "# " if optional else ""
    lines = [*_comment(cls.__doc__ or ""), f"{mark}[{name}]"]
    inner = []
    for setting in settings_of(cls):
        if isinstance(setting.rule, TablesOf):
            key = _TENANT if isinstance(setting.rule.names, UuidName) else "NAME"
            inner.append(_table(setting.rule.cls, f"{name}.{setting.name}.{key}", optional=True))
            continue
        lines += _comment(setting.says)
        lines.append(f"# {setting.name} = {_value(setting)}")
    return "\n".join([*lines, "", *inner])


def _payments() -> str:
    options = _options(SimulatedOptions)
    others = [
        line
        for adapter, cls in OUR_ADAPTERS.items()
        if cls is not SimulatedOptions
        for line in (
            *_comment(cls.__doc__ or ""),
            f"# [payments.{adapter}]",
            f'# adapter = "{adapter}"',
            *_options(cls),
            "",
        )
    ]
    return "\n".join(
        [
            *_comment(
                "Payment providers by the name that orders use. As soon as one is configured, "
                "only those that are configured exist."
            ),
            "[payments.simulated]",
            *_comment("One of those below, or the name of an installed adapter."),
            'adapter = "simulated"',
            *_options(AccountPolicy),
            *options,
            "",
            *_comment("A tenant's own options, laid over those above."),
            f"# [payments.simulated.tenants.{_TENANT}]",
            "",
            *others,
        ]
    )


def _options(cls: type) -> list[str]:
    return [
        line
        for setting in settings_of(cls)
        for line in (*_comment(setting.says), f"# {setting.name} = {_value(setting)}")
    ]


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, width=96)]


def _value(setting: Setting) -> str:
    """Write the default, or the example if there is none, as TOML."""
    match setting.default:
        case _ if setting.example:
            return f'"{setting.example}"'
        case str() as text:
            return f'"{text}"'
        case bool() as switch:
            return str(switch).lower()
        case float() as number:
            return f"{number:g}"
        case value:
            return str(value)
