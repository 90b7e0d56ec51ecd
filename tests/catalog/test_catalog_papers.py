"""A product's number in trade, its papers and evidence are refused where no passport could say them (F-I3)."""

import pytest

from fixtures.demo.place import CATALOG
from station.catalog.conformity import MOST, EvidenceRule, PaperRule, paper_problems
from station.catalog.products import Product
from station.errors import ConfigError
from station.strict import parse, toml_table

PAPER = PaperRule("EU declaration of conformity", "DoC-1", "ab" * 32, "CE")
RULE = EvidenceRule("EN 18031-1 SUM", "flash")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": ""}, "kind: must be 1 to 200"),
        ({"number": " DoC"}, "number: must be"),
        ({"sha256": "AB" * 32}, "sha256: 64 digits"),
        ({"marking": "C\x07E"}, "marking: must be"),
    ],
)
def test_paper_that_could_not_be_found_again_is_refused(change: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        PaperRule(**{"kind": "x", "number": "1", "sha256": "ab" * 32, **change})


def test_evidence_needs_clause_and_check() -> None:
    with pytest.raises(ValueError, match="check: must be"):
        EvidenceRule("EN 18031-1", "x" * 201)


def test_what_stands_twice_or_is_too_much_is_told() -> None:
    assert list(paper_problems((PAPER,), (RULE, EvidenceRule("EN 18031-1 SUM", "update")))) == []
    assert list(paper_problems((PAPER, PAPER), (RULE, RULE))) == [
        "paper: EU declaration of conformity DoC-1 stands twice",
        "evidence: flash speaks for EN 18031-1 SUM twice",
    ]
    many = tuple(PaperRule("x", str(number), "ab" * 32) for number in range(MOST + 1))
    assert list(paper_problems(many, ())) == [f"paper: at most {MOST} are expected, not {MOST + 1}"]


def test_number_in_trade_needs_its_check_digit() -> None:
    text = (CATALOG / "products" / "ac22" / "product.toml").read_text()
    assert parse(Product, toml_table(text.encode(), "x"), "x").gtin == "9521141000014"
    wrong = text.replace("9521141000014", "9521141000015")
    with pytest.raises(ConfigError, match="gtin: "):
        parse(Product, toml_table(wrong.encode(), "x"), "x")
