"""A CPMS that is away, slow, broken or hostile: one record at most, one clear sentence, no token anywhere."""

import logging
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from cpms_world import TOKEN

from station.cpms import open_cpms
from station.errors import ConfigError, Service, ServiceError


def impatient(cpms, seconds):
    http = replace(cpms.store.http, seconds=seconds)
    return replace(cpms, store=replace(cpms.store, http=http))


@pytest.mark.parametrize("fault", ["error 2", "busy 1", "error 2 writing", "busy 1 writing"])
def test_a_passing_fault_is_overcome(cpms, unit, staging, fault):
    """Every request may be sent again, also the one that registers, so a passing 500 or 429 costs a moment only."""
    staging.misbehave(fault)
    assert cpms.register(unit, 1).created
    assert staging.suffered(fault)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("error", "status 500"),
        ("busy", "status 429"),
        ("garbage", "not JSON"),
        ("huge", "more than 262144 bytes"),
        ("redirect", "status 307"),
        ("error writing", "status 500"),
        ("busy writing", "status 429"),
        ("huge writing", "more than 262144 bytes"),
        ("redirect writing", "status 307"),
    ],
)
def test_a_lasting_fault_is_an_error_of_the_station(cpms, unit, staging, fault, sentence):
    """A broken CPMS stops neither the line nor scraps a unit; nothing is kept."""
    staging.misbehave(fault)
    with pytest.raises(ServiceError, match=sentence) as problem:
        cpms.register(unit, 1)
    assert (problem.value.service, problem.value.stops_line) == (Service.CPMS, False)
    staging.misbehave("none")
    assert unit.serial not in staging.serials()


def test_an_answer_that_drips_is_cut_off(cpms, unit, staging):
    """The time is bounded as a whole, not from byte to byte."""
    staging.misbehave("drip")
    with pytest.raises(ServiceError, match=r"the answer takes too long|no answer in time"):
        impatient(cpms, 3.0).read(unit.serial)


def test_a_lost_answer_leaves_exactly_one_record(cpms, unit, staging):
    """F-G2: the record was kept, the answer never came; the next try finds it."""
    staging.misbehave("lost-answer 1")
    with pytest.raises(ServiceError, match="no answer in time"):
        impatient(cpms, 1.0).register(unit, 1)
    assert not cpms.register(unit, 1).created
    assert staging.serials().count(unit.serial) == 1


def test_an_answer_cut_in_the_middle_leaves_exactly_one_record(cpms, unit, staging):
    """F-G2: asked again at once, as every request of ours may be."""
    staging.misbehave("cut-answer 1")
    registration = cpms.register(unit, 1)
    assert (registration.created, registration.state) == (False, "equal")
    assert staging.serials().count(unit.serial) == 1


def test_a_cpms_that_dies_before_it_answers_keeps_exactly_one_record(fresh, unit):
    """F-G2: kill between request and response, on the side of the CPMS."""
    cpms = fresh.open()
    fresh.misbehave("crash 1")
    with pytest.raises(ServiceError, match="is away"):
        cpms.register(unit, 1)
    assert fresh.process.wait(10) == 70
    fresh.start()
    registration = cpms.register(unit, 1)
    assert (registration.created, registration.state) == (False, "equal")
    assert fresh.serials() == [unit.serial]


REGISTERS = """
import sys
sys.path.insert(0, sys.argv[2])
from cpms_world import make_unit, TOKEN
from station.cpms import open_cpms
open_cpms(sys.argv[1], lambda: TOKEN).register(make_unit("AC22-KILLED"), 1)
"""


def test_a_station_that_dies_before_the_answer_registers_once(fresh, request):
    """F-G2: kill between request and response, on the side of the station."""
    fresh.misbehave("lost-answer 1")
    command = [sys.executable, "-c", REGISTERS, f"staging+{fresh.url}", str(request.path.parent)]
    station = subprocess.Popen(command)
    # Once the fault is used up, the station's request is in and its answer will never come.
    while (fresh.directory / "fault").read_text() != "lost-answer 0" or not fresh.serials():
        assert station.poll() is None
        time.sleep(0.02)
    station.send_signal(signal.SIGKILL)
    assert station.wait(10) == -signal.SIGKILL
    subprocess.run(command, check=True, timeout=60)
    assert fresh.serials() == ["AC22-KILLED"]


def test_an_unreachable_cpms_says_so(unit):
    """Nobody listens: the sentence names the CPMS and what to do."""
    cpms = open_cpms("staging+http://127.0.0.1:9", lambda: TOKEN)
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:9 is away: ConnectError") as problem:
        cpms.check_free(unit.serial, unit.certificate_sha256)
    assert problem.value.hint.endswith(".")


def test_a_wrong_token_is_refused_and_named_nowhere(staging, unit):
    """401 asks for a new token."""
    with pytest.raises(ServiceError, match="refuses the access token") as problem:
        staging.open("another-token").read(unit.serial)
    assert "Renew" in problem.value.hint
    assert "another-token" not in f"{problem.value!r}{problem.value.__cause__!r}"


@pytest.mark.parametrize("token", ["", "line one\nline-two-of-the-token", "tökén", "with blank"])
def test_an_unusable_token_is_not_repeated(staging, unit, token):
    """The HTTP library would put an ill-formed header into its exception; it never gets that far."""
    with pytest.raises(ServiceError, match="no usable access token") as problem:
        staging.open(token).read(unit.serial)
    shown = f"{problem.value!r} {problem.value.__cause__!r} {problem.value.__context__!r}"
    assert not token or token not in shown


def test_the_token_is_in_no_log(staging, unit, caplog):
    """The HTTP libraries log requests; at the most talkative level the token is still not there."""
    for talkative in ("", "httpx", "httpcore"):  # a command that ran before in this process may have silenced them
        caplog.set_level(logging.DEBUG, logger=talkative)
    cpms = staging.open()
    cpms.register(unit, 1)
    staging.misbehave("cut-answer 1")
    cpms.read(unit.serial)
    assert "127.0.0.1" in caplog.text
    assert TOKEN not in caplog.text
    assert TOKEN not in f"{cpms!r}"


def test_the_token_is_asked_for_each_time(staging, unit):
    """A renewed token counts without a restart."""
    tokens = iter(["old", TOKEN])
    cpms = open_cpms(f"staging+{staging.url}", lambda: next(tokens))
    with pytest.raises(ServiceError, match="token"):
        cpms.read(unit.serial)
    assert cpms.read(unit.serial) is None


@pytest.mark.parametrize(
    "uri",
    [
        "staging+http://user:hunter2@127.0.0.1:1",
        "staging+http://127.0.0.1:1/?token=hunter2",
        "staging+http://127.0.0.1:1/hunter2",
        "staging+http://cpms.example",
        "staging+https://",
        "staging+https://[hunter2",
        "staging+https://cpms.example:hunter2",
        "staging+https://cpms\u2488.example",
        "staging+https://cpms.example?ca=missing.pem",
        "ftp://hunter2",
        "hunter2",
        "none:hunter2x",
        "file:",
        "file://host/dir",
        "file://[hunter2",
    ],
)
def test_a_wrong_uri_is_refused_at_load(tmp_path, uri):
    """A mistake in the configuration is one sentence, without what may be a password in it."""
    with pytest.raises(ConfigError, match=r"environment\.cpms") as problem:
        open_cpms(uri, lambda: TOKEN, tmp_path)
    assert uri == "hunter2" or "hunter2" not in str(problem.value)


def test_proxies_of_the_environment_are_not_used(staging, unit, monkeypatch):
    """A proxy would read the token."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert staging.open().read(unit.serial) is None
