"""Errors of the PKI, sorted by what the caller does next.

`ProfileError` needs a corrected file, `RequestRefused` blames what was asked for (a request, a receipt, a second key),
`KeystoreError` means that the HSM is away and nothing may be made without it. A plain `PkiError` is the ledger's.
"""


class PkiError(Exception):
    """Anything that keeps the PKI from doing its work, with the next step for a person."""

    default_hint = "Call the PKI officer."

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint


class ProfileError(PkiError):
    """A ceremony file, profile or secret is wrong, or a certificate would not be what its profile says."""

    default_hint = "Correct the file and start again."


class RequestRefused(PkiError):
    """What was asked for is not allowed: a bad request, a false receipt, a key that is already someone's."""

    default_hint = "Put the unit aside for rework."


class KeystoreError(PkiError):
    """The HSM is away or not as expected; there is no fallback in software."""

    default_hint = "Stop the line and check the HSM."
