"""Issue to a row of simulated devices, converging after any death; killed and started again by its test.

Run as: python issuing_worker.py PKI_DIRECTORY DEVICES COUNT. Odd devices get a key born in the HSM, even ones make it.
"""

import sys
from pathlib import Path

from fixtures.charger.meter import Meter
from fixtures.charger.nvm import Nvm
from fixtures.charger.vault import Vault
from pki.environment import Key, Test
from pki.issue import Factory, open_factory
from pki.issuer import Issuer
from pki.keystore import RsaTransport
from pki.proof import Proof

ORDER = "WO-300"


def main(directory: Path, devices: Path, count: int) -> None:
    factory = open_factory(directory)
    issuer = factory.issuer(Test)
    issuer.grant(ORDER, count, count)
    for number in range(1, count + 1):
        bring_up(factory, issuer, devices / f"{number:03}", f"AC22-{number:06}", born_in_hsm=number % 2 == 1)
        print(number, flush=True)


def bring_up(factory: Factory, issuer: Issuer[Test], state: Path, unit: str, *, born_in_hsm: bool) -> None:
    """Find out what the device holds, and do what is missing (design 8.3)."""
    vault, uid = Vault(Nvm(state), Meter(state)), Nvm(state).uid
    key = issuer.current(unit)
    if key is not None and vault.spki("test") != key.spki:
        issuer.lose(key, "the device does not hold this key")
        key = None
    if key is None and born_in_hsm:
        key, package = issuer.generate(
            unit, "station", RsaTransport(bytes(vault.transport().announce()["spki"])), ORDER
        )
        vault.deliver("test", package)
        key = confirmed(factory, issuer, vault, uid, key, "receipt")
    elif key is None:
        key = issuer.adopt(unit, "station", vault.create("test", unit), unit, ORDER)
    else:
        key = confirmed(factory, issuer, vault, uid, key, "challenge")
    certificate = issuer.issue(key)
    assert vault.install("test", certificate.der)
    issuer.record(certificate, "installed")


def confirmed(factory: Factory, issuer: Issuer[Test], vault: Vault, uid: bytes, key: Key[Test], kind) -> Key[Test]:
    nonce = factory.random(32)
    proof = vault.prove("test", kind, nonce)
    return issuer.confirm(key, Proof(kind, uid, nonce, proof["spki"], proof["sig"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
