"""One unit's time at the server: the mailbox between the loop thread, which serves it, and its slot thread.

The loop thread adds what the station sends; the slot thread waits for it, sends commands and decides. A failure set
from either side ends every wait at once. A bug of the server ends it too, as that bug and never as a bad unit.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeVar

from station.acceptance.admission import Presented, Verdict
from station.acceptance.attempts import AttemptLog
from station.acceptance.contract import Expected, Limits, Renewed
from station.acceptance.transcript import Recorder, Transcript
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Environment, Measurement, Outcome

_MAX_FINDINGS = 200
Found = TypeVar("Found")


class CallRefused(UnitError):
    """The unit answered a command with a CALLERROR."""

    def __init__(self, action: str, code: str) -> None:
        super().__init__(Defect.OCPP, f"The unit answered {action} with the error {code}.")
        self.code = code

    @property
    def not_offered(self) -> bool:
        """Tell whether the unit does not have this command at all."""
        return self.code in {"NotImplemented", "NotSupported"}


class ConnectionGone(UnitError):
    """The unit closed its connection while a command was unanswered."""


@dataclass(frozen=True)
class Received:
    """A request of the station, as it was when it had been answered."""

    connection: int
    """Number of the connection it came over, from 1."""
    at: datetime
    """Time of receipt, in UTC."""
    action: str
    payload: dict[str, object]
    accepted: bool
    """Whether the station was, or with this BootNotification became, accepted."""


@dataclass(frozen=True)
class Answer:
    """The answer to a command."""

    payload: dict[str, object]
    position: int
    """Messages with this number or a higher one came after the answer."""

    @property
    def status(self) -> str:
        """Return the answer's status, or the empty string where it has none."""
        status = self.payload.get("status", "")
        return status if isinstance(status, str) else ""


@dataclass(frozen=True)
class CheckResult:
    """How one check ended."""

    name: str
    outcome: Outcome
    seconds: float
    measurements: tuple[Measurement, ...] = ()
    detail: str = ""


class Link(Protocol):
    """A live connection, as the visit needs it; its coroutines run in the loop thread."""

    async def call(self, action: str, payload: dict[str, object]) -> Answer:
        """Send a command and return its answer."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...

    def drop(self) -> None:
        """Cut the connection."""
        ...


class Visit:
    """A registered unit and everything it did since; closed by the `with` block of `AcceptanceServer.expect`."""

    def __init__(
        self, expected: Expected, limits: Limits, attempts: AttemptLog, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.expected = expected
        self.limits = limits
        self.attempts = attempts
        self.watched_since = attempts.mark()
        """Mark in the attempt log from which on attempts of this unit count."""
        self.results: list[CheckResult] = []
        """Results of every check so far, also of the one that failed."""
        self.epoch = 0
        """Position from which messages belong to the unit's latest start."""
        self.accepting = expected.environment is Environment.SHIP
        """Whether a BootNotification is answered Accepted; Pending otherwise."""
        self.granted: Mapping[str, dict[str, object]] = {}
        """What some of the unit's requests are answered with now, in place of a refusal."""
        self.away = False
        """Whether nobody is let in now, as if the network were gone."""
        self.reconnecting = False
        """Whether the unit may let go of its connection to come back with a renewed certificate."""
        self.connections_before_renewal = 0
        self.connections_before_reset = 0
        self._loop = loop
        self._changed = threading.Condition()
        self._log: list[Received] = []
        self._messages = 0
        self._bytes = 0
        self._connections: list[Presented] = []
        self._link: Link | None = None
        self._failure: BaseException | None = None
        self._suspect: BaseException | None = None
        self._findings: deque[str] = deque(maxlen=_MAX_FINDINGS)
        self._claims: deque[str] = deque(maxlen=_MAX_FINDINGS)
        self.recorder = Recorder(limits.transcript_bytes, expected.password)

    @property
    def names(self) -> frozenset[str]:
        """Return the names under which this unit is known to the attempt log."""
        return frozenset({self.expected.serial, self.expected.identity})

    @property
    def findings(self) -> tuple[str, ...]:
        """Return where the unit broke the protocol without being stopped by it."""
        with self._changed:
            return tuple(self._findings)

    @property
    def claims(self) -> tuple[str, ...]:
        """Return why stations that claimed this unit's identity, without proof, were refused."""
        with self._changed:
            return tuple(self._claims)

    @property
    def position(self) -> int:
        """Return the number the next message will get."""
        with self._changed:
            return len(self._log)

    @property
    def connections(self) -> tuple[Presented, ...]:
        """Return what the unit presented at each of its connections."""
        with self._changed:
            return tuple(self._connections)

    def messages(self, action: str = "", since: int = 0) -> Sequence[Received]:
        """Return the station's requests from a position on, of one action or of all."""
        with self._changed:
            return [message for message in self._log[since:] if action in {"", message.action}]

    def until(self, look: Callable[[], Found | None], deadline: Deadline) -> Found | None:
        """Return what `look` finds as soon as it finds something, or None at the deadline; looks at every change.

        Raises:
            UnitError: The unit has disqualified itself meanwhile.
            Aborted: The server was stopped.
        """
        with self._changed:
            while True:
                self._raise_failure()
                found = look()
                if found is not None:
                    return found
                if deadline.expired:
                    break
                self._changed.wait(deadline.remaining)
        if self._suspect is not None:
            raise RuntimeError("the acceptance server failed while this unit was expected") from self._suspect
        return None

    def call(self, action: str, payload: Mapping[str, object], deadline: Deadline) -> Answer:
        """Send a command and return its answer.

        Raises:
            CallRefused: The unit answered with an error.
            ConnectionGone: The connection ended before the answer.
            UnitError: The unit is not connected, or did not answer in time.
        """
        link = self.until(lambda: self._link, deadline)
        if link is None:
            raise UnitError(
                Defect.OCPP, f"The unit was not connected for {deadline.seconds:.3g} s, so {action} failed."
            )
        future = asyncio.run_coroutine_threadsafe(link.call(action, dict(payload)), self._loop)
        try:
            return future.result(deadline.remaining)
        except TimeoutError as error:
            future.cancel()
            raise UnitError(Defect.OCPP, f"No answer to {action} within {deadline.seconds:.3g} s.") from error
        except ConnectionGone:
            with self._changed:
                self._raise_failure()
            raise

    def expect_renewed(self, renewed: Renewed) -> None:
        """Expect a renewed certificate; the one shown last is let in beside it until `forget_former`."""
        with self._changed:
            shown = self._connections[-1].certificate if self._connections else None
            self.expected = replace(
                self.expected,
                certificate_sha256=renewed.sha256,
                certificate_serial=renewed.serial,
                former_sha256=shown.sha256 if shown else "",
            )
            self.connections_before_renewal, self.reconnecting = len(self._connections), True

    def forget_former(self) -> None:
        """Let the unit in with its present certificate only."""
        self.expected = replace(self.expected, former_sha256="")

    def disconnect(self) -> None:
        """Close the unit's connection, if it has one, so that it shows its certificate anew."""
        link = self.link
        if link is not None:
            asyncio.run_coroutine_threadsafe(link.close(), self._loop)

    @contextmanager
    def network_gone(self) -> Iterator[None]:
        """Cut the unit's connection, and let it not in for the time of the block."""
        self.away = True
        link = self.link
        if link is not None:
            self._loop.call_soon_threadsafe(link.drop)
        try:
            yield
        finally:
            self.away = False

    def transcript(self) -> Transcript:
        """Return every frame so far, redacted, as JSON lines with their SHA-256."""
        with self._changed:
            return self.recorder.export()

    def transcript_sha256(self) -> str:
        """Return the SHA-256 of the transcript so far."""
        return self.transcript().sha256

    # From here on: called by the loop thread.

    def joined(self, link: Link, presented: Presented, subprotocol: str) -> tuple[int, Link | None]:
        """Take a new connection as the unit's only one; return its number and the one it replaces."""
        with self._changed:
            self._connections.append(presented)
            former, self._link = self._link, link
            number = len(self._connections)
            certificate = presented.certificate
            self.recorder.event(
                "connected",
                number,
                environment=presented.environment.value,
                address=presented.address,
                path=presented.claimed,
                subprotocol=subprotocol,
                tls=presented.tls_version,
                cipher=presented.cipher,
                certificate_sha256=certificate.sha256 if certificate else "",
            )
            self._changed.notify_all()
        if number >= self.limits.connections:
            self.fail(UnitError(Defect.OCPP, f"The unit connected {number} times: it cannot hold a connection."))
        return number, former

    def left(self, link: Link, number: int, why: str) -> None:
        """Note the end of a connection."""
        with self._changed:
            self._link = None if self._link is link else self._link
            self.recorder.event("disconnected", number, why=why)
            self._changed.notify_all()

    def frame(self, direction: str, number: int, text: str, at: datetime) -> None:
        """Keep a frame."""
        with self._changed:
            self.recorder.frame(direction, number, text, at)

    def received(self, message: Received) -> None:
        """Add a request of the station that has been answered."""
        with self._changed:
            self._log.append(message)
            self._changed.notify_all()

    def took(self, size: int) -> None:
        """Count a message of the station, whatever it holds; too many, or too much in all, end the visit."""
        self._messages += 1
        self._bytes += size
        if self._messages >= self.limits.messages:
            self.fail(UnitError(Defect.OCPP, f"The unit sent {self.limits.messages} messages: it floods the server."))
        elif self._bytes > self.limits.traffic_bytes:
            told = f"The unit sent more than {self.limits.traffic_bytes} bytes: it floods the server."
            self.fail(UnitError(Defect.OCPP, told))

    def found(self, finding: str) -> None:
        """Record a breach of the protocol."""
        with self._changed:
            self._findings.append(finding)
            self._changed.notify_all()

    def refused(self, verdict: Verdict) -> None:
        """Take note of a refusal: proven, it ends the visit; merely claimed, it is kept for the explanation."""
        if verdict.expected is self.expected:
            self.fail(UnitError(verdict.defect, f"The unit was refused: {verdict.reason}."))
            return
        with self._changed:
            self._claims.append(verdict.reason)
            self._changed.notify_all()

    def fail(self, failure: BaseException) -> None:
        """End every wait of this visit with an error; the first one stays."""
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify_all()

    def suspect(self, bug: BaseException) -> None:
        """Remember a bug of the server that may be why this unit does not get through."""
        with self._changed:
            self._suspect = bug

    @property
    def failed(self) -> bool:
        """Tell whether the visit is over."""
        with self._changed:
            return self._failure is not None

    @property
    def link(self) -> Link | None:
        """Return the unit's connection, if it has one."""
        with self._changed:
            return self._link

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
