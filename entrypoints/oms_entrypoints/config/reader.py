"""Turns the written configuration into checked settings: strict, and all mistakes at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

from attrs import evolve

from oms_core.errors import ConfigurationError
from oms_entrypoints.config.adapters import is_known, known_adapters, options_of
from oms_entrypoints.config.rules import (
    SettingRule,
    TableOf,
    TablesOf,
    UuidName,
    settings_of,
)
from oms_entrypoints.config.secret import resolve
from oms_entrypoints.config.sections import AccountPolicy, Config, PaymentAccount
from oms_entrypoints.config.similar import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from oms_entrypoints.config.document import Document
    from oms_entrypoints.config.rules import AnyRule

_POLICY: Final = tuple(setting.name for setting in settings_of(AccountPolicy))
_OF_ANY_ACCOUNT: Final = ("adapter", "tenants", *_POLICY)
"""What may stand in an account's table besides its adapter's own options."""

T = TypeVar("T")
Path: TypeAlias = "tuple[str, ...]"


def read(document: Document) -> Config:
    """Make the configuration that *document* asks for.

    Raises:
        ConfigurationError: every mistake, a sentence each, with the setting and its line.
    """
    reader = _Reader(document)
    config = reader.table(Config, document.tree, ())
    if reader.mistakes:
        raise ConfigurationError(sentence for _, sentence in sorted(reader.mistakes))
    return evolve(cast("Config", config), file=document.file)


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self.mistakes: list[tuple[tuple[int, str], str]] = []

    def table(
        self, cls: type[T], table: object, path: Path, *, beside: Sequence[str] = ()
    ) -> T | None:
        """Read one table of settings; ``None`` after a mistake."""
        given = self._given(cls, table, path, beside=beside)
        return None if given is None else self._checked(cls(**given), path)

    def _given(
        self,
        cls: type,
        table: object,
        path: Path,
        *,
        may_lack: bool = False,
        beside: Sequence[str] = (),
    ) -> dict[str, Any] | None:
        """Read the settings that stand in a table; ``None`` after a mistake.

        *beside* are names that may stand there too, and are read elsewhere.
        """
        if not isinstance(table, Mapping):
            self._wrong(path, "must be a table of settings")
            return None
        before = len(self.mistakes)
        settings = settings_of(cls)
        self._refuse_unknown(table, [*(setting.name for setting in settings), *beside], path)
        given = {}
        for setting in settings:
            inner = (*path, setting.name)
            if setting.name in table:
                given[setting.name] = self._value(setting.rule, table[setting.name], inner)
            elif setting.required and not may_lack:
                self._wrong(inner, f"is missing: {setting.says}")
        return None if len(self.mistakes) > before else given

    def _checked(self, made: T, path: Path) -> T:
        """Take down what the settings of a table, each good, are together."""
        for name, wrong in getattr(made, "mistakes", list)():
            self._wrong((*path, *name.split(".")), wrong)
        return made

    def _value(self, rule: AnyRule, value: object, path: Path) -> Any:
        if isinstance(rule, TableOf):
            return self.table(rule.cls, value, path)
        if isinstance(rule, TablesOf):
            return self._tables(rule, value, path)
        try:
            return rule.read(value, self._document.place(path))
        except ValueError as wrong:
            self._wrong(path, str(wrong))
            return None

    def _tables(self, rule: TablesOf, value: object, path: Path) -> Mapping[Any, Any]:
        if not isinstance(value, Mapping):
            self._wrong(path, "must be a table of tables, each under a name")
            return {}
        if rule.one_at_least and not value:
            self._wrong(path, f"must have at least one table, such as [{path[-1]}.NAME]")
        made = {}
        for key, table in value.items():
            inner = (*path, key)
            name = self._name(key, inner, rule.names)
            if rule.cls is PaymentAccount:
                made[name] = self._account(table, inner)
            else:
                made[name] = self.table(rule.cls, table, inner)
        return made

    def _name(self, key: str, path: Path, rule: SettingRule) -> Any:
        try:
            return rule.read(key, self._document.place(path))
        except ValueError as wrong:
            self._wrong(path, f"has a name that {wrong}")
            return key

    # -- payment accounts: which settings there are depends on the adapter ------------------

    def _account(self, table: object, path: Path) -> PaymentAccount | None:
        if not isinstance(table, Mapping):
            self._wrong(path, "must be a table of settings")
            return None
        adapter = table.get("adapter")
        if not isinstance(adapter, str) or not is_known(adapter):
            known = known_adapters()
            hint = did_you_mean(adapter, known) if isinstance(adapter, str) else ""
            said = f"must name an installed adapter; known: {', '.join(known)}{hint}"
            self._wrong((*path, "adapter"), said)
            return None
        cls = options_of(adapter)
        own_tables = table.get("tenants", {})
        if not isinstance(own_tables, Mapping):
            self._wrong((*path, "tenants"), "must be a table of tables, each under a tenant's UUID")
            return None
        policy = self._policy(AccountPolicy(), table, path)
        options = self._options(cls, _without(_OF_ANY_ACCOUNT, table), path)
        tenants, policies = {}, {}
        for key, own in own_tables.items():
            inner = (*path, "tenants", key)
            tenant: UUID = self._name(key, inner, UuidName())
            policies[tenant] = self._policy(policy, own, inner)
            own_options = _without(_POLICY, own) if isinstance(own, Mapping) else own
            tenants[tenant] = self._own_options(cls, options, own_options, inner)
        return PaymentAccount(str(adapter), options, tenants, policy, policies)

    def _policy(self, common: AccountPolicy, table: object, path: Path) -> AccountPolicy:
        """Lay what a table says of any account's payments over the *common* policy."""
        if not isinstance(table, Mapping):
            return common
        written = {name: table[name] for name in _POLICY if name in table}
        given = self._given(AccountPolicy, written, path)
        return common if given is None else evolve(common, **given)

    def _options(self, cls: type | None, table: object, path: Path) -> Any:
        if cls is None:
            return self._foreign_options(table, path)
        return self.table(cls, table, path, beside=_OF_ANY_ACCOUNT)

    def _own_options(self, cls: type | None, common: Any, own: object, path: Path) -> Any:
        """Lay a tenant's own options over the common ones; it need not repeat any."""
        if cls is None:
            foreign = self._foreign_options(own, path)
            return None if common is None or foreign is None else {**common, **foreign}
        given = self._given(cls, own, path, may_lack=True, beside=_POLICY)
        if common is None or given is None:
            return None
        return self._checked(evolve(common, **given), path)

    def _foreign_options(self, table: object, path: Path) -> dict[str, Any] | None:
        """Take options that only their adapter understands; secrets are fetched for it."""
        if not isinstance(table, Mapping):
            self._wrong(path, "must be a table of settings")
            return None
        options: dict[str, Any] = {}
        for name, value in table.items():
            options[name] = value
            if isinstance(value, str) and value.startswith(("env:", "file:")):
                place = self._document.place((*path, name))
                try:
                    options[name] = resolve(
                        value, environment=place.environment, folder=place.folder
                    ).value
                except ValueError as wrong:
                    self._wrong((*path, name), str(wrong))
        return options

    # ---------------------------------------------------------------------------------------

    def _refuse_unknown(self, table: Mapping[str, Any], known: Sequence[str], path: Path) -> None:
        within = "".join(f"{part}." for part in path)
        for name in table:
            if name not in known:
                what = "is not a setting" if path else "is not a section"
                self._wrong((*path, name), what + did_you_mean(name, known, within=within))

    def _wrong(self, path: Path, what: str) -> None:
        order = self._document.where(path)
        name = ".".join(part if part.isprintable() else ascii(part) for part in path)
        end = "" if what.endswith(("?", ".")) else "."
        self.mistakes.append((order, f"{order[1]}: {name} {what}{end}"))


def _without(names: Sequence[str], table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name not in names}
