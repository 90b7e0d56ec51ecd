"""Passports of random data, from the shortest to the longest, in all languages, judged by veraPDF and pdfsig (F-I5).

`PASSPORT_SAMPLES=100` makes a campaign of it.
"""

import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.passports import SampleRecords, tool, verapdf
from fixtures.samples import metered_unit
from station.documents.passport import StepResult, passport_document
from station.documents.wording import languages
from station.model import Measurement, UnitRecord

LETTERS = "ABCabc 0123456789äöüßéŁłńřŠžőığ ΑΩαωЖя^~_\\<&>\"'°µΩ€–—…()[]{}/-+"
COUNT = int(os.environ.get("PASSPORT_SAMPLES", "3"))


@pytest.mark.timeout(120 + 5 * COUNT)
def test_random_passports_are_archive_documents(sample: Callable[..., UnitRecord], tmp_path: Path) -> None:
    choose, factory, paths = random.Random(2026), SampleRecords(), []

    def text(longest: int) -> str:
        return "x" + "".join(choose.choices(LETTERS, k=choose.randrange(longest)))

    for number in range(COUNT):
        plain = sample(choose.randint(1, 8))
        unit = replace(
            metered_unit() if number % 3 == 2 else plain,
            customer=text(400),
            vendor=text(80),
            model=text(40),
            firmware=text(60),
            certificate_subject=text(3000),
            ratings={text(60): text(300) for _ in range(choose.randrange(20))},
            not_shown_by_hardware=tuple(text(500) for _ in range(choose.randrange(5))),
        )
        steps = [StepResult(text(30), "PASS", choose.random() * 100) for _ in range(choose.randrange(15))]
        taken = [
            Measurement(text(60), choose.choice([text(80), 1.5, True]), text(4)) for _ in range(choose.randrange(30))
        ]
        paths.append(tmp_path / f"{number}.pdf")
        paths[-1].write_bytes(factory.passport(passport_document(unit, steps, taken), choose.choice(languages())))
    assert verapdf(*paths).split() == [word for path in paths for word in (str(path), "true")]
    told = [tool("pdfsig", "-nocert", path) for path in paths]
    assert [("Signature is Valid" in one, "Total document signed" in one) for one in told] == [(True, True)] * COUNT
