"""Prints the contract of an inventory service: ``python -m oms_entrypoints.http.openapi``."""

from __future__ import annotations

import json
import sys

from oms_entrypoints.http.openapi.document import inventory_service_document

sys.stdout.write(json.dumps(inventory_service_document(), indent=2) + "\n")
