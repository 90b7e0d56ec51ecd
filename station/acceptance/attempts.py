"""Who tried to connect where: every accepted TCP connection is an attempt, also one that never gets through TLS.

Attribution, strongest first: the common name of a client certificate that a root of either environment vouches for;
the identity of a right password; the identity claimed in the path, unless its address is known to be another unit's;
the client's address, when every proven attempt from it was this unit's and it is not this very computer's. An attempt
still under way is attributed to nobody: the next byte may tell whose it is. What is left is counted as unattributed
and blames nobody, so a bench that wants every failed handshake attributed gives each charger its own address.

A station that connects without end must not push out what others did: of attempts that are alike in everything, only
the latest are remembered. So "none" and "some" stay true, and only a very high count is told too low.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from station.clock import Deadline, utc_now
from station.errors import Service, ServiceError
from station.model import Environment

_ALIKE = 64
"""Settled attempts of one kind that are remembered."""


@dataclass(frozen=True)
class Attempt:
    """One TCP connection to one persona, with what is known of it so far."""

    number: int
    environment: Environment
    address: str
    at: datetime
    owner: str = ""
    """The name a certificate or password proved."""
    claimed: str = ""
    """The identity in the path; anybody can write one."""
    verdict: str = "no TLS handshake"
    settled: bool = False
    """Whether nothing more will become known."""
    local: bool = False
    """Whether it came from this computer, where an address tells nothing."""


_Kind = tuple[Environment, str, str, str]


def _kind(attempt: Attempt) -> _Kind:
    return (attempt.environment, attempt.address, attempt.owner, attempt.claimed)


class AttemptLog:
    """The latest attempts on all personas; written by the loop thread, read by slot threads."""

    def __init__(self, size: int = 4096, patience_seconds: float = 20.0) -> None:
        self._size = size
        self._patience = timedelta(seconds=patience_seconds)
        self._attempts: dict[int, Attempt] = {}
        """By number, oldest first."""
        self._alike: defaultdict[_Kind, deque[int]] = defaultdict(deque)
        self._under_way: defaultdict[str, dict[int, datetime]] = defaultdict(dict)
        self._changed = threading.Condition()
        self._total = 0
        self._forgotten = 0
        """Highest number of an attempt that was forgotten with nothing like it left."""

    def mark(self) -> int:
        """Return the number of attempts so far; later ones have a higher number."""
        with self._changed:
            return self._total

    def opened(self, environment: Environment, address: str, *, local: bool = False) -> int:
        """Note an accepted TCP connection and return its number."""
        with self._changed:
            self._total += 1
            self._attempts[self._total] = Attempt(self._total, environment, address, utc_now(), local=local)
            self._under_way[address][self._total] = utc_now()
            if len(self._attempts) > self._size:
                self._forget_oldest()
            self._changed.notify_all()
            return self._total

    def learned(self, number: int, verdict: str, *, owner: str = "", claimed: str = "", settled: bool = False) -> None:
        """Write down what became known of an attempt, in place of what was known before."""
        with self._changed:
            known = self._attempts.get(number)
            if known is None or known.settled:
                return
            learned = replace(known, verdict=verdict, owner=owner, claimed=claimed, settled=settled)
            self._attempts[number] = learned
            if settled:
                self._settle(learned)
            self._changed.notify_all()

    def half_open(self, address: str) -> int:
        """Return how many connections from an address came lately of which it is not known yet what they want."""
        with self._changed:
            latest = utc_now() - self._patience
            for number in [n for n, at in self._under_way[address].items() if at < latest]:
                del self._under_way[address][number]
            return len(self._under_way[address])

    def latest(self, environment: Environment) -> tuple[Attempt, ...]:
        """Return the attempts on a persona that are still remembered, oldest first."""
        with self._changed:
            return tuple(attempt for attempt in self._attempts.values() if attempt.environment is environment)

    def of_unit(self, environment: Environment, names: frozenset[str], since: int) -> tuple[Attempt, ...]:
        """Return the attempts of a unit on a persona after a mark.

        Raises:
            ServiceError: So many attempts followed that some are forgotten, and that there was none cannot be proven.
        """
        with self._changed:
            late, owners = self._since(environment, since), self._owners()
            return tuple(attempt for attempt in late if self._belongs(attempt, names, owners))

    def unattributed(self, environment: Environment, names: frozenset[str], since: int) -> tuple[Attempt, ...]:
        """Return the attempts from the unit's addresses that may be its own or another unit's."""
        with self._changed:
            late, owners = self._since(environment, since), self._owners()
            return tuple(attempt for attempt in late if self._ambiguous(attempt, names, owners))

    def nameless(self, environment: Environment, since: int) -> tuple[Attempt, ...]:
        """Return the attempts after a mark that ended before anybody could be named."""
        with self._changed:
            return tuple(a for a in self._since(environment, since) if not a.owner and not a.claimed)

    def wait_for_unit(
        self, environment: Environment, names: frozenset[str], since: int, deadline: Deadline
    ) -> tuple[Attempt, ...]:
        """Wait until the unit tries to connect to a persona; return nothing when it did not until the deadline."""
        with self._changed:
            self._changed.wait_for(lambda: self.of_unit(environment, names, since), deadline.remaining)
            return self.of_unit(environment, names, since)

    def _settle(self, attempt: Attempt) -> None:
        """Keep only the latest of many attempts that are alike."""
        self._under_way[attempt.address].pop(attempt.number, None)
        alike = self._alike[_kind(attempt)]
        alike.append(attempt.number)
        if len(alike) > _ALIKE:
            del self._attempts[alike.popleft()]

    def _forget_oldest(self) -> None:
        self._forgotten = next(iter(self._attempts))
        attempt = self._attempts.pop(self._forgotten)
        self._under_way[attempt.address].pop(attempt.number, None)
        if attempt.settled:
            self._alike[_kind(attempt)].remove(attempt.number)
        if not self._under_way[attempt.address]:
            del self._under_way[attempt.address]
        if not self._alike[_kind(attempt)]:
            del self._alike[_kind(attempt)]

    def _since(self, environment: Environment, since: int) -> Iterator[Attempt]:
        if self._forgotten > since:
            raise ServiceError(
                Service.NETWORK,
                f"More than {self._size} connection attempts came in during one watch.",
                hint="Find out what floods the bench network.",
                stops_line=False,
            )
        late = (attempt for attempt in self._attempts.values() if attempt.number > since)
        return (attempt for attempt in late if attempt.environment is environment)

    def _belongs(self, attempt: Attempt, names: frozenset[str], owners: Mapping[str, set[str]]) -> bool:
        if attempt.owner:
            return attempt.owner in names
        proven = owners.get(attempt.address, set())
        if attempt.claimed:
            return attempt.claimed in names and (not proven or bool(proven & names))
        return not attempt.local and self._settled(attempt) and bool(proven) and proven <= names

    def _settled(self, attempt: Attempt) -> bool:
        return attempt.settled or utc_now() - attempt.at > self._patience

    def _ambiguous(self, attempt: Attempt, names: frozenset[str], owners: Mapping[str, set[str]]) -> bool:
        proven = owners.get(attempt.address, set())
        nameless = not attempt.owner and not attempt.claimed
        return nameless and bool(proven & names) and not self._belongs(attempt, names, owners)

    def _owners(self) -> Mapping[str, set[str]]:
        """Return who was proven at each address."""
        owners: defaultdict[str, set[str]] = defaultdict(set)
        for attempt in self._attempts.values():
            if attempt.owner:
                owners[attempt.address].add(attempt.owner)
        return owners
