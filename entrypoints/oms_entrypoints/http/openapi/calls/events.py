"""The call that tells of everything that happens."""

from __future__ import annotations

from typing import Final

from oms_core import errors
from oms_core.ports.authentication import Role
from oms_entrypoints.http import events
from oms_entrypoints.http.openapi.call import Answer, Operation
from oms_entrypoints.http.openapi.refusals import LIMIT, STORE
from oms_entrypoints.http.query import EventListing
from oms_entrypoints.http.views import EventPageView

EVENT_CALLS: Final = (
    Operation(
        "GET",
        events.EVENTS,
        "readEvents",
        "events",
        "Read what happened, in order, from any position on.",
        says=(
            "Positions count 1, 2, 3 … per tenant and organization. None is missing, and none "
            "appears below one that was read before: whoever reads on from `next_after` misses "
            "nothing. An empty page means that nothing has happened since."
        ),
        role=Role.VIEWER,
        query=EventListing,
        answers=(Answer(200, "The next events.", EventPageView),),
        refusals=(LIMIT, errors.FeedSwitchedOff(), *STORE),
    ),
)
