"""Documents in a SQLite file are the same with orjson and without it."""

import json
import runpy
import sys
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.sqlite import json_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    """The module as it is where the core alone is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "orjson", None)
        return runpy.run_path(json_text.__file__)


def test_the_two_are_not_the_same(plain: dict[str, Any]) -> None:
    assert plain["from_json"] is json.loads
    assert json_text.from_json is orjson.loads


@given(DOCUMENTS)
def test_each_reads_what_the_other_wrote(plain: dict[str, Any], document: Any) -> None:
    ours, theirs = json_text.to_json(document), plain["to_json"](document)

    assert json_text.from_json(theirs) == plain["from_json"](ours) == document


def test_what_orjson_refuses_is_written_all_the_same() -> None:
    """SQLite refuses half a surrogate pair then, whoever wrote the text."""
    assert json_text.to_json(["\ud800", 2**70]) == '["\ud800",1180591620717411303424]'
