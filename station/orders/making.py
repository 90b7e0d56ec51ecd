"""Make work orders of approved bundles: what an order builds is pinned by the bundle's digest when it is made.

What could only fail at the bench fails here: a bundle that may not build, a serial that no OCPP server would take.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from pki.issue import grant_quota
from station.catalog.recipes import Recipe
from station.config import StationConfig
from station.errors import ConfigError
from station.identifiers import Kind, Rules, parse
from station.passwords import told
from station.records import Edit, Records, SerialBlock, WorkOrder
from station.records.values import TRAVELLER
from station.releases import approved, draft, refuse_draft

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,39}")
MOST_UNITS = 1_000_000
LONGEST_CUSTOMER = 80


@dataclass(frozen=True)
class OrderOptions:
    """What a work order is asked for."""

    quantity: int
    prefix: str
    bundle: str = ""
    """Name of the release bundle."""
    draft: str = ""
    """Name of a recipe to build as it is, in its place; for a development factory only."""
    first: int = 1
    customer: str = ""
    rework: int = 0
    """Certificates beyond the quantity, for units that need another key."""
    check: str = ""
    """Check character of the serials: `mod37-36`, or nothing."""
    serials_from: str = TRAVELLER
    due: str = ""
    """ISO 8601 date, or nothing."""
    product: str = ""
    """What the bundle must build, where whoever orders says it; nothing takes what it builds."""
    environment: str = ""
    """For which ship environment it must be, where whoever orders says it."""


class Office:
    """Where the work orders of one station are made; not safe for several threads at once."""

    def __init__(self, config: StationConfig, records: Records, development: Callable[[], bool]) -> None:
        """Make orders at a station.

        Args:
            config: The station's settings.
            records: Where the orders are kept.
            development: Tells whether the factory's CAs are of development, so that drafts may be built.
        """
        self.records = records
        self._config, self._development = config, development
        self._recipes: dict[tuple[str, str], Recipe] = {}

    def create(self, name: str, options: OrderOptions, who: str) -> WorkOrder:
        """Create a work order and grant its quota of certificates; asking again for the same one changes nothing.

        Raises:
            ConfigError: The name is wrong, the bundle may not be built, or the order or its serials exist otherwise.
            ServiceError: Records or ledger can't be written, or the HSM is away.
        """
        self.refresh()
        order = self.drawn(name, options, who)
        if not self.known(order):
            self.records.create_order(order)
        self.grant(order, options.rework)
        return order

    def replace(self, name: str, count: int, edit: Edit) -> WorkOrder:
        """Let an order build more units for scrapped ones, and grant their certificates (F-A4).

        Raises:
            ConfigError: Fewer units were scrapped, the block can't grow, or somebody else edited the order meanwhile.
            ServiceError: Records or ledger can't be written.
        """
        order = self.records.replace_scrap(name, count, edit)
        self.grant(order, None)
        return order

    def drawn(self, name: str, options: OrderOptions, who: str) -> WorkOrder:
        """Return the work order that is asked for; nothing is written of it.

        Raises:
            ConfigError: The name is wrong, the bundle may not be built, or it is not for what is asked.
        """
        if not NAME.fullmatch(name):
            hint = "Use letters, digits, dots, slashes, hyphens and underscores."
            raise ConfigError("the name of a work order has 1 to 40 characters", hint=hint)
        _check(options)
        order = _order(name, options, self._recipe(options.bundle, options.draft), who)
        _check_wanted(order, options)
        return order

    def known(self, order: WorkOrder) -> bool:
        """Tell whether the records have the very same order, whatever was done with it since.

        Raises:
            ConfigError: They have another one under its name.
        """
        row = self.records.order(order.id)
        if row is None:
            return False
        if _pinned(row) != _pinned(order):
            raise ConfigError(f"work order {order.id} exists already", hint="Choose another id.")
        return True

    def grant(self, order: WorkOrder, rework: int | None) -> None:
        """Grant an order its quota of certificates; the same again changes nothing (F-D12).

        Args:
            order: The order.
            rework: Certificates beyond one for each unit; None keeps what was granted before.

        Raises:
            ServiceError: The ledger can't be written.
        """
        with told():
            grant_quota(self._config.pki_directory, order.id, order.allowed, rework)

    def rules(self, order: WorkOrder) -> Rules:
        """Return what the product of an order declares of the identifiers of its units.

        Raises:
            ConfigError: The order may not be built any more.
        """
        bundle, recipe = order.bundle, "" if order.bundle else order.recipe
        return self._recipe(bundle, recipe).product.identifiers.rules()

    def refresh(self) -> None:
        """Judge bundles anew from now on: an approval or a withdrawal may have come."""
        self._recipes.clear()

    def _recipe(self, bundle: str, recipe: str) -> Recipe:
        """Return what an order would build; judged once for all orders of a file."""
        if bool(bundle) == bool(recipe):
            hint = "Name the bundle: 'station bundle list' shows them."
            raise ConfigError("a work order is made for one release bundle, or for one draft", hint=hint)
        key = (bundle, recipe)
        if key not in self._recipes:
            self._recipes[key] = self._approved(bundle) if bundle else self._draft(recipe)
        return self._recipes[key]

    def _approved(self, bundle: str) -> Recipe:
        return approved(self._config, self.records, bundle)

    def _draft(self, name: str) -> Recipe:
        recipe = draft(self._config, self.records, name)
        refuse_draft(recipe, development=self._development())
        return recipe


def _check(options: OrderOptions) -> None:
    """Refuse what could not stand in documents."""
    if not 1 <= options.quantity <= MOST_UNITS:
        raise ConfigError(f"quantity must be 1 to {MOST_UNITS}, not {options.quantity}")
    if len(options.customer) > LONGEST_CUSTOMER or not options.customer.isprintable():
        raise ConfigError(f"customer must be at most {LONGEST_CUSTOMER} printable characters")
    if options.due:
        try:
            date.fromisoformat(options.due)
        except ValueError as error:
            raise ConfigError("due is no date such as 2027-03-31") from error


def _check_wanted(order: WorkOrder, options: OrderOptions) -> None:
    """Refuse a bundle that is not for what is ordered (F-A4)."""
    pairs = (("product", options.product, order.product), ("environment", options.environment, order.ship_environment))
    for what, wanted, found in pairs:
        if wanted not in ("", found):
            message = f"bundle {order.bundle or order.recipe} is for {what} {found}, not for {wanted}"
            raise ConfigError(message, hint=f"Name the bundle of that {what}.")


def _order(name: str, options: OrderOptions, recipe: Recipe, who: str) -> WorkOrder:
    last = options.first + options.quantity - 1
    block = SerialBlock(options.prefix, options.first, last, check=options.check)
    _check_identity(block.text(block.last))
    return WorkOrder(
        id=name,
        product=recipe.product.name,
        recipe=recipe.file.name,
        recipe_revision=recipe.file.revision,
        recipe_digest=recipe.digest,
        quantity=options.quantity,
        customer=options.customer,
        serials=block,
        test_environment=recipe.test.name,
        ship_environment=recipe.ship.name,
        bundle=options.bundle,
        serials_from=options.serials_from,
        due=options.due,
        created_by=who,
    )


def _check_identity(serial: str) -> None:
    """Refuse serials that could not be OCPP identities: here, and not at the bench (F-A7)."""
    try:
        parse(Kind.OCPP_IDENTITY, serial)
    except ValueError as error:
        raise ConfigError(str(error), hint="Choose another prefix for the serial block.") from error


def _pinned(order: WorkOrder) -> tuple[object, ...]:
    """Return what never changes of an order; who asked for it is no part of it."""
    block = order.serials
    numbers = (block.prefix, block.first, block.digits, block.check, order.quantity, order.serials_from)
    built = (order.product, order.recipe, order.recipe_revision, order.recipe_digest, order.bundle)
    return (*numbers, *built, order.customer, order.test_environment, order.ship_environment, order.due)
