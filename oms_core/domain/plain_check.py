"""One function that says of a whole request that it is plainly right, made once a class.

Nearly every request is right, and to ask the rule of each field by a call of its own costs more
than all else that is done to read an order. So the rules' conditions are written one below the
other into the source of one function, as attrs writes ``__init__``. It never decides that a
request is wrong: what it does not find plainly right is left to the rules, which say why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def plain_check(fields: Iterable[tuple[str, Any, bool]]) -> Callable[[Any], bool]:
    """Make the function for fields, each a name, a rule and whether it may be null.

    For ``sku`` under ``Text()`` and ``customer_id`` under ``UuidText()``, which has no ``plain``
    condition and is asked itself, the source is::

        def is_plain(request):
            v = request.sku
            if not (type(v) is str and 1 <= len(v) <= 255 and v.isprintable()):
                return False
            v = request.customer_id
            if not (v is None or mistake_1(v) is None):
                return False
            return True
    """
    source = ["def is_plain(request):"]
    names: dict[str, Any] = {}
    for index, (name, rule, nullable) in enumerate(fields):
        condition = getattr(rule, "plain", None)
        if condition is None:
            names[f"mistake_{index}"] = rule.mistake
            condition = f"mistake_{index}(v) is None"
        if nullable:
            condition = f"v is None or {condition}"
        source += [
            f"    v = request.{name}",
            f"    if not ({condition}):",
            "        return False",
        ]
    source.append("    return True")
    exec("\n".join(source), names)  # noqa: S102 - made of our own rules' conditions alone
    return cast("Callable[[Any], bool]", names["is_plain"])
