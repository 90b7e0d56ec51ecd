"""A label printer over IPP (IPP Everywhere), sent PDF: `ipp://host[:631]/ipp/print`, `ipps:` with `?ca=FILE`.

The file of `ipps:` has the CA of the printer, or the printer's own certificate; no other printer is then believed, and
nothing is sent before it has shown one for the name in its address.

A job is created first, and its number is durable before the document goes: whatever breaks then, the printer is asked
what became of that very job. `completed` alone is not believed while the printer is out of labels, and a job that the
printer no longer remembers is one whose fate nobody knows. A job that never got its document cannot print, and is
cancelled.

Ref: RFC 8011 (operations, states, reasons), PWG 5100.14 (IPP Everywhere).
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from socket import gethostname
from threading import RLock
from typing import ClassVar
from urllib.parse import SplitResult, parse_qs

from station.clock import Deadline
from station.documents.ipp_message import Attribute, Attributes, Operation, Reply, Tag, Value, decode, encode
from station.documents.printer import (
    JobInterrupted,
    Language,
    PrinterStatus,
    PrintFate,
    PrintMark,
    PrintResult,
    printer_error,
    unsuited,
)
from station.errors import Service, ServiceError
from station.http import Answer, HttpClient, open_anonymous
from station.trust import Peer

PEER = Peer(Service.PRINTER, "printer", "printer.uri", "printer.client")
ANSWER_SECONDS = 5.0
"""Longest wait for one answer."""
MOST_NAME = 200
USER = f"charger-station {gethostname()}"[:MOST_NAME]
"""By which the jobs of this station are known at the printer: one that others use too keeps theirs."""
PDF = "application/pdf"
MOST_JOBS = 100
BUSY, NOT_FOUND = 0x0507, 0x0406
STOPPED = 5
"""printer-state."""
PENDING, HELD, CANCELED, ABORTED, COMPLETED = 3, 4, 7, 8, 9
"""job-state."""
UNFILLED = frozenset({"job-incoming", "job-data-insufficient"})
"""Reasons of a job that has not got all of its document."""
CABLE = "Check the label printer's power and network cable."
UNTRUSTED = "Check the printer's address in station.toml, and its certificate or its CA's after ?ca=."
EVERYWHERE = "Use a printer that speaks IPP Everywhere."
LOOK = "Look whether the printer made the label."

REASONS: Mapping[str, tuple[str, str]] = {
    "media-empty": ("out of labels", "Load labels."),
    "media-needed": ("out of labels", "Load labels."),
    "media-jam": ("labels are jammed", "Clear the jam."),
    "cover-open": ("cover open", "Close the printer's cover."),
    "door-open": ("door open", "Close the printer's door."),
    "interlock-open": ("cover open", "Close the printer's cover."),
    "input-tray-missing": ("tray missing", "Put the tray in."),
    "output-area-full": ("output is full", "Take the labels away."),
    "marker-supply-empty": ("out of ribbon", "Load ribbon."),
    "toner-empty": ("out of toner", "Load toner."),
    "spool-area-full": ("no room for more jobs", "Wait until the printer has printed."),
    "paused": ("paused", "Let the printer go on."),
    "moving-to-paused": ("paused", "Let the printer go on."),
    "connecting-to-device": ("not connected", CABLE),
    "timed-out": ("not connected", CABLE),
    "offline": ("taken offline", "Set the printer online."),
    "shutdown": ("switched off", "Switch the printer on."),
}
"""What keeps a label from coming out, by printer-state-reasons: problem, hint."""
PRINTER_FACTS = (
    "printer-state", "printer-state-reasons", "printer-is-accepting-jobs", "document-format-supported", "printer-uuid",
    "printer-impressions-completed",
)  # fmt: skip
JOB_FACTS = (
    "job-id", "job-name", "job-originating-user-name", "job-state", "job-state-reasons", "job-impressions-completed",
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """A job as the printer tells of it."""

    number: int
    state: int
    reasons: frozenset[str]
    printed: int | None
    """Impressions made; None where the printer does not count them."""
    ours: bool
    name: str = ""

    @property
    def unfilled(self) -> bool:
        """Tell whether it still waits for its document."""
        return self.state in (PENDING, HELD) and bool(self.reasons & UNFILLED)


class IppPrinter:
    """A printer at an IPP address."""

    default_port: ClassVar[int] = 631

    def __init__(self, uri: str, path: str, http: HttpClient) -> None:
        self._uri, self._path, self._http = uri, path, http
        self._name = f"label printer {uri}"
        self._lock = RLock()
        self._numbers = count(1)

    @property
    def lock(self) -> RLock:
        """Return the lock that keeps to one job at a time over all slots."""
        return self._lock

    def status(self, deadline: Deadline) -> PrinterStatus:
        """Ask for the printer's state and its jobs; a job of ours that never got its document holds nothing up."""
        try:
            facts = self._facts(deadline)
            waiting = sum(not (job.ours and job.unfilled) for job in self._jobs(deadline))
        except ServiceError as error:
            return PrinterStatus(ready=False, problem=error.message, hint=error.hint, waiting=None)
        return printer_status(self._name, facts, waiting)

    def odometer(self, deadline: Deadline) -> int:
        """Return the impressions ever made, where the printer counts them."""
        found = _number(self._facts(deadline), "printer-impressions-completed")
        if found is None:
            raise unsuited(f"{self._name} does not count labels", EVERYWHERE)
        return found

    def serial_number(self, deadline: Deadline) -> str:
        """Return the printer's UUID."""
        found = _texts(self._facts(deadline), "printer-uuid")
        if not found:
            raise unsuited(f"{self._name} does not tell who it is", EVERYWHERE)
        return found[0].removeprefix("urn:uuid:")[:64]

    @property
    def language(self) -> Language:
        """Return PDF."""
        return Language.PDF

    def dpi(self, deadline: Deadline) -> int:  # noqa: ARG002
        """Return 0: a PDF has its own size."""
        return 0

    def begin(self, name: str, deadline: Deadline) -> int:
        """Create a job, which prints nothing before its document is there, and return its number.

        Jobs of ours that a crash left without a document are cancelled before.
        """
        for job in self._jobs(deadline):
            if job.ours and job.unfilled:
                self._cancel(job.number, deadline)
        asked = (_user(), Attribute(Tag.NAME, "job-name", (name[:MOST_NAME],)))
        reply = self._ask(Operation.CREATE_JOB, asked, deadline)
        if reply.status == BUSY:
            raise printer_error(f"{self._name} is busy with another job", "Wait until the printer has printed.")
        found = next((_number(group, "job-id") for group in reply.of(Tag.JOB)), None)
        if not reply.good or found is None:
            raise printer_error(f"{self._name} takes no job (status 0x{reply.status:04x})")
        return found

    def print(self, number: int, content: bytes, deadline: Deadline) -> None:
        """Give a job its document; from here on the job's own state tells what becomes of it."""
        asked = (
            Attribute(Tag.INTEGER, "job-id", (number,)),
            _user(),
            Attribute(Tag.MIME, "document-format", (PDF,)),
            Attribute(Tag.BOOLEAN, "last-document", (True,)),
        )
        try:
            reply = self._ask(Operation.SEND_DOCUMENT, asked, deadline, content)
        except ServiceError as error:
            raise JobInterrupted(f"{self._name}: the label may have been sent: {error.message}") from error
        if not reply.good:
            raise JobInterrupted(f"{self._name} did not take the document (status 0x{reply.status:04x})")

    def look(self, mark: PrintMark, deadline: Deadline) -> PrintResult:
        """Ask what became of a job; one that has not got its document is cancelled, so that it never prints."""
        asked = (Attribute(Tag.INTEGER, "job-id", (mark.number,)), _user(), _wanted(JOB_FACTS))
        reply = self._ask(Operation.GET_JOB_ATTRIBUTES, asked, deadline)
        job = next(map(_job, reply.of(Tag.JOB)), None)
        if reply.status == NOT_FOUND or (job is not None and mark.name and job.name != mark.name[:MOST_NAME]):
            problem = f"{self._name} does not remember job {mark.number}"
            return PrintResult(PrintFate.UNKNOWN, mark.number, None, problem, LOOK, final=True)
        if not reply.good or job is None:
            raise printer_error(f"{self._name} does not tell of job {mark.number} (status 0x{reply.status:04x})")
        if job.unfilled:
            self._cancel(mark.number, deadline)
        return judge_job(self._name, replace(job, number=mark.number), self.status(deadline))

    def clear(self, deadline: Deadline) -> None:
        """Cancel all our jobs that are not ended."""
        for job in self._jobs(deadline):
            if job.ours:
                self._cancel(job.number, deadline)

    def _facts(self, deadline: Deadline) -> Attributes:
        reply = self._ask(Operation.GET_PRINTER_ATTRIBUTES, (_user(), _wanted(PRINTER_FACTS)), deadline)
        groups = reply.of(Tag.PRINTER)
        if not reply.good or not groups:
            raise printer_error(f"{self._name} does not tell its state (status 0x{reply.status:04x})")
        return groups[0]

    def _jobs(self, deadline: Deadline) -> tuple[Job, ...]:
        """Return the jobs that are not ended."""
        limit = Attribute(Tag.INTEGER, "limit", (MOST_JOBS,))
        which = Attribute(Tag.KEYWORD, "which-jobs", ("not-completed",))
        reply = self._ask(Operation.GET_JOBS, (_user(), limit, which, _wanted(JOB_FACTS)), deadline)
        if not reply.good:
            raise printer_error(f"{self._name} does not tell its jobs (status 0x{reply.status:04x})")
        return tuple(_job(group) for group in reply.of(Tag.JOB))

    def _cancel(self, number: int, deadline: Deadline) -> None:
        """Cancel a job; one that is over by now can't be, and needs not be."""
        self._ask(Operation.CANCEL_JOB, (Attribute(Tag.INTEGER, "job-id", (number,)), _user()), deadline)

    def _ask(
        self, operation: Operation, attributes: tuple[Attribute, ...], deadline: Deadline, document: bytes = b""
    ) -> Reply:
        """Ask once; what may print is never asked again by itself.

        Raises:
            ServiceError: There is no answer in time, or it is none of a printer.
        """
        number = next(self._numbers)
        where = Attribute(Tag.URI, "printer-uri", (self._uri,))
        content = encode(operation, number, (where, *attributes), document)
        http = replace(self._http, seconds=max(deadline.at_most(ANSWER_SECONDS).remaining, 0.001))
        answer = self._answer(http, content)
        try:
            return decode(answer.content, number)
        except ValueError as error:
            hint = "Check the printer's address in station.toml."
            raise printer_error(f"{self._name} answers, but not like an IPP printer: {error}", hint) from error

    def _answer(self, http: HttpClient, content: bytes) -> Answer:
        try:
            answer = http.send("POST", self._path, content=content, headers={"Content-Type": "application/ipp"})
        except ServiceError as error:
            raise printer_error(f"{self._name} does not answer", CABLE) from error
        if not answer.status:
            hint = UNTRUSTED if "not trusted" in answer.problem else CABLE
            raise printer_error(f"{self._name} cannot be reached: {answer.problem}", hint)
        return answer


def printer_status(name: str, facts: Attributes, waiting: int) -> PrinterStatus:
    """Return the status from printer-state, its reasons and what the printer takes."""
    # Printers differ in what they call a report, a warning or an error; what is known to stop a label does.
    reasons = _texts(facts, "printer-state-reasons")
    known = [REASONS[base] for base in map(_base, reasons) if base in REASONS]
    if known:
        problems = ", ".join(dict.fromkeys(problem for problem, _ in known))
        return PrinterStatus(ready=False, problem=f"{name}: {problems}", hint=known[0][1], waiting=waiting)
    said = [text for text in reasons if text.endswith("-error")]
    if said or _number(facts, "printer-state") == STOPPED:
        problem = f"{name} stands still: {', '.join(said or reasons)[:100] or 'it does not say why'}"
        return PrinterStatus(ready=False, problem=problem, hint="Read the printer's display.", waiting=waiting)
    if _number(facts, "printer-is-accepting-jobs") != 1:
        problem, hint = f"{name} takes no jobs now", "Let the printer accept jobs."
        return PrinterStatus(ready=False, problem=problem, hint=hint, waiting=waiting)
    if PDF not in _texts(facts, "document-format-supported"):
        problem, hint = f"{name} takes no PDF", "Use a printer that takes PDF, or one that speaks ZPL by tcp:."
        return PrinterStatus(ready=False, problem=problem, hint=hint, waiting=waiting)
    if waiting:
        problem, hint = _holding(name), "Wait until it is printed, or cancel it on the printer."
        return PrinterStatus(ready=False, problem=problem, hint=hint, waiting=waiting)
    return PrinterStatus(ready=True)


def _holding(name: str) -> str:
    """Return the problem of a healthy printer that has a job, which may be somebody else's."""
    return f"{name} still holds a job"


def judge_job(name: str, job: Job, status: PrinterStatus) -> PrintResult:
    """Judge a label by its job and the printer's state after it."""
    number, problem, hint = job.number, status.problem, status.hint
    if job.state == COMPLETED and job.printed != 0:
        healthy = not problem or problem == _holding(name)
        fate = PrintFate.PRINTED if healthy and (job.printed or 1) == 1 else PrintFate.UNKNOWN
        return PrintResult(fate, number, number, problem, hint)
    if job.state in (CANCELED, ABORTED, COMPLETED):
        word = {CANCELED: "cancelled", ABORTED: "aborted", COMPLETED: "ended"}[job.state]
        told = f"{name} {word} the job{f', {problem}' if problem else ''}"
        if job.printed == 0 and job.state != COMPLETED:
            return PrintResult(
                PrintFate.NOT_PRINTED, number, number, told, hint or "Print the label again.", final=True
            )
        return PrintResult(PrintFate.UNKNOWN, number, number, told, hint or LOOK, final=True)
    return PrintResult(PrintFate.UNKNOWN, number, number, problem, hint)


def open_ipp(uri: SplitResult) -> IppPrinter:
    """Open `ipp://host[:port]/path` or `ipps://…[?ca=/FILE]`; contacts nothing.

    Raises:
        ValueError: The address is incomplete, or names a user.
        ConfigError: The file of the CA can't be used.
    """
    options = parse_qs(uri.query)
    if not uri.hostname or "@" in uri.netloc or uri.fragment or set(options) - {"ca"}:
        raise ValueError(f"expected {uri.scheme}://host/ipp/print")
    port = uri.port or IppPrinter.default_port
    ca = options.get("ca", [""])[0]
    if ca and (uri.scheme != "ipps" or not Path(ca).is_absolute()):
        raise ValueError("?ca= takes an absolute path, with ipps:")
    host = f"[{uri.hostname}]" if ":" in uri.hostname else uri.hostname
    url = f"{'https' if uri.scheme == 'ipps' else 'http'}://{host}:{port}"
    path = uri.path or "/ipp/print"
    http = open_anonymous(PEER, url, Path(ca) if ca else None)
    # Who gives the printer's own certificate believes that one, whoever issued it.
    http.trust.context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return IppPrinter(f"{uri.scheme}://{host}:{port}{path}", path, http)


def _job(group: Attributes) -> Job:
    return Job(
        number=_number(group, "job-id") or 0,
        state=_number(group, "job-state") or 0,
        reasons=frozenset(_texts(group, "job-state-reasons")),
        printed=_number(group, "job-impressions-completed"),
        ours=USER in _texts(group, "job-originating-user-name"),
        name=next(iter(_texts(group, "job-name")), ""),
    )


def _number(facts: Attributes, name: str) -> int | None:
    found: Value = next(iter(facts.get(name, ())), b"")
    return found if isinstance(found, int) else None


def _texts(facts: Attributes, name: str) -> tuple[str, ...]:
    """Return an attribute's words; a printer's own, so without what could not be shown."""
    return tuple(text for text in facts.get(name, ()) if isinstance(text, str) and text.isprintable())


def _base(reason: str) -> str:
    return reason.removesuffix("-error").removesuffix("-warning").removesuffix("-report")


def _user() -> Attribute:
    return Attribute(Tag.NAME, "requesting-user-name", (USER,))


def _wanted(names: tuple[str, ...]) -> Attribute:
    return Attribute(Tag.KEYWORD, "requested-attributes", names)
