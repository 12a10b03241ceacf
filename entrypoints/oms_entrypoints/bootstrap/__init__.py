"""Puts the system together as the configuration says: the only package that picks adapters.

Each adapter is imported when it is asked for, so that what is not used need not be installed.
"""

from oms_entrypoints.bootstrap.authentication import (
    make_authenticator,
    mint_token,
    new_static_token,
)
from oms_entrypoints.bootstrap.carrying import carry_sqlite_to_mongodb
from oms_entrypoints.bootstrap.live_check import Checked, check_live
from oms_entrypoints.bootstrap.migrating import migrate_store
from oms_entrypoints.bootstrap.stores import Store, open_store
from oms_entrypoints.bootstrap.system import audit_simulated, check, open_system

__all__ = [
    "Checked",
    "Store",
    "audit_simulated",
    "carry_sqlite_to_mongodb",
    "check",
    "check_live",
    "make_authenticator",
    "migrate_store",
    "mint_token",
    "new_static_token",
    "open_store",
    "open_system",
]
