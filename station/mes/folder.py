"""The MES by files, for one that has no HTTP: messages are dropped into a folder, and others are taken from it.

`out/` takes one file per message in the station's order, whole or not at all (`.tmp` and rename); the other side
confirms each by a file of the same name and `.ack`. `in/` brings messages in the order of their names, which we confirm
likewise. A folder can't be asked: whether a unit may begin is what the MES said in advance.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from station.errors import ConfigError, Service, ServiceError
from station.http import read_json
from station.mes.contract import Delivered, Delivery, Down, Envelope, parse_envelope

OUT, IN, DONE, REFUSED = "out", "in", "done", "refused"
ACK = ".ack"
MOST_BYTES = 4 * 1024 * 1024
PAGE = 20
PATIENCE_SECONDS = 300.0
"""How old a message may be that nobody confirmed, before the MES counts as away."""
LONGEST_REASON = 200


@dataclass(frozen=True)
class FolderMes:
    """An MES that shares a folder with the station."""

    folder: Path
    patience: float = PATIENCE_SECONDS

    @property
    def name(self) -> str:
        """Return its address."""
        return f"file:{self.folder}"

    @property
    def answers(self) -> bool:
        """Tell that it can't be asked."""
        return False

    def deliver(self, envelope: Envelope) -> Delivery:
        """Drop a message into the folder; it is done once the other side confirmed it."""
        place = self.folder / OUT / f"{envelope.number:012d}-{envelope.id}.json"
        with self._at_hand():
            if (self.folder / OUT / DONE / place.name).exists():
                return Delivery(Delivered.KNOWN)
            if not place.exists():
                _write(place, envelope.document())
            return self._confirmed(place)

    def ask(self, envelope: Envelope) -> Envelope:
        """Refuse: a folder does not answer.

        Raises:
            ServiceError: Always.
        """
        raise self._trouble(f"can't be asked ({envelope.name})", "Ask the MES team for an HTTP interface.")

    def fetch(self, after: int) -> tuple[Down, ...]:
        """Return the messages that lie in the folder, in the order of their names; what is none is put aside."""
        del after
        with self._at_hand():
            places = sorted((self.folder / IN).glob("*.json"))[:PAGE]
            found = ((place, self._read(place)) for place in places)
            return tuple(Down(0, envelope, place.name) for place, envelope in found if envelope is not None)

    def confirm(self, down: Down, sentence: str, *, accepted: bool) -> None:
        """Write the confirmation beside where the message lay, and put the message aside."""
        with self._at_hand():
            self._put_aside(self.folder / IN / down.file, sentence, accepted=accepted)

    def missing(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        """Return none: what was confirmed lies in the folder for anyone to read."""
        del ids
        return ()

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def _confirmed(self, place: Path) -> Delivery:
        """Read what the other side said of a message, and put both away.

        Raises:
            ServiceError: It said nothing for too long.
        """
        ack = place.with_suffix(ACK)
        if not ack.exists():
            if time.time() - place.stat().st_mtime > self.patience:
                raise self._trouble("is away: it confirms nothing", "Ask the MES team why it does not take the files.")
            return Delivery(Delivered.WAITS)
        refusal = _refusal(ack)
        aside = REFUSED if refusal else DONE
        ack.replace(self.folder / OUT / aside / ack.name)
        place.replace(self.folder / OUT / aside / place.name)
        return Delivery(Delivered.REFUSED, refusal) if refusal else Delivery(Delivered.KEPT)

    def _read(self, place: Path) -> Envelope | None:
        with place.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        try:
            return parse_envelope(read_json(content[:MOST_BYTES]))
        except ValueError as error:
            reason = f"more than {MOST_BYTES} bytes" if len(content) > MOST_BYTES else str(error)
            self._put_aside(place, f"The file is {reason}.", accepted=False)
            return None

    def _put_aside(self, place: Path, sentence: str, *, accepted: bool) -> None:
        answer = {"result": "accepted" if accepted else "refused", "reason": sentence}
        _write(place.with_suffix(ACK), json.dumps(answer).encode())
        place.replace(place.parent / (DONE if accepted else REFUSED) / place.name)

    @contextmanager
    def _at_hand(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise self._trouble(f"is away: {reason}", "Check the folder that the MES shares.") from error

    def _trouble(self, what: str, hint: str) -> ServiceError:
        return ServiceError(Service.MES, f"The MES {self.name} {what}", hint=hint, stops_line=False)


def open_folder(folder: Path) -> FolderMes:
    """Open a folder and make what it needs.

    Raises:
        ConfigError: It can't be made.
    """
    try:
        for way in (OUT, IN):
            for aside in (DONE, REFUSED):
                (folder / way / aside).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"mes.uri: {folder}: {error.strerror}") from error
    return FolderMes(folder)


def _write(place: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all."""
    part = place.with_suffix(".tmp")
    part.write_bytes(content)
    part.replace(place)


def _refusal(ack: Path) -> str:
    """Return why a message was refused, or nothing where it was kept."""
    with ack.open("rb") as file:
        content = file.read(MOST_BYTES)
    try:
        found = read_json(content)
    except ValueError:
        return "its confirmation is not JSON"
    result = found.get("result") if isinstance(found, dict) else None
    if result in ("kept", "known"):
        return ""
    reason = found.get("reason") if isinstance(found, dict) else None
    return str(reason or "it does not say why")[:LONGEST_REASON]
