"""Mutual TLS (F-K9): the CPMS knows the station by its certificate, and the station follows when that is renewed."""

import shutil
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from cpms_plant import Plant
from cpms_world import TOKEN, Staging, make_unit
from test_cpms_tls import self_signed

from pki.secret import write_secret
from station.config import load_station
from station.cpms import ClientIdentity, open_cpms
from station.daemon import opened_cpms
from station.errors import ConfigError, ServiceError
from station.http import ATTEMPTS

PASSPHRASE = "a passphrase of the station"
UNIT = make_unit("AC22-MUTUAL")
NO_FACTORY = None
"""A certificate from files needs no PKI."""


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    made = Plant(tmp_path_factory.mktemp("plant") / "ca")
    made.identity("good", PASSPHRASE.encode())
    made.identity("revoked", revoked=True)
    return made


@pytest.fixture(scope="module")
def secured(tmp_path_factory, plant):
    """Yield a CPMS that lets in callers of the plant only."""
    place = tmp_path_factory.mktemp("secured")
    self_signed(place / "tls")
    options = {
        "certificate": place / "tls" / "cert.pem",
        "key": place / "tls" / "key.pem",
        "client-ca": plant.directory / "root.pem",
        "client-crl": plant.directory / "crl.pem",
    }
    staging = Staging(place / "cpms", *(word for name, path in options.items() for word in (f"--{name}", str(path))))
    staging.place = place
    yield staging
    staging.kill()


def station(secured, place, passphrase=""):
    """Open the adapter with the identity in a directory."""
    identity = place and ClientIdentity(place / "chain.pem", place / "key.pem", lambda: passphrase)
    identify = (lambda: identity) if identity else None
    return open_cpms(f"staging+{secured.url}?ca=tls/cert.pem", lambda: TOKEN, secured.place, identify)


def test_a_station_of_the_plant_is_let_in(secured, plant):
    """Its key is encrypted; the token is still asked for."""
    known = station(secured, plant.directory / "good", PASSPHRASE)
    assert known.register(UNIT, 1).state == "equal"
    assert known.read(UNIT.serial).revision == 1


@pytest.mark.parametrize("who", ["nobody", "revoked", "stranger"])
def test_any_other_station_is_refused(secured, plant, tmp_path, who):
    """Without certificate, with a revoked one, and with one of another plant."""
    places = {"nobody": None, "revoked": plant.directory / "revoked"}
    place = places[who] if who in places else Plant(tmp_path / "other", "Other").identity(who)
    with pytest.raises(ServiceError) as caught:
        station(secured, place).read(UNIT.serial)
    assert ("it may refuse this station's certificate" in caught.value.message) is (place is not None)
    assert UNIT.serial not in caught.value.message


def test_what_tls_says_of_a_refusal_is_told(secured, plant):
    """A server that sends the alert of TLS is quoted."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=plant.directory / "root.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(secured.place / "tls" / "cert.pem", secured.place / "tls" / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        pool.submit(refuse, listener, context)
        url = f"staging+https://127.0.0.1:{listener.getsockname()[1]}?ca=tls/cert.pem"
        with pytest.raises(ServiceError, match=r"it refuses this station's certificate \(\w*CERTIFICATE_REQUIRED\)"):
            open_cpms(url, lambda: TOKEN, secured.place).read(UNIT.serial)


def refuse(listener, context):
    """Shake hands with every attempt of one request."""
    for _ in range(ATTEMPTS):
        with suppress(OSError), listener.accept()[0] as connection:
            connection.settimeout(5)
            context.wrap_socket(connection, server_side=True)


def test_a_cpms_of_another_ca_is_not_told_the_token(secured, plant):
    """The server's certificate is verified against the configured CA before anything is said."""
    other = replace_ca(secured, plant.directory / "root.pem")
    with pytest.raises(ServiceError, match=r"its certificate is not trusted \(.+\)"):
        open_cpms(*other).read(UNIT.serial)


def replace_ca(secured, ca):
    shutil.copy(ca, secured.place / "other.pem")
    return f"staging+{secured.url}?ca=other.pem", lambda: TOKEN, secured.place


def test_a_renewed_identity_counts_from_the_next_connection(secured, plant, tmp_path):
    """The station identity is short-lived: what replaces its files is used without a restart."""
    place = tmp_path / "identity"
    shutil.copytree(plant.directory / "revoked", place)
    opened = station(secured, place)
    with pytest.raises(ServiceError, match="it may refuse this station's certificate"):
        opened.read(UNIT.serial)
    renewed = plant.identity("renewed")
    for name in ("chain.pem", "key.pem"):
        shutil.copy(renewed / name, place / name)
    assert opened.read("AC22-UNKNOWN") is None


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda place: (place / "key.pem").unlink(), "No such file"),
        (lambda place: (place / "chain.pem").write_text("nothing"), "chain.pem with key.pem"),
        (lambda place: shutil.copy(place.parent / "other" / "key.pem", place / "key.pem"), "KEY_VALUES_MISMATCH"),
    ],
    ids=["no key", "no certificate", "key of another"],
)
def test_an_identity_that_cannot_be_used_is_refused_when_it_is_opened(secured, tmp_path, damage, told):
    made = Plant(tmp_path / "plant")
    made.identity("other")
    place = made.identity("station")
    damage(place)
    with pytest.raises(ConfigError, match=told):
        station(secured, place)


def test_a_wrong_passphrase_is_refused_and_not_told(secured, plant):
    with pytest.raises(ConfigError) as caught:
        station(secured, plant.directory / "good", "wrong passphrase")
    assert "wrong passphrase" not in str(caught.value)


@pytest.mark.parametrize("uri", ["staging+http://127.0.0.1:9", "file:out", "none:"])
def test_only_https_knows_client_certificates(plant, tmp_path, uri):
    identity = ClientIdentity(plant.directory / "revoked/chain.pem", plant.directory / "revoked/key.pem")
    with pytest.raises(ConfigError, match="knows no client certificates"):
        open_cpms(uri, lambda: TOKEN, tmp_path, lambda: identity)


STATION = """
[station]
id = "line1"
[line]
order = "WO-1"
[printer]
uri = "discard:"
[cpms.client]
certificate = "chain.pem"
key = "key.pem"
passphrase = "cpms-key"
[[slot]]
name = "1"
port = "p"
"""


def test_the_station_file_names_the_certificate_and_its_secret(secured, plant, tmp_path):
    """Paths are of the station directory; the passphrase is a secret and stands in no file of settings."""
    shutil.copytree(plant.directory / "good", tmp_path, dirs_exist_ok=True)
    shutil.copy(secured.place / "tls" / "cert.pem", tmp_path / "ca.pem")
    (tmp_path / "station.toml").write_text(STATION)
    write_secret("cpms-token", tmp_path, TOKEN)
    config, uri = load_station(tmp_path), f"staging+{secured.url}?ca=ca.pem"
    with pytest.raises(ConfigError, match="secret 'cpms-key' is missing"):
        opened_cpms(config, uri, NO_FACTORY)
    write_secret("cpms-key", tmp_path, PASSPHRASE)
    opened = opened_cpms(config, uri, NO_FACTORY)
    assert opened.read("AC22-UNKNOWN") is None
    opened.close()
