"""The stand-ins of all vendors at one address, in a thread of the test's process so that it can look inside."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from fixtures.cpms_vendors.__main__ import Town
from fixtures.samples import sample_unit
from pki.passwords import Password
from station.cpms import Credentials, Limits, open_cpms
from station.cpms.vendors.ampeco import open_ampeco
from station.cpms.vendors.caller import Opening
from station.cpms.vendors.greenflux import open_greenflux
from station.cpms.vendors.monta import open_monta

TOKEN = "token-of-a-vendor:0123456789abcdef"
UNHURRIED = {"ampeco": open_ampeco, "monta": open_monta, "greenflux": open_greenflux}
"""Adapters that keep to a rate, which would only make tests slow."""
PASSWORD = "Abcdefghij0123456789"


class Street:
    """The stand-ins, served."""

    def __init__(self, directory):
        self.fault = directory / "fault"
        self.town = Town(TOKEN, self.fault)
        self.server = uvicorn.Server(uvicorn.Config(self.town.app(), port=0, log_level="warning"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        end = time.monotonic() + 30
        while not self.server.started:
            assert time.monotonic() < end
            time.sleep(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.netloc = f"127.0.0.1:{port}"

    def misbehave(self, fault):
        self.fault.write_text(fault)

    def stop(self):
        self.server.should_exit = True
        self.thread.join(10)

    def open(self, scheme, query="", token=TOKEN):
        query = query.replace("HERE", self.netloc)
        uri = f"{scheme}+http://{self.netloc}{query}"
        if scheme not in UNHURRIED:
            return open_cpms(uri, lambda: token)
        return UNHURRIED[scheme](Opening(uri, lambda: token, Path(), None, Limits(4)))


def password(text=PASSWORD):
    return Credentials(password=lambda: Password(text))


def certified(serial, **changes):
    """Return a unit with a certificate that exists, and its chain."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, serial)])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    digest = made.fingerprint(hashes.SHA256()).hex()
    return sample_unit(serial, certificate_sha256=digest, **changes), made.public_bytes(Encoding.PEM).decode()
