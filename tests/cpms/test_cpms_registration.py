"""Registration with the staging CPMS over HTTP: once, compared, and never overwritten (F-G1 to F-G3)."""

import json
from dataclasses import replace

import pytest

from fixtures.samples import METER_KEY, metered_unit
from station.cpms import Record, payload
from station.errors import Defect, Service, ServiceError, UnitError

SECRET_WORDS = ("password", "secret", "private", "token")


def test_a_unit_is_registered_and_read_back_equal(cpms, unit):
    """F-G1, F-G3: what was sent is what the CPMS gives back."""
    registration = cpms.register(unit, 1)
    assert (registration.created, registration.differences) == (True, ())
    assert registration.state == "equal"
    assert registration.read_back == registration.sent
    registration.demand_equal()
    assert payload(unit).items() <= cpms.read(unit.serial).fields.items()


def test_meters_and_sim_are_registered_with_the_keys_of_the_meters(cpms):
    """F-G1, F-I4: the CPMS verifies readings with the key that was proven here; another key is found."""
    unit = metered_unit("DC60-REGISTERED")
    cpms.register(unit, 1).demand_equal()
    kept = cpms.read(unit.serial)
    assert kept.fields["meters"][0]["public_key"] == METER_KEY
    assert {"kind": "iccid", "value": "89882110000000000010"} in kept.fields["identifiers"]
    other = replace(unit, meters=(replace(unit.meters[0], public_key="3059"), unit.meters[1]))
    assert "meters[0].public_key" in "".join(cpms.differences(other, kept))


def test_asking_twice_gives_the_same_answer(cpms, unit, staging):
    """F-G2: idempotent on serial and revision."""
    first, second = cpms.register(unit, 1), cpms.register(unit, 1)
    assert (first.created, second.created) == (True, False)
    assert (first.digest, first.read_back) == (second.digest, second.read_back)
    assert staging.serials().count(unit.serial) == 1


def test_the_payload_names_everything_and_no_secret(unit):
    """F-G1, F-G5, F-G6: the fields of the requirement, connectors from the one source."""
    body = payload(unit)
    assert body["certificate"] == {
        "sha256": unit.certificate_sha256,
        "common_name": unit.serial,
        "serial_number": "0A1B",
    }
    assert [(c["id"], c["letter"], c["type"], c["max_power_w"]) for c in body["connectors"]] == [
        (1, "A", "cType2", 22_000),
        (2, "B", "cType2", 22_000),
    ]
    assert not any(word in json.dumps(body).lower() for word in SECRET_WORDS)


def test_other_content_is_a_conflict_and_nothing_is_overwritten(cpms, unit, another):
    """F-G2: 409 is resolved by comparing; the message names the field."""
    cpms.register(unit, 1)
    with pytest.raises(UnitError, match=r"firmware: sent \"1\.3\.0\", recorded \"1\.2\.0\"") as problem:
        cpms.register(another(unit, firmware="1.3.0"), 1)
    assert problem.value.defect is Defect.DUPLICATE_IDENTITY
    assert cpms.read(unit.serial).fields["firmware"] == "1.2.0"


def test_a_later_revision_replaces_and_an_earlier_does_not(cpms, unit, another):
    """A rework is a new revision; a delayed message of the old one changes nothing."""
    cpms.register(unit, 1)
    assert cpms.register(another(unit, firmware="1.3.0"), 2).created
    assert cpms.read(unit.serial).revision == 2
    with pytest.raises(UnitError, match="firmware"):
        cpms.register(another(unit, firmware="1.1.0"), 1)


def test_an_identity_of_another_unit_is_a_conflict(cpms, unit, another):
    """Two units never share an identity or a certificate."""
    cpms.register(unit, 1)
    thief = another(unit, serial=f"{unit.serial}-2", certificate_subject=f"CN={unit.serial}-2,O=Owner")
    with pytest.raises(UnitError, match="identity or certificate is taken"):
        cpms.register(thief, 1)
    assert cpms.read(thief.serial) is None


def test_a_difference_in_the_read_back_is_named(cpms, unit, staging):
    """F-G3: the field that differs stands in the answer, with both values."""
    staging.misbehave("alters 1")
    registration = cpms.register(unit, 1)
    assert registration.differences == ('firmware: sent "1.2.0", recorded "0.0.0"',)
    assert registration.state == "different"
    with pytest.raises(ServiceError, match="firmware"):
        registration.demand_equal()


def test_an_earlier_revision_in_the_read_back_is_a_difference(cpms, unit, staging):
    """F-G3: the fields agree, and are those of an earlier passport; the unit may not be packed on them."""
    cpms.register(unit, 1)
    staging.misbehave("forgets 1")
    registration = cpms.register(unit, 2)
    assert (registration.state, registration.differences) == ("different", ("revision: sent 2, recorded 1",))
    assert cpms.register(unit, 2).state == "equal"


@pytest.mark.parametrize("fault", ["forgets 1", "empty 1 writing", "garbage 1 writing"])
def test_a_forgetful_cpms_is_not_believed(cpms, unit, staging, fault):
    """An answer of success proves nothing; the read-back does."""
    staging.misbehave(fault)
    registration = cpms.register(unit, 1)
    assert (registration.state, registration.read_back) == ("sent", None)
    assert len(registration.differences) > 10


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("connectors[1].max_power_w", lambda kept: kept["connectors"][1].update(max_power_w=1)),
        ("connectors[1].letter", lambda kept: kept["connectors"].pop()),
        ("connectors[2].letter", lambda kept: kept["connectors"].append(kept["connectors"][0])),
        ("certificate.sha256", lambda kept: kept.update(certificate=None)),
        ("customer", lambda kept: kept.pop("customer")),
        ("security_profile", lambda kept: kept.update(security_profile="3")),
    ],
)
def test_each_kind_of_difference_is_named(cpms, unit, path, change):
    """Missing, changed, added and of another type: all are found by their path."""
    kept = payload(unit)
    change(kept)
    found = cpms.differences(unit, Record(unit.serial, 1, kept))
    assert any(line.startswith(f"{path}: ") for line in found)
    assert cpms.differences(unit, Record(unit.serial, 1, payload(unit) | {"site_group": "unassigned"})) == ()


def test_before_ship_a_free_serial_passes_and_a_taken_one_does_not(cpms, unit):
    """Design 8.7: a record with another certificate is a conflict; the unit's own record is none."""
    cpms.check_free(unit.serial, unit.certificate_sha256)
    cpms.register(unit, 1)
    cpms.check_free(unit.serial, unit.certificate_sha256)
    for certificate in ("", "12" * 32):
        with pytest.raises(UnitError, match="another certificate"):
            cpms.check_free(unit.serial, certificate)


def test_before_ship_an_identity_or_certificate_of_another_serial_is_a_conflict(cpms, unit):
    """The other unit is named."""
    cpms.register(unit, 1)
    with pytest.raises(UnitError, match=f"certificate_sha256 belongs to {unit.serial}"):
        cpms.check_free("AC22-OTHER", unit.certificate_sha256)
    with pytest.raises(UnitError, match=f"ocpp_identity belongs to {unit.serial}") as problem:
        cpms.check_free("AC22-OTHER", "34" * 32, unit.ocpp_identity)
    assert problem.value.defect is Defect.DUPLICATE_IDENTITY


def test_a_refused_form_names_the_fields_and_blames_no_unit(cpms, unit, another):
    """A 422 is no fault of the unit; the answer's values are not repeated."""
    with pytest.raises(ServiceError, match=r"body\.vendor") as problem:
        cpms.register(another(unit, vendor="A vendor's name that is far too long"), 1)
    assert (problem.value.service, problem.value.stops_line) == (Service.CPMS, False)
    assert "far too long" not in str(problem.value)
