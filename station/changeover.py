"""What it takes to build an order: its recipe as it may be built now, and the CPMS that its units belong to.

A line changes from one order to another without a restart, so nothing that belongs to an order is kept for the line.
"""

import json
import threading
from collections.abc import Callable

from station.acceptance import Limits
from station.bench import Assignment, Services
from station.catalog.configuration import check_secrets
from station.catalog.firmware import load_image
from station.catalog.recipes import Recipe
from station.config import StationConfig
from station.cpms import NONE, Cpms, Credentials, Health, Record, Registration, check_passwords
from station.cpms import Limits as CpmsLimits
from station.errors import ConfigError
from station.model import UnitRecord
from station.passwords import demand_safe
from station.records import Records, RevokedCertificate, Withdrawal, WorkOrder
from station.releases import ordered, refuse_draft, ship_cpms
from station.steps.trust import check_issuers

SELECTED = "order-selected"


def find_order(records: Records, config: StationConfig) -> WorkOrder:
    """Return the order that was selected here last, or the one that the station is set to if that was set since.

    Raises:
        ConfigError: There is no such order.
    """
    configured = config.line.order
    chosen = next(iter(records.events(config.station.id, SELECTED, 1)), None)
    told = json.loads(chosen.body) if chosen else {}
    name = told["order"] if told.get("configured") == configured else configured
    order = records.order(name)
    if order is None:
        message = f"station.toml: line: order: there is no work order '{name}'"
        raise ConfigError(message, hint=f"Create it with 'station order create {name} …'.")
    return order


def buildable(config: StationConfig, records: Records, order: WorkOrder) -> Recipe:
    """Return an order's recipe, judged with all its images: what can be known before anything is opened.

    Raises:
        ConfigError: The order may not be built now, or an image is not what its release says.
    """
    recipe = ordered(config, records, order)
    check_passwords(recipe.ship.cpms, recipe.product.security_profile)
    for rule in (*recipe.release.image, *filter(None, [recipe.release.recovery])):
        load_image(rule)
    return recipe


def acceptance_limits(recipe: Recipe) -> Limits:
    """Return the limits by which the acceptance server judges units of a recipe's product."""
    product = recipe.product.limits
    return Limits(clock_seconds=product.clock_offset, ship_watch_seconds=product.ship_watch)


class CpmsOfOrders:
    """The CPMS of each unit's order; every one is opened when it is first needed and closed with the station."""

    def __init__(self, config: StationConfig, records: Records, opening: Callable[[str], Cpms]) -> None:
        """Open CPMSs by their URI with `opening`."""
        self._config = config
        self._records = records
        self._opening = opening
        self._lock = threading.Lock()
        self._by_uri: dict[str, Cpms] = {}
        self._by_order: dict[str, Cpms] = {}

    @property
    def name(self) -> str:
        """Return what it is; each registration is recorded under the name of its own CPMS."""
        return "cpms-of-each-order"

    @property
    def limits(self) -> CpmsLimits:
        """Return how much all that are open are asked at once; each keeps to its own."""
        return CpmsLimits(sum(cpms.limits.at_once for cpms in tuple(self._by_uri.values())) or 1)

    def health(self) -> Health:
        """Ask all that are open."""
        found = [cpms.health() for cpms in tuple(self._by_uri.values())]
        notes = tuple(note for health in found for note in health.notes)
        return Health(", ".join(health.system for health in found), sum(health.seconds for health in found), notes)

    def at(self, uri: str) -> Cpms:
        """Return the CPMS at a URI.

        Raises:
            ConfigError: Its address, or the certificate to show there, can't be used.
            ServiceError: The certificate can't be had.
        """
        with self._lock:
            if uri not in self._by_uri:
                self._by_uri[uri] = self._opening(uri)
            return self._by_uri[uri]

    def of(self, serial: str) -> Cpms:
        """Return the CPMS that a unit belongs to.

        Raises:
            ConfigError: The unit or its order is not known, or its environment can't be read any more.
        """
        unit = self._records.unit(serial)
        if unit is None:
            raise ConfigError(f"there is no unit {serial} that a CPMS could be told of")
        return self.of_order(unit.work_order)

    def of_order(self, name: str) -> Cpms:
        """Return the CPMS that the units of an order belong to.

        Raises:
            ConfigError: The order is not known, or its environment can't be read any more.
        """
        if name not in self._by_order:
            order = self._records.order(name)
            if order is None:
                raise ConfigError(f"there is no work order {name} whose CPMS could be asked")
            self._by_order[name] = self.at(ship_cpms(self._config, self._records, order))
        return self._by_order[name]

    def read(self, serial: str) -> Record | None:
        """Return the unit's record, or None where there is none."""
        return self.of(serial).read(serial)

    def register(self, record: UnitRecord, revision: int, credentials: Credentials = NONE) -> Registration:
        """Make sure that the unit's CPMS has this record, and read it back."""
        return self.of(record.serial).register(record, revision, credentials)

    def differences(self, record: UnitRecord, remote: Record) -> tuple[str, ...]:
        """Name each field that the unit's CPMS keeps otherwise than we would send it."""
        return self.of(record.serial).differences(record, remote)

    def check_free(self, serial: str, certificate_sha256: str, ocpp_identity: str = "") -> None:
        """Refuse a unit whose serial, identity or certificate belongs to another."""
        self.of(serial).check_free(serial, certificate_sha256, ocpp_identity)

    def revoke(self, notice: RevokedCertificate) -> bool:
        """Make sure that the unit's CPMS knows of a revoked certificate."""
        return self.of(notice.serial).revoke(notice)

    def withdraw(self, notice: Withdrawal, sent: UnitRecord | None = None) -> bool:
        """Make sure that the unit's CPMS keeps its registration no longer."""
        return self.of(notice.serial).withdraw(notice, sent)

    def close(self) -> None:
        """Let go of all connections."""
        for cpms in self._by_uri.values():
            cpms.close()


class Changeover:
    """Gets the line ready for an order."""

    def __init__(self, config: StationConfig, services: Services, cpms: CpmsOfOrders) -> None:
        self._config = config
        self._services = services
        self._cpms = cpms

    def cpms_of(self, order: str) -> Cpms:
        """Return the CPMS that the units of an order belong to.

        Raises:
            ConfigError: The order is not known, or its environment can't be read any more.
        """
        return self._cpms.of_order(order)

    def prepare(self, order: str) -> Assignment:
        """Load and judge everything that an order needs, and set the station's acceptance to its product.

        Raises:
            ConfigError: The order is not known, or may not be built here now.
            ServiceError: What it needs is away.
        """
        services = self._services
        found = services.records.order(order)
        if found is None:
            raise ConfigError(f"There is no work order {order}.", hint="Scan the code on the order's sheet.")
        recipe = buildable(self._config, services.records, found)
        refuse_draft(recipe, development=services.factory.development)
        check_issuers(services.factory.root_sha256, recipe)
        sealed = bool(recipe.product.password.key or recipe.file.labels.inside)
        demand_safe(services.factory, recipe.product.name, needed=sealed)
        check_secrets(recipe, (recipe.test, recipe.ship), services.secrets)
        self._cpms.at(recipe.ship.cpms)
        services.acceptance.adopt(acceptance_limits(recipe))
        return Assignment(found, recipe, services)

    def select(self, order: str, before: str, who: str) -> Assignment:
        """Prepare another order and record durably who selected it; a restart goes on with it.

        Raises:
            ConfigError: The order is not known, or may not be built here now.
            ServiceError: What it needs is away.
        """
        assignment = self.prepare(order)
        body = {"order": order, "before": before, "configured": self._config.line.order}
        self._services.records.event(SELECTED, self._config.station.id, body, who)
        return assignment
