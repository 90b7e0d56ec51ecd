"""A reference MES in a process of its own, and a station's records that are told to it."""

import json
import sys
import time
from dataclasses import dataclass, field
from uuid import uuid4

import httpx

from fixtures.warm import start
from station.clock import utc_now
from station.errors import ConfigError
from station.mes import Caller
from station.mes.clerk import Clerk
from station.mes.interlock import MesInterlock
from station.mes.rest import open_rest
from station.model import Measurement, Outcome
from station.records import Message, RunRequest, StepResult
from tests.labels import stick

TOKEN = "token-of-the-mes-0123456789"
PLAN = ("identify", "label")


class Reference:
    """The MES's process: started, stopped, killed and told to misbehave."""

    def __init__(self, directory, *options):
        self.directory, self.options, self.process, self.port = directory, options, None, 0
        self.directory.mkdir(exist_ok=True)
        (self.directory / "token").write_text(TOKEN)
        self.start()

    def start(self):
        (self.directory / "url").unlink(missing_ok=True)
        command = [sys.executable, "-m", "fixtures.mes", "--dir", str(self.directory), "--port", str(self.port)]
        self.process = start([*command, *map(str, self.options)], modules=["fixtures.mes.api"])
        end = time.monotonic() + 60
        while not (self.directory / "url").exists():
            assert self.process.poll() is None, "the MES did not start"
            assert time.monotonic() < end
            time.sleep(0.02)
        self.url = (self.directory / "url").read_text()
        self.port = int(self.url.rpartition(":")[2])

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def misbehave(self, fault):
        part = self.directory / "fault.new"
        part.write_text(fault)
        part.replace(self.directory / "fault")

    def open(self, station="line1", token=TOKEN, seconds=3.0):
        return open_rest(self.url, station, Caller(lambda: token), seconds)

    def admin(self, verb, path, content=None):
        """Do what the planner does."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx.request(verb, f"{self.url}/admin/{path}", json=content, headers=headers, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def say(self, kind, subject, result, message="because"):
        self.admin("PUT", f"{kind}/{subject}", {"result": result, "message": message})

    def received(self, source="line1"):
        """Return what it was told by a station, in the order in which it came."""
        found = [one | one.pop("envelope") for one in self.admin("GET", "messages")]
        return [one for one in found if one["Source"] == source]

    def names(self, source="line1"):
        return [one["MessageName"].rpartition(".")[2] for one in self.received(source)]

    def send(self, name, body, station="line1", identifier=""):
        return self.admin("POST", f"endpoints/{station}/messages", envelope(name, body, identifier))


def envelope(name, body, identifier=""):
    return {
        "MessageName": name,
        "Version": "2.1",
        "TimeStamp": "2026-11-21T12:00:00.000Z",
        "UniqueID": identifier or str(uuid4()),
        "Source": "MES",
        "Target": None,
        "RequestID": None,
        "MessageBody": body,
    }


def job(number, status="ApprovedAndPending", **more):
    return {"WorkOrderIdentifier": {"WorkOrderId": number, "Batch": None}, "Status": status, "Quantity": 5.0, **more}


@dataclass
class Desk:
    """An order desk that keeps what it is given, and refuses what is called so."""

    made: list = field(default_factory=list)
    states: list = field(default_factory=list)

    def create(self, order, who):
        number = order["WorkOrderIdentifier"]["WorkOrderId"]
        if "BAD" in number:
            raise ConfigError(f"work order {number}: its product is unknown")
        self.made.append((number, who))
        return f"Work order {number} is made."

    def set_state(self, order, state, reason, who):
        self.states.append((order, state.value, reason, who))
        return f"Work order {order} is {state}."


class Floor:
    """Records with one order, and the few words in which tests speak of a line."""

    def __init__(self, records, mes, section, station="line1"):
        self.records, self.mes, self.desk = records, mes, Desk()
        self.clerk = Clerk(records, mes, self.desk, station)
        self.interlock = MesInterlock(records, mes, section, station)

    def request(self, uid, serial="", operator="operator-1"):
        return RunRequest("WO-1", uid, f"slot-{uid}", PLAN, "1.2.0", serial, operator=operator)

    def begin(self, uid, **given):
        return self.records.open_run(self.interlock.permit(self.request(uid, **given)))

    def step(self, run, name, outcome=Outcome.PASS, **result):
        step = self.records.start_step(run, PLAN.index(name), name, 1)
        self.records.finish_step(step, StepResult(outcome, **result))

    def unit(self, run):
        return self.records.run(run).unit

    def build(self, run):
        """Take a run to its release and return the unit."""
        for name in PLAN:
            self.step(run, name, measurements=(Measurement("volts", 230.1, "V", 207.0, 253.0),))
        unit = self.unit(run)
        stick(self.records, unit, f"code of {unit}")
        passport = {"unit": {"serial": unit, "ocpp_identity": unit, "firmware": "1.2.0", "certificate_sha256": "ab"}}
        self.records.release(run, json.dumps(passport).encode(), b"s", "signer", (Message("cpms", unit, b"{}"),))
        return unit

    def settle(self):
        """Let the other messages of the station have their effect, as the outbox does."""
        while due := self.records.due(utc_now(), 16):
            for row in due:
                self.records.succeed(row)

    def work(self):
        """Do what the worker's thread does in one turn."""
        self.clerk.tell()
        self.clerk.listen()
        refused = self.clerk.deliver()
        self.report = self.clerk.reconcile()
        return refused
