"""One token: its login, its sessions, and what happens when it goes away and comes back.

A token is *away* from the first answer that makes its sessions doubtful. From then on every call is refused at once,
with no fallback. Whoever calls when a try is due brings it up again: new sessions, one login, every bound key found by
its label, compared with the public key it was bound to, and made to sign. The module itself is started anew only when
that fails and nobody else is inside it. A PIN that was refused is never tried again in this process.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pki.errors import KeystoreError
from pki.keystore.cryptoki import USER, Cryptoki, TokenInfo
from pki.keystore.module import module, module_environment
from pki.keystore.results import ALREADY_LOGGED_IN, PIN_REFUSED, CryptokiError
from pki.plan import TokenPlan

BUSY_SECONDS = 30.0
"""How long a caller waits for a free session before the token counts as stalled."""
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
T = TypeVar("T")


class KeyGone(KeystoreError):
    """A key that was bound can't be found or signs for another: the token is not what it was."""


@dataclass
class Worker:
    """One session, and the handles of the keys found through it."""

    link: "Link"
    session: int
    keys: dict[str, int] = field(default_factory=dict)
    """Private keys that signed for their public keys."""
    keks: dict[str, tuple[int, bool]] = field(default_factory=dict)
    """Batch keys, each with whether the token calls it trusted and keeps to that."""


@dataclass
class Link:
    """What was opened together and is lost together."""

    info: TokenInfo
    anchor: int | None
    """The session that keeps the login alive; nobody works with it."""
    idle: "queue.SimpleQueue[Worker]" = field(default_factory=queue.SimpleQueue)
    ended: list[Worker] = field(default_factory=list)
    """Workers whose sessions were closed after the link was lost."""

    def is_drained(self, sessions: int) -> bool:
        """Tell whether nobody works through this link any more."""
        return len(self.ended) == sessions


class Token:
    """A logged-in token; safe from many threads, refused in a forked child."""

    def __init__(
        self, plan: TokenPlan, directory: Path, pin: str, *, busy_seconds: float = BUSY_SECONDS, user: int = USER
    ) -> None:
        self.name = plan.label
        self._sessions = plan.sessions
        self._pin, self._user, self._busy_seconds = pin, user, busy_seconds
        self._pid = os.getpid()
        self._module = module(plan.module)
        self._recovering = threading.Lock()
        self._state = threading.Lock()
        self._inside = True
        """Whether somebody may be inside the module for this token, as far as the module is told."""
        self._check: Callable[[Worker], object] = id
        self._link: Link | None = None
        self._lost: Link | None = None
        self._reason, self._wait, self._next_try = "", 0.0, 0.0
        self._stalled = self._closed = self._pin_refused = False
        self.cryptoki: Cryptoki = self._module.acquire(plan.label, module_environment(plan.environment, directory))
        try:
            self._link = self._open(again=False)
        except BaseException:
            self._module.release(plan.label)
            raise
        self.info = self._link.info

    def close(self) -> None:
        """Close every session; the session objects are gone with them."""
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        # Whoever is still inside the module would not survive its end: a hanging one is left to the end of the process.
        if self._recovering.acquire(timeout=self._busy_seconds):
            link, self._link = self._link or self._lost, None
            if link is None or self._drained_in_time(link):
                self._module.release(self.name)
            self._recovering.release()

    def _drained_in_time(self, link: Link) -> bool:
        end = time.monotonic() + self._busy_seconds
        while not (drained := self._drain(link)) and time.monotonic() < end:
            time.sleep(0.01)
        return drained

    def on_open(self, check: Callable[[Worker], object]) -> None:
        """Let `check` find and prove the keys of every new session before anybody else uses it."""
        self._check = check

    def call(self, what: str, work: Callable[[Worker], T]) -> T:
        """Let `work` use a session of its own.

        Raises:
            KeystoreError: The token is away, busy or closed, or refuses; `what` says what for.
        """
        worker = self._take(what)
        try:
            return work(worker)
        except CryptokiError as error:
            if error.away:
                self._lose(worker.link, f"{what}: {error}")
            raise KeystoreError(f"token '{self.name}': {what}: {error}") from error
        except KeyGone as error:
            self._lose(worker.link, error.message)
            raise
        finally:
            self._give_back(worker)

    def _take(self, what: str) -> Worker:
        if os.getpid() != self._pid:
            raise KeystoreError("the HSM was opened before a fork", hint="Start processes with spawn.")
        if self._closed:
            raise KeystoreError(f"token '{self.name}' is closed")
        link = self._link or self._recover()
        try:
            worker = link.idle.get(timeout=0.0 if self._stalled else self._busy_seconds)
        except queue.Empty as error:
            self._stalled = True
            raise KeystoreError(f"token '{self.name}' does not answer for {self._busy_seconds:g} s: {what}") from error
        self._stalled = False
        if link is not self._link:
            self._give_back(worker)
            raise self._refusal()
        return worker

    def _give_back(self, worker: Worker) -> None:
        worker.link.idle.put(worker)
        if worker.link is not self._link:
            self._drain(worker.link)

    def _lose(self, link: Link, reason: str) -> None:
        with self._state:
            if self._link is link:
                self._link, self._lost, self._inside = None, link, False
                self._reason, self._wait, self._next_try = reason, 0.0, 0.0

    def _refusal(self) -> KeystoreError:
        return KeystoreError(f"token '{self.name}' is away: {self._reason}")

    def _recover(self) -> Link:
        if not self._recovering.acquire(blocking=False):
            raise self._refusal()
        try:
            if self._closed:
                raise KeystoreError(f"token '{self.name}' is closed")
            if self._link is None:
                self._link = self._bring_up()
            return self._link
        finally:
            self._recovering.release()

    def _bring_up(self) -> Link:
        if self._pin_refused or time.monotonic() < self._next_try:
            raise self._refusal()
        try:
            link = self._open_again()
        except KeystoreError as error:
            self._reason = error.message.removeprefix(f"token '{self.name}': ")
            self._wait = min(max(FIRST_WAIT_SECONDS, 2 * self._wait), LONGEST_WAIT_SECONDS)
            self._next_try = time.monotonic() + self._wait
            raise KeystoreError(f"token '{self.name}' is away: {self._reason}", hint=error.hint) from error
        return link

    def _open_again(self) -> Link:
        if self._lost:
            self._drain(self._lost)
        try:
            return self._open_inside()
        except KeystoreError:
            if self._pin_refused or not self._module.restart(self.name):
                raise
        return self._open_inside()

    def _open_inside(self) -> Link:
        self._enter()
        try:
            return self._open(again=True)
        except BaseException:
            self._leave()
            raise

    def _enter(self) -> None:
        """Keep everybody from starting the module anew, because somebody is inside it for this token."""
        with self._state:
            self._inside = True
            self._module.mark(self.name, away=False)

    def _leave(self) -> None:
        """Let the module be started anew, unless a session that was lost is still at work."""
        with self._state:
            self._inside = False
            if self._lost is None or self._lost.is_drained(self._sessions):
                self._module.mark(self.name, away=True)

    def _open(self, *, again: bool) -> Link:
        info = self._find()
        with self._told("open sessions"), ExitStack() as opened:
            anchor = self._open_session(info.slot, opened)
            self._log_in(info, anchor, again=again)
            link = Link(info, anchor)
            for _ in range(self._sessions):
                worker = Worker(link, self._open_session(info.slot, opened))
                self._check(worker)
                link.idle.put(worker)
            opened.pop_all()
        return link

    def _open_session(self, slot: int, opened: ExitStack) -> int:
        session = self.cryptoki.open_session(slot)
        opened.callback(self._close_session, session)
        return session

    def _find(self) -> TokenInfo:
        with self._told("look for the token"):
            found = [info for info in self.cryptoki.tokens() if info.label == self.name]
        if not found:
            raise KeystoreError(f"token '{self.name}' is missing", hint="Plug in or start the HSM.")
        if len(found) > 1:
            raise KeystoreError(f"several tokens are labelled '{self.name}'")
        return found[0]

    def _log_in(self, info: TokenInfo, session: int, *, again: bool) -> None:
        hint = "Correct the secret with its PIN before you start again."
        serial = f"{info.label} {info.serial}"
        if self._module.pin_was_refused(serial, self._pin):
            self._pin_refused = True
            raise KeystoreError(f"the PIN of token '{self.name}' was refused before; it is not tried again", hint=hint)
        try:
            self.cryptoki.log_in(session, self._pin, self._user)
        except CryptokiError as error:
            if error.code == ALREADY_LOGGED_IN and again:
                return
            if error.code not in PIN_REFUSED:
                raise KeystoreError(f"token '{self.name}' refuses the login: {error}") from error
            self._pin_refused = True
            self._module.remember_refused_pin(serial, self._pin)
            message = f"the PIN of token '{self.name}' is wrong ({error}); it was tried once"
            raise KeystoreError(message, hint=hint) from error

    def _drain(self, link: Link) -> bool:
        """Close the sessions of a link that is given up; tell whether nobody is inside the module through it."""
        with suppress(queue.Empty):
            while True:
                link.ended.append(link.idle.get_nowait())
                self._close_session(link.ended[-1].session)
        if not link.is_drained(self._sessions):
            return False
        anchor, link.anchor = link.anchor, None
        if anchor is not None:
            self._close_session(anchor)
        with self._state:
            if link is self._lost and not self._inside:
                self._module.mark(self.name, away=True)
        return True

    def _close_session(self, session: int) -> None:
        with suppress(CryptokiError):
            self.cryptoki.close_session(session)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except CryptokiError as error:
            raise KeystoreError(f"token '{self.name}': {what}: {error}") from error
