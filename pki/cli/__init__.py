"""The command `pki`: hold ceremonies, look after keys and CAs, issue and revoke by hand.

Exit codes: 0 done, 1 a check failed or a request was refused, 2 usage or configuration, 3 an HSM is away.
"""

import click

from pki.cli.ceremonies import ceremony, renew, status
from pki.cli.common import Group
from pki.cli.evidence import audit, firmware_sign
from pki.cli.services import crl, enrol_code, identity, kek, serve_command
from pki.cli.units import issue, password, quota, revoke

COMMANDS = (
    *(ceremony, status, renew),
    *(issue, revoke, crl, quota, password),
    *(enrol_code, identity, kek, serve_command),
    *(audit, firmware_sign),
)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The factory's PKI: keys in HSMs, certificates by profile, a ledger of both.

    A directory (--dir) holds one factory's PKI. One reviewed file is the whole input of its ceremony. The PIN of a
    token is a secret by name (tokens.NAME.pin, by default hsm-pin): a systemd credential, or DIR/secrets/NAME with
    mode 0600, or typed at the terminal. It never stands in a file that is reviewed, nor on a command line.

    \b
    To set up a factory:
      pki ceremony factory.toml --dir /var/lib/pki --dry-run   what would happen
      pki ceremony factory.toml --dir /var/lib/pki             do it; needs every token
      pki status --dir /var/lib/pki                            afterwards, without the offline token

    \b
    Exit codes: 0 done, 1 a check failed or a request was refused,
      2 usage or configuration, 3 an HSM is away.
    """


for _command in COMMANDS:
    main.add_command(_command)
