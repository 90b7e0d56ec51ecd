"""Files of testers that nobody designed for us: read by data alone, and refused where they could mislead (F-I2)."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.config import StationConfig
from station.errors import ConfigError, StationError
from station.records import Result, SubjectKind, Verdict
from station.results.formats import SHIPPED, Format, load_format, load_formats
from station.results.reading import read_results
from station.results.trees import MOST_BYTES
from tests.results.results_world import SERIAL, UID, sample, shipped

GERMAN = "safety-tester-de"
SAMPLES = {"openhtf": "openhtf.json", GERMAN: "safety-tester-de.csv", "atml": "teststand.xml"}
HEAD = "Seriennummer;7800-11\nKalibriert bis;30.06.2027\n\n\nPrüfling;Datum;Uhrzeit;Prüfschritt;Messwert;Einheit\n"
ROW = "AC22-000001;02.11.2026;07:14:02;Riso;{};MOhm\n"


def results(name: str, content: bytes = b"", layout: Format | None = None) -> dict[str, Result]:
    reading = read_results(content or sample(SAMPLES[name]), layout or shipped(name))
    assert reading.refused == ()
    return {reported.result.test: reported.result for reported in reading.results}


def german(*values: str, **changes: object) -> tuple[Result, ...]:
    """Read one row for each value."""
    layout = replace(shipped(GERMAN), encoding="utf-8", **changes)
    reading = read_results((HEAD + "".join(ROW.format(value) for value in values)).encode(), layout)
    return tuple(reported.result for reported in reading.results)


def refusal(name: str, content: bytes) -> str:
    with pytest.raises(StationError) as caught:
        read_results(content, shipped(name))
    return caught.value.message


def test_record_of_openhtf() -> None:
    """Written by OpenHTF 1.6 itself: phases of measurements, limits in a sentence, units as UNECE codes."""
    found = results("openhtf")
    insulation, relay = found["insulation_l1_pe"], found["relay_welded"]
    assert (insulation.value, insulation.unit, insulation.low, insulation.high) == (512.4, "MOhm", 1.0, None)
    assert (insulation.kind, insulation.subject, insulation.calibration_due) == (
        SubjectKind.HARDWARE, UID, date(2027, 3, 31),
    )  # fmt: skip
    assert (found["rdc_dd_trip_current"].low, found["rdc_dd_trip_current"].high) == (3.0, 6.0)
    assert (relay.value, relay.verdict, found["ambient_temperature"].unit) == (0.0, Verdict.UNJUDGED, "Cel")


def test_spreadsheet_of_a_german_safety_tester() -> None:
    """Windows text, CRLF, semicolons, decimal comma, a head above the columns, serials hidden in formula cells."""
    found = results(GERMAN)
    resistance = found["protective-conductor"]
    assert (resistance.subject, resistance.value, resistance.unit, resistance.high) == (SERIAL, 0.043, "Ohm", 0.1)
    assert resistance.taken_at == datetime(2026, 11, 2, 6, 14, 2, tzinfo=UTC)
    assert (resistance.instrument, resistance.model) == ("7800-11-0423", "ST 7800")
    assert (found["insulation-l1-pe"].value, found["insulation-l1-pe"].verdict) == (1000.0, Verdict.PASS)


def test_report_of_a_board_tester() -> None:
    """XML of IEEE 1636.1, with tests at any depth and limits in attributes."""
    found = results("atml")
    rail, offset = found["Rail 3V3"], found["Sensor offset L1"]
    assert (rail.value, rail.unit, rail.low, rail.high) == (3.2941, "V", 3.135, 3.465)
    assert (offset.value, offset.program, offset.version, offset.bench) == (-12.5, "BoardTest.seq", "4.1.0", "ICT-02")


def test_one_line_a_unit_is_a_format_too() -> None:
    """Testers that write all values of a unit beside each other need no code either: JMESPath makes rows of columns."""
    wide = b"SN;When;Riso;Leak\nAC22-000001;2026-11-02T07:14:02Z;512,4;2,31\n"
    layout = shipped(GERMAN)
    each = (*layout.each, replace(layout.each[0], name="one", of="[{t:'riso',v:row.Riso},{t:'leak',v:row.Leak}]"))
    fields = replace(
        layout.fields, subject="row.SN", test="one.t", value="one.v", unit="'MOhm'", taken_at="row.When",
        instrument="'7800'", calibration_due="'30.06.2027'",
    )  # fmt: skip
    found = results("", wide, replace(layout, encoding="utf-8", header=1, time="iso", each=each, fields=fields))
    assert {name: one.value for name, one in found.items()} == {"riso": 512.4, "leak": 2.31}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,5", 1.5), ("1.234,5", 1234.5), ("-0,5E-3", -0.0005), ("1.234", 1234.0), ("+7", 7.0), ("<0,01", 0.01)],
)
def test_german_numbers(text: str, value: float) -> None:
    (found,) = german(text)
    assert (found.value, found.problem, found.text) == (value, "", text)


@pytest.mark.parametrize("text", ["OVL", "3.5", "1.23.456", "1,2,3", "NaN", "1e999", "0x10", "1 000", "=1+1", "½", "٣"])
def test_what_is_no_number_stays_a_result_without_one(text: str) -> None:
    """A decimal point in a German file is none of a thousand: 3.5 is never read as 35."""
    (found,) = german(text)
    assert (found.value, found.problem) == (None, f"its value '{text}' is no number.")
    assert found.verdict is Verdict.FAIL


def test_decimal_point_is_none_where_a_comma_is_written() -> None:
    (found,) = german("3.5", thousands="")
    assert (found.value, found.problem) == (None, "its value '3.5' is no number.")


def test_word_that_is_neither_pass_nor_fail_decides_nothing() -> None:
    """OpenHTF's ERROR and TIMEOUT blame the station: they never pass a unit."""
    found = results("openhtf", sample("openhtf.json").replace(b'"outcome": "PASS"', b'"outcome": "ERROR"'))
    assert {one.problem for one in found.values()} == {"the tester says 'ERROR'."}


def test_unknown_unit_does_not_count() -> None:
    (found,) = (one.result for one in read_results(
        (HEAD + ROW.format("1,5").replace("MOhm", "Mohm")).encode("cp1252"), shipped(GERMAN)).results)  # fmt: skip
    assert found.problem == "the format does not know its unit 'Mohm'."


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("30.06.2027", "01.11.2026", "instrument 7800-11 was due for calibration on 2026-11-01."),
        ("30.06.2027", "02.11.2026", ""),
        ("30.06.2027", "soon", "it does not say until when instrument 7800-11 is calibrated."),
        ("Seriennummer", "SN", "it does not say which instrument measured."),
    ],
)
def test_calibration_must_hold_on_the_day(old: str, new: str, problem: str) -> None:
    """domain.md 5.2: an instrument that is overdue blocks, it does not only warn."""
    content = (HEAD.replace(old, new) + ROW.format("1,5")).encode("cp1252")
    (reported,) = read_results(content, shipped(GERMAN)).results
    assert reported.result.problem == problem


def test_bench_that_measures_nothing_needs_no_calibration() -> None:
    (found,) = german("1,5", calibrated=False)
    assert (found.problem, found.calibration_due) == ("", None)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("AC22-000001;02.11.2026;07:14:02;Riso\n", "The row has not as many columns as the header."),
        (ROW.replace("02.11.2026", "31.02.2026"), "The time '31.02.2026 07:14:02' can't be read."),
        (ROW.replace("AC22-000001", ""), "The subject is missing."),
        (ROW.replace("Riso", "R\x07"), "The test is longer than 200 characters, or holds control characters."),
        (ROW.replace("Riso", "R" * 201), "The test is longer than 200 characters, or holds control characters."),
    ],
)
def test_row_that_could_be_anybodys_is_refused(row: str, told: str) -> None:
    """Half a file ends in half a row: that row is refused, the whole ones are read."""
    content = (HEAD + ROW.format("1,5") + row).encode("cp1252")
    reading = read_results(content, shipped(GERMAN))
    assert [(one.line, one.sentence) for one in reading.refused] == [(2, told)]
    assert len(reading.results) == 1


def test_byte_order_mark_and_any_line_end_are_read() -> None:
    content = ("\ufeff" + HEAD + ROW.format("1,5")).replace("\n", "\r\n").encode()
    (reported,) = read_results(content, replace(shipped(GERMAN), encoding="utf-8")).results
    assert (reported.result.value, reported.result.instrument) == (1.5, "7800-11")


BOMB = b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;&b;">]><TestResults>&c;</TestResults>'
REMOTE = b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><TestResults/>'


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("atml", BOMB, "the XML has a document type or entities"),
        ("atml", REMOTE, "the XML has a document type or entities"),
        ("atml", sample("teststand.xml")[:900], "the file is not XML"),
        ("atml", b"<a>" * 5000 + b"</a>" * 5000, "nested deeper than"),
        ("atml", b"<TestResults/>", "finds no result in it"),
        ("openhtf", sample("openhtf.json")[:900], "the file is not JSON"),
        ("openhtf", b"[" * 100_000, "the JSON is nested too deep"),
        ("openhtf", b'{"dut_id": 1, "dut_id": 2}', "a key stands twice"),
        ("openhtf", b'{"phases": 7}', "'file.phases' is no list in it"),
        ("openhtf", b'{"phases": [{}]}', "it is not of the format openhtf r1"),
        ("openhtf", b'"PASS"', "neither an object nor a list"),
        (GERMAN, b"\xef\xbb\xbf" + sample("safety-tester-de.csv"), ""),
        (GERMAN, sample("safety-tester-de.csv").decode("cp1252").encode("utf-16"), "the format safety-tester-de r1"),
        (GERMAN, b"\n\n\n\nPr\xfcfling;Datum;Datum\n", "names ['Datum'] twice"),
        (GERMAN, b"   \r\n", "the file is empty"),
        (GERMAN, b"x" * (MOST_BYTES + 1), "the file is larger than"),
    ],
)
def test_file_that_is_not_of_the_format_is_refused_whole(name: str, content: bytes, told: str) -> None:
    """Entities, half a file, another tester's file: nothing of it is guessed."""
    if not told:
        assert results(name, content)
        return
    assert told in refusal(name, content)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SAMPLES)), st.integers(0, 5000), st.binary(max_size=8), st.integers(0, 40))
def test_damaged_files_are_read_or_refused(name: str, at: int, put: bytes, cut: int) -> None:
    """Whatever happens to a file, the reader ends with results, refused rows, or one sentence."""
    whole = sample(SAMPLES[name])
    at %= len(whole)
    with suppress(StationError):
        reading = read_results(whole[:at] + put + whole[at + cut :], shipped(name))
        assert all(one.result.subject and one.result.taken_at.tzinfo is UTC for one in reading.results)
        assert reading.results or reading.refused


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_any_text_in_the_place_of_a_value_is_a_number_or_a_problem(text: str) -> None:
    cell = "".join(one for one in text if one.isprintable() and one not in ';"').strip()
    layout = replace(shipped(GERMAN), encoding="utf-8")
    (reported,) = read_results((HEAD + ROW.format(cell)).encode(), layout).results
    assert (reported.result.value is None) == (bool(reported.result.problem) or not cell)


def test_own_format_hides_the_one_of_the_software(config: StationConfig) -> None:
    """A new tester, or another revision of a known one, is a file in the station directory."""
    own = config.directory / "formats" / "atml.toml"
    own.parent.mkdir()
    own.write_text((SHIPPED / "atml.toml").read_text().replace("revision = 1", "revision = 7"))
    assert load_format(config, "atml").label == "atml r7"
    assert [one.name for one in load_formats(config)] == ["atml", "openhtf", GERMAN]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('kind = "xml"', 'kind = "xls"', "unknown word 'xls'"),
        ('of = "step.TestResult"', 'of = "step.["', "of: 'step.[' is no JMESPath"),
        ("test = 'step.\"@name\"'", "test = 'step.'", "test: 'step.' is no JMESPath"),
        ('zone = "UTC"', 'zone = "Mars/Base"', "zone: 'Mars/Base' is unknown"),
        ('zone = "UTC"', 'encoding = "utf-9"', "encoding: 'utf-9' is unknown"),
        ("[verdicts]", '[units]\n"V" = "Volt"\n[verdicts]', "units.V: 'Volt' is no UCUM code"),
        ("[verdicts]", "[parts]\nlow = '(a)(b)'\n[verdicts]", "parts.low: needs one group"),
        ("[verdicts]", "[parts]\nlower = '(a)'\n[verdicts]", "parts.lower: no such field; did you mean 'low'?"),
        ('name = "atml"', 'name = "xml"', "'xml' differs from the file's name"),
    ],
)
def test_formats_that_are_almost_right_are_refused(config: StationConfig, old: str, new: str, told: str) -> None:
    text = (SHIPPED / "atml.toml").read_text()
    assert old in text
    (config.directory / "formats").mkdir()
    (config.directory / "formats" / "atml.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_format(config, "atml")
    assert any(told in problem for problem in caught.value.problems)


def test_unknown_format_is_told_with_the_nearest(config: StationConfig) -> None:
    with pytest.raises(ConfigError, match="did you mean 'openhtf'"):
        load_format(config, "openhft")
