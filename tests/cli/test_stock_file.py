"""What spreadsheets and people save as CSV: read as it is meant, or refused by line."""

import pytest

from oms_core import AdjustStock
from oms_entrypoints.cli.stock_file import BadFile, read_stock_file

GOOD = [
    (2, AdjustStock("CRUNCHY-ARMCHAIR", 100, "received", "default")),
    (3, AdjustStock('SOFA "XL", red', 2, "received", "Lager 2")),
]
TEXT = 'sku,quantity,location\nCRUNCHY-ARMCHAIR,100,\n"SOFA ""XL"", red",2,Lager 2\n'


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        b'SKU; Quantity ;LOCATION\nCRUNCHY-ARMCHAIR;100;\n"SOFA ""XL"", red";2;Lager 2',
        b'quantity\tlocation\tsku\n100\t\tCRUNCHY-ARMCHAIR\n2\tLager 2\t"SOFA ""XL"", red"\n',
    ],
    ids=["utf-8", "mark", "utf-16", "windows", "old mac", "semicolons", "tabs"],
)
def test_the_same_stock_is_read_however_it_was_saved(content: bytes) -> None:
    read = read_stock_file(content)

    assert list(read.rows) == GOOD
    assert read.key_of(0, "") == read_stock_file(TEXT.encode()).key_of(0, "")


def test_another_encoding_is_read_if_it_is_named() -> None:
    content = "sku,quantity\nStühlchen,1\n".encode("cp1252")

    assert read_stock_file(content, encoding="cp1252").rows[0][1].sku == "Stühlchen"


def test_blank_lines_and_lines_of_empty_cells_are_left_out() -> None:
    read = read_stock_file(b"\nsku,quantity\n\nARMCHAIR,1\n,\n\nSOFA,2\n\n")

    assert [(line, request.sku) for line, request in read.rows] == [(4, "ARMCHAIR"), (7, "SOFA")]


def test_a_reason_may_be_given_for_each_row() -> None:
    read = read_stock_file(b"sku,quantity,reason\nARMCHAIR,1,delivery 4711\nSOFA,1,\n")

    assert [request.reason for _, request in read.rows] == ["delivery 4711", "received"]


def test_each_row_has_a_key_of_its_own_even_if_it_says_the_same() -> None:
    read = read_stock_file(b"sku,quantity\nARMCHAIR,1\nARMCHAIR,1\n")

    assert len({read.key_of(0, ""), read.key_of(1, ""), read.key_of(0, "again")}) == 3


def test_a_changed_row_changes_all_keys() -> None:
    """A file that was corrected is another delivery: its rows do not pass for booked ones."""
    one = read_stock_file(b"sku,quantity\nARMCHAIR,1\nSOFA,1\n")
    other = read_stock_file(b"sku,quantity\nARMCHAIR,1\nSOFA,2\n")

    assert one.key_of(0, "") != other.key_of(0, "")


HEADER_ADVICE = (
    "The first line must name the columns sku and quantity, and may name location and reason"
)
WHOLE = "quantity must be a whole number such as 100, without signs, spaces or separators"
BAD = {
    b"": [
        (
            "line 1: is empty; the first line must name the columns sku and quantity, and may name "
            "location and reason"
        )
    ],
    b"sku,quantity\n": ["line 1: only a header: there is nothing to import"],
    b"ARMCHAIR,1\n": [
        (
            "line 1: there is no column 'armchair'; there is no column '1'; the column sku is "
            f"missing; the column quantity is missing. {HEADER_ADVICE}"
        )
    ],
    b"sku,quantty\nA,1\n": [
        (
            "line 1: there is no column 'quantty'; did you mean quantity?; the column quantity is "
            f"missing. {HEADER_ADVICE}"
        )
    ],
    b"sku,quantity,sku\n": [f"line 1: the column sku is there twice. {HEADER_ADVICE}"],
    b"sku,quantity\n,1\n": ["line 2: sku must not be empty"],
    b"sku,quantity\nA,\n": ["line 2: quantity is missing"],
    b"sku,quantity\nA,0\n": ["line 2: quantity must be from 1 to 1000000000"],
    b"sku,quantity\nA,-5\n": [f"line 2: {WHOLE}"],
    b"sku,quantity\nA,1.0\n": [f"line 2: {WHOLE}"],
    b"sku;quantity\nA;1,000\n": [f"line 2: {WHOLE}"],
    b"sku,quantity\nA,1_0\n": [f"line 2: {WHOLE}"],
    "sku,quantity\nA,٣\n".encode(): [f"line 2: {WHOLE}"],
    b"sku,quantity\nA,9999999999\n": ["line 2: quantity must be from 1 to 1000000000"],
    b"sku,quantity\nA\n": ["line 2: has 1 cell, but the header names 2 columns"],
    b"sku,quantity\nA,1,x\n": ["line 2: has 3 cells, but the header names 2 columns"],
    b"sku,quantity\nA\x00,1\n": [
        ("line 2: sku must not contain control or other unprintable characters")
    ],
    b'sku,quantity\n"A\nB",1\nC,x\n': [
        "line 2: sku must not contain control or other unprintable characters",
        f"line 4: {WHOLE}",
    ],
    b'sku,quantity\nA,"1\nB,2\n': [
        ("line 2: cannot be read as CSV (unexpected end of data); look at its quotation marks")
    ],
    b'sku,quantity\n"A"x,1\nB,0\n': [
        ("line 2: cannot be read as CSV (',' expected after '\"'); look at its quotation marks"),
        "line 3: quantity must be from 1 to 1000000000",
    ],
    b"sku,quantity\nA,1\n\xff,2\n": [
        (
            "line 3: is not UTF-8 text; save the file as UTF-8, or name "
            "its encoding with --encoding, such as cp1252"
        )
    ],
    b",x\n" + b"A" * 300: [
        (
            "line 1: there is no column ''; there is no column 'x'; the column sku "
            f"is missing; the column quantity is missing. {HEADER_ADVICE}"
        )
    ],
}


@pytest.mark.parametrize(("content", "expected"), BAD.items())
def test_every_bad_row_is_told_by_its_line(content: bytes, expected: list[str]) -> None:
    with pytest.raises(BadFile) as refused:
        read_stock_file(content)

    assert [str(row) for row in refused.value.rows] == expected


def test_all_bad_rows_of_a_long_file_are_told() -> None:
    rows = b"".join(b"A,%d\n" % (number % 2) for number in range(5_000))

    with pytest.raises(BadFile) as refused:
        read_stock_file(b"sku,quantity\n" + rows)

    assert [row.line for row in refused.value.rows] == list(range(2, 5_002, 2))
