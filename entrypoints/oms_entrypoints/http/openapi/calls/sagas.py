"""The calls that show sagas to operators and let them decide how one goes on."""

from __future__ import annotations

from typing import Final

from oms_core import errors
from oms_core.application.steering import Steer
from oms_core.ports.authentication import Role
from oms_entrypoints.http import sagas
from oms_entrypoints.http.openapi.call import Answer, Operation
from oms_entrypoints.http.openapi.refusals import LIMIT, NOBODYS, STORE, invalid
from oms_entrypoints.http.saga_views import SagaListView, SteeredOrderView

_TAG: Final = "sagas"


def _steering(
    path: str,
    name: str,
    summary: str,
    *refusals: errors.OmsError,
    answer: str,
    says: str = "",
) -> Operation:
    """Describe what an operator decides of one saga; *refusals* are those of this decision."""
    return Operation(
        "POST",
        path,
        name,
        _TAG,
        summary,
        says=says,
        role=Role.ADMIN,
        body=Steer,
        answers=(Answer(200, answer, SteeredOrderView),),
        refusals=(
            *refusals,
            invalid("/reason", "is required"),
            errors.OrderNotFound(NOBODYS),
            *STORE,
        ),
    )


SAGA_CALLS: Final = (
    Operation(
        "GET",
        sagas.SAGAS,
        "listSagas",
        _TAG,
        "List orders whose work is under way, waits, is stuck or paused; oldest first.",
        role=Role.ADMIN,
        query=sagas.SagaListing,
        answers=(Answer(200, "The oldest of them.", SagaListView),),
        refusals=(LIMIT, *STORE),
    ),
    _steering(
        sagas.RETRY,
        "retrySaga",
        "Let an order that is stuck go on, after its cause was mended.",
        errors.NothingToSteer(NOBODYS),
        errors.NotPossible("retry", "The order is paused, and nothing of it needs mending."),
        answer="It goes on.",
        says="The step it stopped at is tried again at once, with all its attempts. So is a look "
        "at the payment that was put off while the provider was silent.",
    ),
    _steering(
        sagas.SKIP,
        "skipStep",
        "Say that a person did the step outside, or undid it.",
        errors.NotPossible("skip", "A worker is at step capture_payment just now."),
        answer="The next step follows.",
        says=(
            "Only for a step that is stuck, or one of a paused order, and only where a person can "
            "do the same: at the provider, or with the goods. The step is recorded as done by "
            "hand, and the next one follows. What is said of money is compared with the provider "
            "some minutes later, and the provider's word counts."
        ),
    ),
    _steering(
        sagas.COMPENSATE,
        "compensateSaga",
        "Have everything taken back that the order's saga has done.",
        errors.NotPossible("compensate", "Step ship_goods cannot be taken back; retry it."),
        answer="It is being taken back.",
        says=(
            "For a saga that waits, is stuck or paused. It begins with the present step, which "
            "may have had its effect. An order that was being placed fails; an operation that was "
            "asked of it later is refused."
        ),
    ),
    _steering(
        sagas.PAUSE,
        "pauseSaga",
        "Let nothing of the order begin, timers too.",
        errors.NotPossible("pause", "The order is paused already; resume it to let it go on."),
        answer="It is paused.",
        says=(
            "What a worker has under way is still recorded when it ends. What is asked of the "
            "order meanwhile is accepted, and waits."
        ),
    ),
    _steering(
        sagas.RESUME,
        "resumeSaga",
        "Let a paused order go on at once.",
        errors.NotPossible("resume", "The order is not paused: it moves by itself."),
        answer="It goes on.",
    ),
)
