"""`python -m pki.cli` is the command `pki`."""

from pki.cli import main

main()
