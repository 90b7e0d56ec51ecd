"""Secrets that leave on paper: sealed for the factory's own key until the paper was seen, and gone from us afterwards.

The ledger keeps for ever what recognises one, a keyed hash, and never what opens it: that is a file beside the ledger,
which is deleted. So no backup of the ledger opens a secret that a customer holds, with the token or without.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from pki.environment import Ship
from pki.errors import PkiError, RequestRefused
from pki.files import sync_folder, write_file
from pki.passwords.issue import Passwords
from pki.passwords.kinds import Kind
from pki.passwords.value import Password

FOLDER = "paper"
"""Folder of a PKI directory that holds what is not on paper yet."""
ANOTHER = "what was before is gone from us"
MOST_BYTES = 65_536
_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")


def waiting(folder: Path, unit: str) -> tuple[Kind, ...]:
    """Return which secrets of a unit wait for their paper; asks the folder alone."""
    return tuple(kind for kind in Kind if _NAME.fullmatch(unit) and (folder / f"{unit}.{kind}.cms").exists())


@dataclass(frozen=True)
class PaperSecrets:
    """The secrets that are not on paper yet, of all units."""

    passwords: Passwords
    folder: Path

    def ensure(self, unit: str, kind: Kind) -> int:
        """Return the version of a unit's secret that waits for its paper; it is drawn now if none does.

        Raises:
            ProfileError: The ceremony made no sealing key.
            RequestRefused: The unit's name does not fit.
            KeystoreError: The HSM is away.
            PkiError: It can't be kept.
        """
        known = self.passwords.current(unit, Ship, kind)
        if known is not None and self._opened(unit, kind) is not None:
            return known.version
        made = self.passwords.lend(unit, Ship, kind, ANOTHER if known else "")
        try:
            write_file(self._path(unit, kind), made.message, 0o600)
        except OSError as error:
            raise PkiError(
                f"the sealed {kind} of {unit} can't be kept: {error.strerror}", hint="Check disk."
            ) from error
        return made.version

    def open(self, unit: str, kind: Kind) -> Password:
        """Return the secret, opened in the token, for whoever writes or prints it at once.

        Raises:
            RequestRefused: It is on paper already, or was never made.
            KeystoreError: The HSM is away, or can't open it.
        """
        found = self._opened(unit, kind)
        if found is None:
            hint = "Send the unit to rework: it gets a new one."
            raise RequestRefused(f"the {kind} of {unit} is gone from us: it stands on its label inside", hint=hint)
        return found

    def held(self, unit: str, kind: Kind) -> bool:
        """Tell whether a secret waits for its paper; asks neither ledger nor HSM."""
        return self._path(unit, kind).exists()

    def forget(self, unit: str, kind: Kind) -> None:
        """Delete what opens a secret, as its paper was seen; nothing where that was done before.

        Raises:
            PkiError: It can't be deleted.
        """
        path = self._path(unit, kind)
        if not path.exists():
            return
        try:
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
        except OSError as error:
            raise PkiError(f"the sealed {kind} of {unit} can't be deleted: {error.strerror}", hint="Retry.") from error
        self.passwords.note("password-forgotten", unit, Ship, kind)

    def _opened(self, unit: str, kind: Kind) -> Password | None:
        """Return what waits; None where nothing does, or an older one that a power cut left."""
        try:
            with self._path(unit, kind).open("rb") as stream:
                message = stream.read(MOST_BYTES)
            return self.passwords.open_lent(unit, Ship, kind, message)
        except (FileNotFoundError, RequestRefused):
            return None

    def _path(self, unit: str, kind: Kind) -> Path:
        if not _NAME.fullmatch(unit):
            raise RequestRefused("a unit's name on paper is of letters, digits and hyphens")
        return self.folder / f"{unit}.{kind}.cms"
