"""The pages of the commissioning pack, put together from what the units have in common."""

from dataclasses import dataclass
from datetime import datetime

from station.batches.commissioning import CONFIGURED, SHOWN, Gathered, Texts, openings, renewals, texts
from station.documents.brand import Brand
from station.documents.pack import Pack, Section, render_pack
from station.documents.wording import wording

COMMON = ("endpoint", "ocpp_version", "security_profile", "firmware", *CONFIGURED)
"""What the pages show of the factory's values, where there is a word for it."""


@dataclass(frozen=True)
class About:
    """Which batch the pages are of."""

    batch: str
    order: str
    made_at: datetime
    brand: Brand


def pack_pages(about: About, gathered: Gathered, language: str) -> bytes:
    """Return the pages of a batch's commissioning pack as PDF/A-3b.

    Raises:
        ConfigError: There is no such language.
        StationError: A name is in a writing that the typeface can't print.
    """
    words = texts(language)
    return render_pack(
        Pack(
            title=words("title"),
            subject=words("subject", order=about.order, units=gathered.units),
            vendor=", ".join(gathered.each("vendor")),
            language=language,
            batch=about.batch,
            page=words.text["page"],
            at=about.made_at,
            sections=(
                _batch(about, gathered, words, language),
                _network(gathered, words),
                Section(words("validated"), words("validated_note"), lines=tuple(gathered.not_shown)),
                _factory(gathered, words),
                _steps(words),
                _renewals(gathered, words, language),
                _blanks(words),
                *(Section(each.title, lines=each.line) for each in words.instruction),
            ),
            brand=about.brand,
        )
    )


def _batch(about: About, gathered: Gathered, words: Texts, language: str) -> Section:
    pairs = (
        (words("batch"), about.batch),
        (words("order"), about.order),
        (words("customer"), ", ".join(gathered.each("customer"))),
        (words("units"), str(gathered.units)),
        (words("serials"), words("range", first=gathered.first, last=gathered.last)),
        (words("models"), _several(gathered.each("model"), words)),
        (words("made"), wording(language).moment(about.made_at.isoformat())),
    )
    return Section(words("batch"), words("about"), pairs=pairs)


def _network(gathered: Gathered, words: Texts) -> Section:
    columns = (words("to"), words("port"), words("purpose"))
    return Section(
        words("network"), words("network_note"), columns=columns, rows=openings(gathered, words),
        widths=(0.38, 0.16, 0.46),
    )  # fmt: skip


def _factory(gathered: Gathered, words: Texts) -> Section:
    named = [(words.facts[name], gathered.each(name)) for name in COMMON if name in words.facts]
    return Section(words("set"), pairs=[(name, _several(values, words)) for name, values in named if values])


def _several(values: list[str], words: Texts) -> str:
    return ", ".join(values) if len(values) <= SHOWN else words("several", count=len(values))


def _steps(words: Texts) -> Section:
    rows = [(step.phase, step.what, words.owners[step.owner]) for step in words.step]
    return Section(
        words("steps"), columns=(words("phase"), words("step"), words("owner")), rows=rows, widths=(0.18, 0.66, 0.16)
    )


def _renewals(gathered: Gathered, words: Texts, language: str) -> Section:
    rows = renewals(gathered, words, wording(language).day(gathered.ends))
    columns = (words("what"), words("owner"), words("way"), words("when"))
    return Section(words("renewals"), columns=columns, rows=rows, widths=(0.26, 0.14, 0.26, 0.34))


def _blanks(words: Texts) -> Section:
    rows = [(each.what, words.owners[each.owner], each.column) for each in words.blank]
    columns = (words("what"), words("owner"), words("column"))
    return Section(words("blanks"), words("blanks_note"), columns=columns, rows=rows, widths=(0.52, 0.16, 0.32))
