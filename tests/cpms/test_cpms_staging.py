"""The staging CPMS's fault switch, seen at the adapter; passwords that are checked, never read; its list of units."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import httpx
import pytest
from cpms_world import TOKEN
from test_cpms_faults import impatient

from pki.passwords import Password
from station.cpms import NONE, OPERATORS, Credentials, Limits, Listing, Rejected, Result, open_cpms, result_of
from station.cpms.gate import Gate
from station.errors import ServiceError, UnitError

PASSWORD = "Abcdefghij0123456789"


def password(text=PASSWORD):
    return Credentials(lambda: Password(text))


def test_what_became_of_a_unit_is_told(cpms, unit, another):
    """Created, unchanged, updated: the answer to the batch team's first question."""
    later = another(unit, firmware="1.3.0")
    found = [cpms.register(unit, 1), cpms.register(unit, 1), cpms.register(later, 2)]
    assert [each.result for each in found] == [Result.CREATED, Result.UNCHANGED, Result.UPDATED]
    assert {each.state for each in found} == {"equal"}


@pytest.mark.parametrize(
    ("fault", "result"),
    [
        ("error", Result.RETRYABLE),
        ("busy", Result.RETRYABLE),
        ("occupied", Result.CONFLICT),
        ("empty", Result.RETRYABLE),
    ],
)
def test_what_a_fault_means_for_the_unit(cpms, staging, unit, fault, result):
    staging.misbehave(fault)
    with pytest.raises((ServiceError, UnitError)) as problem:
        cpms.register(unit, 1)
    assert result_of(problem.value) is result
    staging.misbehave("none")
    assert unit.serial not in staging.serials()


def test_a_form_that_is_refused_will_always_be(cpms, unit, another):
    with pytest.raises(Rejected, match=r"body\.vendor") as problem:
        cpms.register(another(unit, vendor="V" * 21), 1)
    assert result_of(problem.value) is Result.REJECTED


def test_a_cpms_that_hangs_is_left(cpms, staging, unit):
    staging.misbehave("hang")
    with pytest.raises(ServiceError, match="no answer in time"):
        impatient(cpms, 0.5).register(unit, 1)
    staging.misbehave("none")
    assert unit.serial not in staging.serials()


def test_a_slow_cpms_is_waited_for(cpms, staging, unit):
    staging.misbehave("slow 1")
    assert cpms.register(unit, 1).state == "equal"


def test_a_read_back_that_lies_is_not_believed(cpms, staging, unit):
    """F-G3: what it keeps is right and what it gives is not; nobody may pack on that."""
    staging.misbehave("lies")
    registration = cpms.register(unit, 1)
    assert registration.differences == ('firmware: sent "1.2.0", recorded "0.0.0"',)
    staging.misbehave("none")
    assert cpms.register(unit, 1).result is Result.UNCHANGED


def test_a_record_that_was_doubled_is_found(cpms, staging, unit):
    """A second serial number with the same identity stops the unit, and stands in the list."""
    staging.misbehave("duplicate 1")
    cpms.register(unit, 1)
    with pytest.raises(UnitError, match=f"ocpp_identity belongs to {unit.serial}-2"):
        cpms.check_free(unit.serial, unit.certificate_sha256)
    assert {unit.serial, f"{unit.serial}-2"} <= set(cpms.serials())


def test_what_the_operator_decides_is_sent_as_unassigned_and_never_compared(cpms, unit):
    """F-G4, P17: site group, tariff and account."""
    registration = cpms.register(unit, 1)
    kept = cpms.read(unit.serial)
    assert OPERATORS.items() <= kept.fields.items()
    assert set(OPERATORS.values()) == {"unassigned"}
    assert cpms.differences(unit, replace(kept, fields=kept.fields | {"tariff": "night"})) == ()
    assert b"unassigned" not in registration.sent


def test_a_password_is_kept_as_a_hash_and_proven(cpms, staging, unit, another):
    """F-G5: write-only; the same again is known, nothing of it is in the CPMS's files or in the registration."""
    by_password = another(unit, security_profile=2)
    registrations = [cpms.register(by_password, 1, password()) for _ in range(2)]
    assert [each.result for each in registrations] == [Result.CREATED, Result.UNCHANGED]
    kept = b"".join(file.read_bytes() for file in staging.directory.iterdir() if file.is_file())
    assert unit.serial.encode() in kept
    assert PASSWORD.encode() not in kept + registrations[0].sent + registrations[0].read_back


def test_another_password_is_a_conflict(cpms, unit, another):
    by_password = another(unit, security_profile=2)
    cpms.register(by_password, 1, password())
    with pytest.raises(UnitError, match="another password"):
        cpms.register(by_password, 1, password("another-password-00"))


def test_a_unit_that_needs_a_password_is_not_registered_as_if_it_had_one(cpms, unit, another):
    with pytest.raises(Rejected, match="none is at hand"):
        cpms.register(another(unit, security_profile=2), 1, NONE)


def test_a_cpms_that_forgets_passwords_is_found_out(cpms, staging, unit, another):
    """It says that it kept the password, and does not know it the second time."""
    cpms.register(unit, 1)
    staging.misbehave("forgets")
    with pytest.raises(ServiceError, match="keeps passwords"):
        cpms.store.entrust(unit.serial, Password(PASSWORD))


def test_a_file_never_holds_a_password(unit, another, tmp_path):
    """It stays sealed: nobody opens it."""
    folder = open_cpms("file:out", lambda: "", tmp_path)
    opened = []
    folder.register(another(unit, security_profile=2), 1, Credentials(lambda: opened.append(1)))
    assert opened == []


def test_all_units_are_listed_page_by_page(fresh):
    """A report against the CPMS needs what only the CPMS has; a page holds 100."""
    serials = [f"AC22-{number:06}" for number in range(205)]
    with closing(sqlite3.connect(fresh.directory / "cpms.sqlite")) as database, database:
        rows = [(serial, 1, serial, serial, "{}") for serial in serials]
        columns = "serial, revision, ocpp_identity, certificate_sha256, body"
        database.executemany(f"INSERT INTO registration ({columns}) VALUES (?, ?, ?, ?, ?)", rows)
    cpms = fresh.open()
    assert isinstance(cpms, Listing)
    assert list(cpms.serials()) == serials


def test_files_are_listed(unit, tmp_path):
    folder = open_cpms("file:out", lambda: "", tmp_path)
    folder.register(unit, 1)
    assert list(folder.serials()) == [unit.serial]


def test_health_changes_nothing(cpms, staging):
    before = staging.serials()
    assert cpms.health().system
    assert staging.serials() == before


def test_no_more_requests_than_places():
    """Bounded concurrency: with two places, eight threads never are more than two inside."""
    gate, inside, most = Gate(Limits(2)), [], []

    def work(number):
        with gate:
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.002)
            inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))
    assert max(most) == 2


def test_requests_begin_no_faster_than_the_rate():
    """Bounded rate over all threads; a time that is too short would prove it broken, a long one proves nothing."""
    gate, begun = Gate(Limits(8, 100.0)), []

    def work(_):
        with gate:
            begun.append(time.monotonic())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(9)))
    assert max(begun) - min(begun) >= 0.075


def test_the_interface_never_gives_a_password_back(staging, cpms, unit, another):
    """Asked as an outsider with the token."""
    cpms.register(another(unit, security_profile=2), 1, password())
    headers = {"Authorization": f"Bearer {TOKEN}"}
    place = f"{staging.url}/api/v1/chargers/{unit.serial}/credential"
    answer = httpx.get(place, headers=headers, trust_env=False)
    assert answer.json() == {"serial": unit.serial, "kept": True}
    wrong = httpx.put(place, json={"password": "short"}, headers=headers, trust_env=False)
    assert (wrong.status_code, "short" in wrong.text) == (422, False)
