"""The plan's tokens, each opened when it is first needed, so that one which stays in the safe is never asked for."""

from pathlib import Path

from pki.errors import KeystoreError
from pki.keystore import Keystore, Purpose, open_keystore
from pki.plan import Plan, TokenPlan
from pki.secret import secret


class Tokens:
    """Open tokens by the name that the plan gives them.

    One PKCS#11 module serves one configuration at a time in a process: two SoftHSM directories take turns.
    """

    def __init__(self, plan: Plan, directory: Path) -> None:
        self._plan = plan
        self._directory = directory
        self._open: dict[str, Keystore] = {}
        self._pins: dict[str, str] = {}
        self.visited: set[str] = set()
        """Tokens that were opened at least once."""

    def open(self, name: str) -> Keystore:
        """Return a token, logged in; keys are bound anew by whoever needs them.

        Raises:
            KeystoreError: The token is away, or its PIN is wrong.
            ProfileError: There is no PIN.
        """
        if name not in self._open:
            token = self._plan.tokens[name]
            self._make_room(token)
            pin = self._pins.get(name) or secret(token.pin, self._directory, ask=f"PIN of token '{token.label}'")
            self._open[name] = self._opened(name, token, pin)
            self._pins[name] = pin
            self.visited.add(name)
        return self._open[name]

    def _opened(self, name: str, token: TokenPlan, pin: str) -> Keystore:
        try:
            return open_keystore(token, self._directory, pin, purposes=self._purposes(name))
        except KeystoreError as error:
            if name in self._plan.daily:
                raise
            hint = f"Token '{name}' is the offline one: bring it for this ceremony, and check its PIN."
            raise KeystoreError(error.message, hint=hint) from error

    def _purposes(self, name: str) -> frozenset[Purpose]:
        holds = {what for what, where in vars(self._plan.keys).items() if where == name}
        signs = {Purpose.SIGN} if holds - {"devices"} else set()
        return frozenset(signs | ({Purpose.DEVICES} if "devices" in holds else set()))

    def _make_room(self, wanted: TokenPlan) -> None:
        for name, token in self._plan.tokens.items():
            if name in self._open and token.module == wanted.module and token.environment != wanted.environment:
                self._open.pop(name).close()

    def is_open(self, name: str) -> bool:
        """Tell whether a token has been opened and was not sent away since."""
        return name in self._open

    def close(self) -> None:
        """Log out of every token."""
        while self._open:
            self._open.popitem()[1].close()
