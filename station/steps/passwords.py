"""The unit's OCPP password: written where it can't be read again, and proven by the unit's login (F-D7, F-H2).

The clear password is in this process for one write, between the token that opens it and the device.
"""

from http import HTTPStatus

from station.acceptance.impostor import claim, nobodys_password
from station.bench import Bench
from station.catalog.credentials import BY_PASSWORD
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Environment
from station.records import LabelState

INSIDE = "inside"
"""Name of the inside label, in recipes and records."""


def write_password(bench: Bench, environment: Environment, deadline: Deadline) -> None:
    """Give the device the password of an environment, in place of the one it had; nothing where it has none.

    Raises:
        UnitError: The device shows its password to whoever asks.
    """
    setting = bench.recipe.product.password
    if not setting.key:
        return
    made = bench.services.passwords.ensure(bench.unit.serial, environment)
    password = bench.services.passwords.open(bench.unit.serial, environment)
    bench.charger.write_settings({setting.key: password.reveal().encode()}, deadline)
    del password
    shown = bench.charger.read_settings((setting.key,), deadline).get(setting.key)
    if not bench.measure(f"{environment}_password_hidden", not shown, expected=True):
        raise UnitError(Defect.CONFIGURATION, f"The device shows its password: {setting.key} can be read.")
    bench.note(password_version=made.version)


def write_inside(bench: Bench, deadline: Deadline) -> None:
    """Give the device the secret that will stand on its label inside; nothing where it stands there already (F-J3).

    Raises:
        UnitError: The device shows its secret to whoever asks.
    """
    setting, serial = bench.recipe.product.inside, bench.unit.serial
    living = bench.services.records.living_label(serial, INSIDE)
    if INSIDE not in bench.recipe.labels or (living is not None and living.state is LabelState.SCANNED):
        return
    version = bench.services.secrets_inside.ensure(serial, setting.kind)
    secret = bench.services.secrets_inside.open(serial, setting.kind)
    bench.charger.write_settings({setting.key: secret.reveal().encode()}, deadline)
    del secret
    shown = bench.charger.read_settings((setting.key,), deadline).get(setting.key)
    if not bench.measure("inside_secret_hidden", not shown, expected=True):
        raise UnitError(Defect.CONFIGURATION, f"The device shows its secret: {setting.key} can be read.")
    bench.note(inside_version=version)


def prove_refusal(bench: Bench, deadline: Deadline) -> None:
    """Claim to be the unit with a password that nobody has: only at a server that refuses it, a login proves anything.

    Raises:
        RuntimeError: It was let in: a bug of the station.
    """
    if bench.recipe.product.security_profile != BY_PASSWORD:
        return
    server, expected = bench.services.acceptance, bench.expect_visit().expected
    found = claim(server, expected, nobodys_password(), deadline)
    if not bench.measure("wrong_password_answered", float(found), expected=float(HTTPStatus.UNAUTHORIZED)):
        raise RuntimeError("the acceptance server lets wrong passwords in")
