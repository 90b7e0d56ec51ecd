"""Tables of documents: nothing lost, nothing over another, in reading order, titles on every page."""

import re
from pathlib import Path

from reportlab.platypus import Spacer

from fixtures.passports import tool
from station.documents.rows import Rows
from station.documents.setting import RULE, WIDTH, Paper, Setter, set_pages

PAPER = Paper(lambda canvas: None, lambda canvas: None, lambda canvas, page, pages: None, 60.0)
SET = Setter("#0b6e6e")
LONG = "Several lines of words that stay together. " * 9


def printed(folder: Path, *story: object) -> Path:
    (folder / "t.pdf").write_bytes(set_pages(PAPER, story))
    return folder / "t.pdf"


def grid(rows: int) -> Rows:
    return SET.grid(("first", "second"), [[(f"a{n}", "value"), (f"b{n}", "strong")] for n in range(rows)], (0.4, 0.6))


def pages_of(pdf: Path) -> list[list[str]]:
    return [page.split() for page in tool("pdftotext", "-raw", pdf, "-").split("\f")[:-1]]


def test_long_table_repeats_its_titles_and_loses_no_row(tmp_path: Path) -> None:
    pages = pages_of(printed(tmp_path, grid(120)))
    assert len(pages) > 2
    assert all(page[:2] == ["first", "second"] for page in pages)
    assert [word for page in pages for word in page[2:]] == [word for n in range(120) for word in (f"a{n}", f"b{n}")]


def test_titles_never_stand_alone_at_the_foot(tmp_path: Path) -> None:
    """Not for any height that is left on the page."""
    room = 841 - 60 - 48
    for left in range(10, 44, 3):
        pages = pages_of(printed(tmp_path, Spacer(1, room - left), grid(2)))
        assert sum(page.count("first") for page in pages) == len([page for page in pages if page])
        assert all(page[-1] != "second" for page in pages if page)


def test_value_of_several_lines_pushes_the_next_row_down(tmp_path: Path) -> None:
    pdf = printed(tmp_path, SET.pairs([("one", (LONG, "value")), ("two", ("next", "value"))]))
    boxes = re.findall(
        r'yMin="([\d.]+)" xMax="[\d.]+" yMax="([\d.]+)">(\S+?)</word>', tool("pdftotext", "-bbox", pdf, "-")
    )
    assert len([1 for *_, word in boxes if word == "Several"]) == 9
    assert boxes[-1][2] == "next"
    assert float(boxes[-1][0]) > max(float(bottom) for _, bottom, word in boxes if word == "together.")


def test_pairs_in_two_columns_read_row_by_row_also_when_odd(tmp_path: Path) -> None:
    values = [(f"n{number}", (f"v{number}", "value")) for number in range(5)]
    assert pages_of(printed(tmp_path, SET.columns(values))) == [
        ["n0", "v0", "n3", "v3", "n1", "v1", "n4", "v4", "n2", "v2"]
    ]


def test_table_takes_the_room_that_it_says(tmp_path: Path) -> None:
    table = grid(7)
    width, height = table.wrap(0, 0)
    first, rest = table.split(width, height - 1)
    assert (width, RULE.hexval()) == (WIDTH, "0xd9e0e6")
    assert first.wrap(0, 0)[1] < height < first.wrap(0, 0)[1] + rest.wrap(0, 0)[1]
    assert table.split(width, height) == [table]
